// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.io.IOException;
import java.nio.file.Path;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.merganser.compute.Workspace;
import org.merganser.lab.data.IdxFolder;
import org.merganser.torch.networks.NetworkChoice;
import org.merganser.torch.networks.Norm;

/** Narrow networks on a few images: what the rows are, not how good. */
class ConvolutionalExperimentTest {
  @TempDir private Path temp;

  private ExperimentResult run(NetworkChoice.Kind network, double width, Norm norm, long seed)
      throws IOException {
    CcaMergeExperiment.Options options =
        CcaMergeExperiment.Options.defaults()
            .with("repair", false)
            .with("data", IdxFolder.write(temp.resolve("images"), 300, 200, 28).toString())
            .with("network", network)
            .with("width-multiplier", width)
            .with("norm", norm)
            .with("train", 300)
            .with("epochs", 1)
            .with("statistics", 100)
            .with("aligners", "identity,permutation,cca")
            .with("repair", true)
            .with("points", 3)
            .with("seed", seed);
    try (Workspace ws = Workspace.builder().threads(2).seed(seed).open()) {
      return new CcaMergeExperiment(options).run(ws);
    }
  }

  private static String methods(ExperimentResult result) {
    return result.rows().stream()
        .map(ExperimentResult.Row::method)
        .collect(Collectors.joining(" "));
  }

  @Test
  void denseMapsAcrossBatchNormAreRefusedUnlessReset() throws IOException {
    ExperimentResult result = run(NetworkChoice.Kind.RESNET20, 0.25, Norm.BATCH, 3);
    assertThat(methods(result))
        .isEqualTo(
            "base best-base ensemble identity identity+bn-reset identity+fold permutation"
                + " permutation+bn-reset permutation+fold cca cca+bn-reset cca+fold");
    for (ExperimentResult.Row row : result.rows()) {
      assertThat(row.isRefused()).as(row.method()).isEqualTo(row.method().equals("cca"));
    }
    assertThat(result.report().tables().lines()).anyMatch(line -> line.matches("cca +refused"));
    assertThat(Views.paths(result)).hasSize(3);
    for (CcaMergeCharts.Path path : Views.paths(result)) {
      assertThat(path.lambdas()).containsExactly(0.0, 0.5, 1.0);
      // All paths begin and end at the same two models.
      for (int end : new int[] {0, 2}) {
        assertThat(path.losses().get(end))
            .isCloseTo(Views.paths(result).get(0).losses().get(end), within(1e-3));
      }
    }
    assertThat(Views.spectra(result)).hasSize(12).containsKey("layer3.2.conv1");
  }

  @Test
  void networksWithoutNormalisationAreRepaired() throws IOException {
    ExperimentResult result = run(NetworkChoice.Kind.VGG11, 0.125, Norm.NONE, 4);
    assertThat(methods(result))
        .isEqualTo(
            "base best-base ensemble identity identity+repair permutation permutation+repair cca"
                + " cca+repair");
    assertThat(result.rows()).noneMatch(ExperimentResult.Row::isRefused);
    assertThat(result.row("cca+repair").loss()).isNotEqualTo(result.row("cca").loss());
  }

  @Test
  void namesWhatDoesNotFit() {
    assertThatThrownBy(() -> CcaMergeExperiment.Options.defaults().with("network", "lenet"))
        .hasMessage(
            "network must be one of mlp, vgg11, vgg16, resnet18, resnet20, resnet50, vit, not 'lenet'");
    CcaMergeExperiment.Options blobs =
        CcaMergeExperiment.Options.defaults()
            .with("repair", false)
            .with("data", ExperimentOptions.BLOBS)
            .with("network", "vgg11");
    try (Workspace ws = Workspace.builder().threads(1).open()) {
      assertThatThrownBy(() -> new CcaMergeExperiment(blobs).run(ws))
          .hasMessage("vgg11 reads images, the samples of 'blobs' are vectors; use mlp");
    }
    assertThatThrownBy(
            () ->
                CcaMergeExperiment.Options.defaults()
                    .with("repair", false)
                    .with("data", "x")
                    .with("aligners", "magic"))
        .hasMessageStartingWith("no aligner 'magic'; there are identity, permutation");
  }
}
