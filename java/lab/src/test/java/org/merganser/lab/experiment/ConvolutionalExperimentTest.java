// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.io.IOException;
import java.util.List;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.merganser.compute.Workspace;
import org.merganser.lab.report.TextTable;
import org.merganser.torch.networks.Norm;

/** Narrow networks on a few images: what the rows are, not how good. */
class ConvolutionalExperimentTest {
  private static CcaMergeResult run(NetworkChoice network, long seed) throws IOException {
    CcaMergeOptions options =
        CcaMergeOptions.builder(CcaMergeOptions.EMBEDDED)
            .network(network)
            .train(300)
            .epochs(1)
            .statistics(100)
            .aligners(List.of("identity", "permutation", "cca"))
            .repair(true)
            .points(3)
            .seed(seed)
            .build();
    try (Workspace ws = Workspace.builder().threads(2).seed(seed).open()) {
      return CcaMergeExperiment.run(options, ws);
    }
  }

  private static String methods(CcaMergeResult result) {
    return result.rows().stream().map(CcaMergeResult.Row::method).collect(Collectors.joining(" "));
  }

  @Test
  void denseMapsAcrossBatchNormAreRefusedUnlessReset() throws IOException {
    CcaMergeResult result =
        run(new NetworkChoice(NetworkChoice.Kind.RESNET20, 1, 1, 0.25, Norm.BATCH), 3);
    assertThat(methods(result))
        .isEqualTo(
            "base best-base ensemble identity identity+bn-reset identity+fold permutation"
                + " permutation+bn-reset permutation+fold cca cca+bn-reset cca+fold");
    for (CcaMergeResult.Row row : result.rows()) {
      assertThat(row.isRefused()).as(row.method()).isEqualTo(row.method().equals("cca"));
    }
    assertThat(TextTable.of(result).lines()).anyMatch(line -> line.matches("cca +refused"));
    assertThat(result.paths()).hasSize(3);
    for (CcaMergeResult.Path path : result.paths()) {
      assertThat(path.lambdas()).containsExactly(0.0, 0.5, 1.0);
      // All paths begin and end at the same two models.
      for (int end : new int[] {0, 2}) {
        assertThat(path.losses().get(end))
            .isCloseTo(result.paths().get(0).losses().get(end), within(1e-3));
      }
    }
    assertThat(result.spectra()).hasSize(12).containsKey("layer3.2.conv1");
    assertThat(result.options().training().augmentation().flip()).isTrue();
  }

  @Test
  void networksWithoutNormalisationAreRepaired() throws IOException {
    CcaMergeResult result =
        run(new NetworkChoice(NetworkChoice.Kind.VGG11, 1, 1, 0.125, Norm.NONE), 4);
    assertThat(methods(result))
        .isEqualTo(
            "base best-base ensemble identity identity+repair permutation permutation+repair cca"
                + " cca+repair");
    assertThat(result.rows()).noneMatch(CcaMergeResult.Row::isRefused);
    assertThat(result.row("cca+repair").loss()).isNotEqualTo(result.row("cca").loss());
  }

  @Test
  void namesWhatDoesNotFit() {
    assertThatThrownBy(() -> NetworkChoice.Kind.of("lenet"))
        .hasMessage(
            "no network 'lenet'; there are mlp, vgg11, vgg16, resnet18, resnet20, resnet50");
    NetworkChoice vgg = new NetworkChoice(NetworkChoice.Kind.VGG11, 1, 1, 1, Norm.NONE);
    CcaMergeOptions blobs = CcaMergeOptions.builder(CcaMergeOptions.BLOBS).network(vgg).build();
    try (Workspace ws = Workspace.builder().threads(1).open()) {
      assertThatThrownBy(() -> CcaMergeExperiment.run(blobs, ws))
          .hasMessage("vgg11 reads images, the samples of 'blobs' are vectors; use mlp");
    }
    assertThatThrownBy(() -> CcaMergeOptions.builder("x").aligners(List.of("magic")).build())
        .hasMessageStartingWith("no aligner 'magic'; there are identity, permutation");
  }
}
