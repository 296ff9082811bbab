// SPDX-License-Identifier: Apache-2.0
package org.merganser.symmetry;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.io.IOException;
import java.util.LinkedHashMap;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.linalg.Tensor;
import org.merganser.transformer.GoldenModel;
import org.merganser.transformer.TransformerConfig;

/** The models and the forward pass of tests are those of other programs. */
class ReferenceForwardTest {
  @Test
  void theStreamOfNumbersIsSplitMix() {
    GoldenModel.Stream stream = new GoldenModel.Stream(0);
    assertThat(stream.next()).isEqualTo(0.8833108082136426);
    assertThat(stream.next()).isEqualTo(0.43152799704850997);
    assertThat(stream.next()).isEqualTo(0.026433771592597743);
    assertThat(stream.next()).isEqualTo(0.9708819781538285);
  }

  /**
   * Six confirmed with Hugging Face's implementations to the precision of their norms, 3e-6; GPT-2
   * and BERT from torch's functions (attention, layer_norm, gelu) in F64.
   */
  @ParameterizedTest
  @CsvSource({
    "LLAMA, 2.4814217200447732, -0.7283543663383167, -0.8447924807337827, 15, 57.691853924732015,"
        + " 23.732320421292147",
    "TIED, 1.006410355050025, 4.600252456465024, -2.706274086064496, 17, 44.48169720032699,"
        + " 40.3298409323552",
    "MHA, 0.1621894219896997, -0.9319565431416235, 1.5129391730494413, 27, 6.927884943751083,"
        + " 23.59849281889492",
    "MQA, -1.449566324430429, 0.0510632893944435, -0.9411819989768853, 30, -0.30069179549306924,"
        + " 16.497370220259825",
    "QWEN2, 0.526676468687375, 2.8000405998115534, 1.6401975485898805, 1, -30.753188610518286,"
        + " 19.49360686948866",
    "QWEN3, -1.7314722587774891, -0.49504472579010267, -1.6135666113521445, 5,"
        + " 60.26979372748082, 16.393018820626647",
    "GPT2, 1.8049474362205102, 1.9839550195221676, -0.7424908901870175, 15, -17.002543455263623,"
        + " 37.866448249445575",
    "BERT, 0.42395950174974045, -3.008154940020651, 1.550110457325033, 4, 11.69828830841914,"
        + " 12.658536855867883"
  })
  void logitsAreThoseOfTheTable(
      GoldenModel model, double a, double b, double c, int best, double sum, double norm)
      throws IOException {
    try (Workspace ws = Workspace.open();
        MemoryCheckpoint weights = model.weights()) {
      double[][] logits = ReferenceForward.logits(model.config(), weights, GoldenModel.ids(), ws);
      check(logits, new double[] {a, b, c, sum, norm}, best, 1e-9);
      Checkpoint rounded = weights.as(DType.F32);
      check(
          ReferenceForward.logits(model.config(), rounded, GoldenModel.ids(), ws),
          new double[] {a, b, c, sum, norm},
          best,
          2e-5);
    }
  }

  private static void check(double[][] logits, double[] wanted, int best, double tolerance) {
    double[] last = logits[7];
    int largest = 0;
    double sum = 0;
    double square = 0;
    for (double[] row : logits) {
      for (int i = 0; i < row.length; i++) {
        largest = row == last && row[i] > row[largest] ? i : largest;
        sum += row[i];
        square += row[i] * row[i];
      }
    }
    for (int i = 0; i < 3; i++) {
      assertThat(last[i]).isCloseTo(wanted[i], within(tolerance));
    }
    assertThat(largest).isEqualTo(best);
    assertThat(sum).isCloseTo(wanted[3], within(tolerance));
    assertThat(Math.sqrt(square)).isCloseTo(wanted[4], within(tolerance));
  }

  /** Row r of a head of halves is row (r mod dh/2) 2 + r / (dh/2) of one of neighbours. */
  @ParameterizedTest
  @EnumSource(names = {"LLAMA", "MHA", "MQA", "QWEN2"})
  void rotationOfHalvesIsThatOfNeighboursWithItsRows(GoldenModel model) throws IOException {
    TransformerConfig config = model.config();
    try (Workspace ws = Workspace.open();
        MemoryCheckpoint weights = model.weights()) {
      Map<String, Tensor> moved = new LinkedHashMap<>();
      for (String name : weights.tensors().keySet()) {
        boolean rotated = name.contains("q_proj") || name.contains("k_proj");
        Tensor tensor = weights.tensor(name);
        moved.put(name, rotated ? interleaved(tensor, config.headSize()) : tensor);
      }
      double[][] wanted = ReferenceForward.logits(config, weights, GoldenModel.ids(), ws);
      double[][] found =
          ReferenceForward.interleaved(config, MemoryCheckpoint.of(moved), GoldenModel.ids(), ws);
      assertThat(ReferenceForward.difference(wanted, found)).isLessThan(1e-13);
    }
  }

  private static Tensor interleaved(Tensor halves, int dh) {
    Tensor result = halves.copy();
    long row = halves.rank() == 1 ? 1 : halves.dim(1);
    for (int r = 0; r < halves.dim(0); r++) {
      int inHead = r % dh;
      long to = r - inHead + inHead % (dh / 2) * 2 + inHead / (dh / 2);
      for (int i = 0; i < row; i++) {
        result.set(to * row + i, halves.get(r * row + i));
      }
    }
    return result;
  }
}
