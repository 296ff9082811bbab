// SPDX-License-Identifier: Apache-2.0
package org.merganser.align;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.merganser.testing.Work.WS;

import java.io.IOException;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.merganser.compute.DType;
import org.merganser.error.NumericalException;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.linalg.Matrix;
import org.merganser.linalg.Tensor;
import org.merganser.model.Architecture;
import org.merganser.model.Binding;
import org.merganser.model.MapFamily;
import org.merganser.model.Role;

/** Maps do not make finite models infinite. */
class MapOverflowTest {
  /** Each takes feature 0 of two ten times. */
  static Stream<Alignment> tenfold() {
    double[][] t = {{10, 0}, {0, 1}};
    double[][] back = {{0.1, 0}, {0, 1}};
    return Stream.of(
        alignment(2, ScaledPermutation.of(new int[] {0, 1}, new double[] {10, 1})),
        alignment(2, LinearMap.of(Matrix.of(t), Matrix.of(back))),
        alignment(2, MapPair.of(Matrix.of(t), Matrix.of(back))),
        alignment(
            1,
            MapPair.of(
                Matrix.of(new double[][] {{10, 0}}), Matrix.of(new double[][] {{0.1}, {0}}))));
  }

  private static Alignment alignment(int width, FeatureMap map) {
    return Alignment.of("ten", architecture(2), architecture(width), Map.of("s", map));
  }

  private static Architecture architecture(int width) {
    return Architecture.builder()
        .space("s", width, MapFamily.PERMUTATION, Binding.of("w", 0, Role.WEIGHT_OUT))
        .build();
  }

  private static Checkpoint model(DType dtype, double first) {
    Map<String, Tensor> tensors = new LinkedHashMap<>();
    try (Tensor wide = Tensor.of(new double[] {first, 1, 2, 3}, 2, 2)) {
      tensors.put("w", wide.to(dtype, WS));
    }
    return MemoryCheckpoint.of(tensors);
  }

  @ParameterizedTest
  @MethodSource("tenfold")
  void whatLeavesTheRangeIsRefused(Alignment alignment) throws IOException {
    Checkpoint mapped = alignment.apply(model(DType.F16, 60_000));
    assertThatThrownBy(() -> mapped.read("w", WS))
        .isInstanceOf(NumericalException.class)
        .hasMessageStartingWith(
            "'w' F16 [2, 2]: finite, and beyond the range of F16 once it is mapped (spaces [s]);");
    Checkpoint wider = alignment.apply(model(DType.F16, 60_000).as(DType.F32));
    assertThat(wider.read("w", WS).get(0)).isEqualTo(600_000);
  }

  /** They are for whoever merges or evaluates the model to judge. */
  @ParameterizedTest
  @MethodSource("tenfold")
  void whatIsInfiniteInTheModelIsPassedOn(Alignment alignment) throws IOException {
    Checkpoint mapped = alignment.apply(model(DType.F32, Double.POSITIVE_INFINITY));
    assertThat(mapped.read("w", WS).get(0)).isPositive().isInfinite();
    assertThat(mapped.read("w", WS).get(0)).isInfinite();
  }

  @Test
  void plainPermutationsCopyBits() throws IOException {
    Checkpoint mapped =
        alignment(2, ScaledPermutation.of(1, 0)).apply(model(DType.F32, Double.NaN));
    assertThat(mapped.read("w", WS).get(2)).isNaN();
  }
}
