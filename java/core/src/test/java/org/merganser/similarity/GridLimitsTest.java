// SPDX-License-Identifier: Apache-2.0
package org.merganser.similarity;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;
import static org.merganser.similarity.GridAccumulatorTest.A;
import static org.merganser.similarity.GridAccumulatorTest.B;
import static org.merganser.similarity.GridAccumulatorTest.batch;
import static org.merganser.similarity.GridAccumulatorTest.layers;
import static org.merganser.testing.Work.WS;

import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.merganser.compute.DType;
import org.merganser.error.IncompatibleModelsException;
import org.merganser.linalg.Matrix;
import org.merganser.similarity.SimilarityGrid.Options;
import org.merganser.testing.Oracle;

/** Grids of what is nothing, of few samples, and of sums that do not fit. */
class GridLimitsTest {
  /** One sample of each batch, or of all, differs: nothing to the unbiased estimator. */
  @ParameterizedTest
  @ValueSource(longs = {1, 2, 3, 4, 5})
  void oneActiveSampleIsNothingInAnyPlan(long seed) {
    int n = 60;
    for (Plan plan : List.of(Plan.feature(), Plan.full(), Plan.minibatch(20))) {
      Map<String, double[][]> a = layers(n, A, seed);
      Map<String, double[][]> b = layers(n, B, seed + 9);
      double[][] active = a.get("second");
      for (int s = 0; s < n; s++) {
        boolean on = plan.kind() == Plan.Kind.MINIBATCH ? s % 20 == 13 : s == 13;
        Arrays.setAll(active[s], f -> on ? 0.1 * (f + 1.7) : 0.3);
      }
      for (DType precision : List.of(DType.F64, DType.F32)) {
        Options options = Options.defaults().withPlan(plan).withPrecision(precision);
        try (GridAccumulator sums = new GridAccumulator(A, B, n, options, WS)) {
          sums.accept(batch(a, b, 0, n));
          SimilarityGrid grid = sums.grid(LinearCka.debiased());
          String what = plan + " " + precision;
          for (int j = 0; j < B.size(); j++) {
            assertThat(grid.value(0, j)).as(what).isBetween(0.1, 1.0);
            assertThat(grid.value(1, j)).as(what).isNaN();
            assertThat(grid.cell(1, j).reason()).as(what).contains("differs");
          }
        }
      }
    }
  }

  @Test
  void sumsOfOtherWidthsOrPrecisionDoNotMerge() {
    Map<String, double[][]> a = layers(32, A, 1);
    Map<String, double[][]> b = layers(32, B, 2);
    Map<String, double[][]> wide = new LinkedHashMap<>(a);
    wide.put("second", Oracle.gaussian(32, 9, 3));
    Options feature = Options.defaults().withPlan(Plan.feature());
    try (GridAccumulator one = new GridAccumulator(A, B, -1, feature, WS);
        GridAccumulator other = new GridAccumulator(A, B, -1, feature, WS)) {
      one.accept(batch(a, b, 0, 32));
      other.accept(batch(wide, b, 0, 32));
      double before = one.grid(LinearCka.biased()).value(1, 1);
      assertThatThrownBy(() -> one.merge(other))
          .isInstanceOf(IncompatibleModelsException.class)
          .hasMessageContaining("features: [3, 5, 3, 5, 7] and [3, 9, 3, 5, 7]");
      assertThat(one.grid(LinearCka.biased()).value(1, 1)).isEqualTo(before);
    }
    Options batches = Options.defaults().withPlan(Plan.minibatch(16));
    try (GridAccumulator one = new GridAccumulator(A, B, -1, batches, WS);
        GridAccumulator other =
            new GridAccumulator(A, B, -1, batches.withPrecision(DType.F32), WS)) {
      one.accept(batch(a, b, 0, 32));
      other.accept(batch(a, b, 0, 32));
      assertThatThrownBy(() -> one.merge(other))
          .isInstanceOf(IncompatibleModelsException.class)
          .hasMessageContaining("precision: ");
    }
  }

  @Test
  void noSamplesAndTwo() {
    Map<String, double[][]> a = layers(2, A, 1);
    Map<String, double[][]> b = layers(2, B, 2);
    assertThatThrownBy(
            () -> {
              Options options = Options.defaults().withPlan(Plan.full());
              try (GridAccumulator none = new GridAccumulator(A, B, 0, options, WS)) {
                none.accept(batch(a, b, 0, 2));
              }
            })
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("not 0");
    Map<String, Matrix> x = new LinkedHashMap<>();
    a.forEach((name, rows) -> x.put(name, Matrix.of(rows)));
    Map<String, Matrix> y = new LinkedHashMap<>();
    b.forEach((name, rows) -> y.put(name, Matrix.of(rows)));
    SimilarityGrid grid = SimilarityGrid.compute(LinearCka.biased(), x, y, WS);
    // Two samples are one difference, which is like any other.
    assertThat(grid.value(1, 2)).isCloseTo(1, within(1e-12));
    assertThat(grid.cell(1, 2).debiased()).isNaN();
  }
}
