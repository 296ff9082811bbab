// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.merganser.compute.Cancellation;
import org.merganser.compute.Workspace;
import org.merganser.error.CancelledException;
import org.merganser.io.Checkpoint;
import org.merganser.io.Safetensors;
import org.merganser.lab.data.Blobs;
import org.merganser.lab.data.DataSet;
import org.merganser.lab.data.IdxFolder;
import org.merganser.model.Evaluation;
import org.merganser.torch.TorchNetwork;
import org.merganser.torch.layers.Activation;

/** Runs of the CCA Merge experiment with settings of their own. */
class CcaMergeRunsTest {
  private static final int HIDDEN = 16;
  private static final int TRAIN = 600;
  private static final long SEED = 11;
  private static final TorchNetwork NETWORK = TorchNetwork.mlp(64, HIDDEN, 2, 10, Activation.RELU);

  @TempDir static Path temp;

  /**
   * Of several values of gamma each pair takes the best on validation samples, as a run of each.
   */
  @Test
  void gammaIsChosenOnSamplesThatNoModelSaw() throws IOException {
    List<Double> gammas = List.of(1e-6, 1.0, 30.0);
    CcaMergeExperiment.Options several =
        CcaMergeExperiment.Options.defaults()
            .with("repair", false)
            .with("data", ExperimentOptions.BLOBS)
            .with("hidden", HIDDEN)
            .with("seeds", 2)
            .with("seed", SEED)
            .with("epochs", 5)
            .with("train", TRAIN)
            .with("points", 0)
            .with("aligners", "permutation,cca");
    ExperimentResult chosen = CcaMergeExperimentTest.run(several.with("gamma", gammas), 2);
    assertThat(Views.chosen(chosen))
        .hasSize(2)
        .allSatisfy(m -> assertThat(m).containsOnlyKeys("cca"));
    assertThat(chosen.differences())
        .extracting(d -> d.method() + " - " + d.than())
        .containsExactly("cca - permutation");
    for (int pair = 0; pair < 2; pair++) {
      String told = Views.chosen(chosen).get(pair).get("cca").toString();
      assertThat(told).startsWith("gamma=");
      double taken = Double.parseDouble(told.substring("gamma=".length()));
      double best = selection(several, taken, pair, chosen.pairs().get(pair));
      for (double gamma : gammas) {
        assertThat(selection(several, gamma, pair, Map.of())).isLessThanOrEqualTo(best);
      }
    }
  }

  /**
   * Accuracy of CCA with one gamma on the validation samples of one pair, in a run of its own.
   *
   * @param rows what its rows must be; may be empty
   */
  private static double selection(
      CcaMergeExperiment.Options options, double gamma, int pair, Map<String, Double> rows)
      throws IOException {
    Path keep = temp.resolve("gamma-" + gamma);
    ExperimentResult alone =
        CcaMergeExperimentTest.run(options.with("gamma", gamma).with("keep", keep), 2);
    assertThat(Views.chosen(alone)).isEmpty();
    assertThat(alone.pairs().get(pair)).containsAllEntriesOf(rows);
    try (DataSet data = Blobs.draw(TRAIN, SEED + pair);
        Workspace ws = Workspace.builder().threads(1).open();
        Checkpoint merged =
            Safetensors.open(keep.resolve("pair-" + pair).resolve("merged-cca.safetensors"))) {
      return Evaluation.of(NETWORK, merged, data.validation().orElseThrow(), ws).accuracy();
    }
  }

  @Test
  void imagesAreReportedWithTheirScale() throws IOException {
    Path folder = IdxFolder.write(temp.resolve("tiny"), 60, 30, 5);
    CcaMergeExperiment.Options options =
        CcaMergeExperiment.Options.defaults()
            .with("repair", false)
            .with("data", folder.toString())
            .with("hidden", 8)
            .with("layers", 1)
            .with("seeds", 2)
            .with("epochs", 3);
    ExperimentResult images = CcaMergeExperimentTest.run(options, 2);
    assertThat(images.data().name()).isEqualTo("tiny");
    assertThat(images.data().train()).isEqualTo(60);
    assertThat(images.data().test()).isEqualTo(30);
    assertThat(images.data().mean().get(0)).isBetween(0.1, 0.9);
    assertThat(images.data().sd().get(0)).isBetween(0.1, 0.9);
    assertThat(images.parameters()).isEqualTo(25 * 8 + 8 + 8 * 3 + 3);
    assertThat(temp.resolve("kept-nothing")).doesNotExist();
  }

  @Test
  void cancellationLeavesNothingHalfWritten() {
    Cancellation cancellation = new Cancellation();
    Path keep = temp.resolve("cancelled");
    List<String> stages = new ArrayList<>();
    try (Workspace ws =
        Workspace.builder()
            .threads(2)
            .cancellation(cancellation)
            .progress(
                (stage, done, total) -> {
                  stages.add(stage);
                  if (stage.startsWith("statistics")) {
                    cancellation.cancel();
                  }
                })
            .open()) {
      assertThatThrownBy(
              () -> new CcaMergeExperiment(CcaMergeExperimentTest.options(2, 1, 2, keep)).run(ws))
          .isInstanceOf(CancelledException.class);
    }
    assertThat(stages).contains("train pair 1/1", "statistics");
    assertThat(keep)
        .satisfiesAnyOf(
            path -> assertThat(path).doesNotExist(),
            path -> assertThat(CcaMergeExperimentTest.files(path)).isEmpty());
  }
}
