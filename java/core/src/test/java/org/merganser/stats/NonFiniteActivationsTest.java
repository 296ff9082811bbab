// SPDX-License-Identifier: Apache-2.0
package org.merganser.stats;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.merganser.testing.Work.WS;

import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.merganser.compute.DType;
import org.merganser.error.NumericalException;
import org.merganser.error.ShapeException;
import org.merganser.linalg.Tensor;
import org.merganser.testing.Activations;
import org.merganser.testing.Close;
import org.merganser.testing.Oracle;

class NonFiniteActivationsTest {
  private final double[][] x = Oracle.gaussian(50, 4, 1);
  private final double[][] y = Oracle.gaussian(50, 4, 2);

  @ParameterizedTest
  @ValueSource(doubles = {Double.NaN, Double.POSITIVE_INFINITY, Double.NEGATIVE_INFINITY})
  void failNamesWhereAndLeavesTheStateAlone(double bad) {
    y[17][3] = bad;
    try (MomentAccumulator accumulator = accumulator(NonFinite.FAIL, Precision.F64)) {
      assertThatThrownBy(() -> accumulator.update(Activations.tensors(DType.F64, WS, x, y)))
          .isInstanceOf(NumericalException.class)
          .hasMessageStartingWith("space 'fc1': series 1, sample 17, feature 3: ");
      y[17][3] = 0;
      accumulator.update(Activations.tensors(DType.F64, WS, x, y));
      assertThat(accumulator.moments().samples()).isEqualTo(50);
      // In the second batch the count goes on from the first.
      y[2][0] = bad;
      assertThatThrownBy(() -> accumulator.update(Activations.tensors(DType.F64, WS, x, y)))
          .hasMessageStartingWith(
              "space 'fc1', batch after 50 samples: series 1, sample 2, feature 0: ");
    }
  }

  @ParameterizedTest
  @EnumSource(Precision.class)
  void skippedSamplesAreDroppedForAllModelsAndCounted(Precision precision) {
    x[3][0] = Double.NaN;
    y[9][2] = Double.POSITIVE_INFINITY;
    y[3][1] = Double.NaN;
    double[][] keptX = without(x, 3, 9);
    double[][] keptY = without(y, 3, 9);
    DType dtype = precision == Precision.F64 ? DType.F64 : DType.F32;
    double tolerance = precision == Precision.F64 ? 1e-13 : 1e-5;
    try (MomentAccumulator accumulator = accumulator(NonFinite.SKIP_SAMPLE, precision)) {
      accumulator.update(Activations.tensors(dtype, WS, x, y));
      SpaceMoments moments = accumulator.moments();
      assertThat(moments.samples()).isEqualTo(48);
      assertThat(moments.skipped()).isEqualTo(2);
      Close.relative("own", moments.block(0, 0), Oracle.centredProducts(keptX, keptX), tolerance);
      Close.relative(
          "cross", moments.block(0, 1), Oracle.centredProducts(keptX, keptY), tolerance * 10);
      Close.relative("mean", moments.mean(1), Oracle.mean(keptY), tolerance);
    }
  }

  @Test
  void theFirstSamplesMayBeBad() {
    for (int i = 0; i < 10; i++) {
      x[i][0] = Double.NaN;
    }
    try (MomentAccumulator accumulator = accumulator(NonFinite.SKIP_SAMPLE, Precision.F64)) {
      accumulator.update(
          Activations.tensors(
              DType.F64, WS, Arrays.copyOfRange(x, 0, 10), Arrays.copyOfRange(y, 0, 10)));
      accumulator.update(
          Activations.tensors(
              DType.F64, WS, Arrays.copyOfRange(x, 10, 50), Arrays.copyOfRange(y, 10, 50)));
      SpaceMoments moments = accumulator.moments();
      assertThat(moments.samples()).isEqualTo(40);
      assertThat(moments.skipped()).isEqualTo(10);
      double[][] kept = Arrays.copyOfRange(y, 10, 50);
      Close.relative("own", moments.block(1, 1), Oracle.centredProducts(kept, kept), 1e-13);
    }
  }

  @Test
  void batchesOfTheWrongShapeAreNamed() {
    try (MomentAccumulator accumulator = accumulator(NonFinite.FAIL, Precision.F64)) {
      Tensor good = Activations.tensor(DType.F64, x, WS);
      assertThatThrownBy(() -> accumulator.update(List.of(good)))
          .isInstanceOf(ShapeException.class)
          .hasMessage("1 tensors for 2 models");
      assertThatThrownBy(() -> accumulator.update(List.of()))
          .isInstanceOf(ShapeException.class)
          .hasMessage("0 tensors for 2 models");
      assertThatThrownBy(() -> accumulator.update(List.of(good, good.rows(0, 49))))
          .isInstanceOf(ShapeException.class)
          .hasMessage(
              "space 'fc1', model 1: activations are F64 [49, 4], needed F64 with 50 samples, 4"
                  + " features and 1 positions");
      assertThatThrownBy(
              () -> accumulator.update(List.of(good, Activations.tensor(DType.F32, y, WS))))
          .isInstanceOf(ShapeException.class);
      Tensor half = good.to(DType.F16, WS);
      assertThatThrownBy(() -> accumulator.update(List.of(half, half)))
          .isInstanceOf(ShapeException.class)
          .hasMessage("activations of space 'fc1' are F16 [50, 4]");
      Tensor scalar = Tensor.zeros(DType.F64);
      assertThatThrownBy(() -> accumulator.update(List.of(scalar, scalar)))
          .isInstanceOf(ShapeException.class)
          .hasMessage("activations of space 'fc1' are F64 []");
    }
  }

  @Test
  void useAfterCloseIsAnError() {
    MomentAccumulator accumulator = accumulator(NonFinite.FAIL, Precision.F64);
    accumulator.update(Activations.tensors(DType.F64, WS, x, y));
    SpaceMoments moments = accumulator.moments();
    accumulator.close();
    accumulator.close();
    assertThatThrownBy(accumulator::moments)
        .isInstanceOf(IllegalStateException.class)
        .hasMessage("the accumulator of space 'fc1' is closed");
    assertThat(moments.covariance(0, 1, WS).rows()).isEqualTo(4);
    moments.close();
    assertThatThrownBy(() -> moments.covariance(0, 1, WS))
        .isInstanceOf(IllegalStateException.class);
  }

  private static MomentAccumulator accumulator(NonFinite nonFinite, Precision precision) {
    return new MomentAccumulator(
        "fc1", new long[] {4, 4}, Activations.ALL, precision, nonFinite, WS);
  }

  private static double[][] without(double[][] rows, int... dropped) {
    double[][] kept = new double[rows.length - dropped.length][];
    int at = 0;
    for (int i = 0; i < rows.length; i++) {
      if (Arrays.binarySearch(dropped, i) < 0) {
        kept[at++] = rows[i];
      }
    }
    return kept;
  }
}
