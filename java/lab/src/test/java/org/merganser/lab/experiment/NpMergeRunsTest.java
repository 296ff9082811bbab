// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.merganser.compute.Cancellation;
import org.merganser.compute.Workspace;
import org.merganser.error.CancelledException;
import org.merganser.lab.data.IdxFolder;
import org.merganser.torch.networks.NetworkChoice;
import org.merganser.torch.networks.Norm;

/** Runs of the NP Merge experiment with settings of their own. */
class NpMergeRunsTest {
  private static final int HIDDEN = 16;

  @TempDir static Path temp;

  /** Averages of networks with batch normalisation are reset, and nothing is refused. */
  @Test
  void batchNormalisation() throws IOException {
    NpMergeExperiment.Options options =
        NpMergeExperiment.Options.defaults()
            .with("data", IdxFolder.write(temp.resolve("images"), 200, 200, 28).toString())
            .with("network", NetworkChoice.Kind.RESNET20)
            .with("width-multiplier", 0.25)
            .with("norm", Norm.BATCH)
            .with("train", 200)
            .with("epochs", 1)
            .with("statistics", 100)
            .with("steps", 4)
            .with("eval-every", 2)
            .with("batch", 50);
    ExperimentResult images = NpMergeExperimentTest.run(options, 2);
    assertThat(images.rows()).hasSize(12).noneMatch(ExperimentResult.Row::isRefused);
    assertThat(images.section("samples")).isEmpty();
    assertThat(Views.curves(images).get(0).heldOut()).hasSize(3);
    assertThat(images.report().seconds()).containsKey("repair");
  }

  /** The other forms and granularities run, without held-out data. */
  @Test
  void otherForms() throws IOException {
    ExperimentResult rows =
        NpMergeExperimentTest.run(
            NpMergeExperimentTest.options(temp.resolve("models"))
                .with("seeds", 1)
                .with("form", "softmax")
                .with("granularity", "row")
                .with("optimizer", "sgd")
                .with("learning-rate", 0.2)
                .with("initial", List.of(0.4, 0.6))
                .with("pull", 0.01)
                .with("steps", 20)
                .with("held-out", 0)
                .with("np-train", 100)
                .with("aligners", "identity"),
            2);
    assertThat(Views.curves(rows)).allMatch(curve -> curve.heldOut().isEmpty());
    assertThat(Views.curves(rows)).allMatch(curve -> curve.batchLoss().size() == 20);
    List<Long> counts = Views.coefficients(rows).get("fc1.weight").get("np-merge+identity");
    assertThat(counts.stream().mapToLong(Long::longValue).sum()).isEqualTo(HIDDEN);
    assertThat(Views.samples(rows).get("np-merge").aligner()).isEqualTo("identity");
    // One sample set, no stopping in either.
    assertThat(Views.samples(rows).get("np-merge"))
        .usingRecursiveComparison()
        .ignoringFields("method")
        .isEqualTo(Views.samples(rows).get("np-merge-all-steps"));
  }

  @Test
  void cancellationKeepsTrainedModels() throws IOException {
    Cancellation cancellation = new Cancellation();
    Path cache = temp.resolve("cancelled");
    NpMergeExperiment.Options options =
        NpMergeExperimentTest.options(temp.resolve("models"))
            .with("seeds", 1)
            .with("epochs", 1)
            .with("cache", cache);
    try (Workspace ws =
        Workspace.builder()
            .threads(2)
            .cancellation(cancellation)
            .progress(
                (stage, done, total) -> {
                  if (stage.equals("np-merge pair 1/1") && done > 5) {
                    cancellation.cancel();
                  }
                })
            .open()) {
      assertThatThrownBy(() -> new NpMergeExperiment(options).run(ws))
          .isInstanceOf(CancelledException.class);
    }
    try (Stream<Path> files = Files.list(cache)) {
      assertThat(files).hasSize(2);
    }
  }
}
