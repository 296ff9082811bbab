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

import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.merganser.error.IncompatibleModelsException;
import org.merganser.linalg.Matrix;
import org.merganser.similarity.Kernel.Bandwidth;
import org.merganser.similarity.Kernel.Rbf;
import org.merganser.similarity.MinibatchCka.Remainder;
import org.merganser.similarity.SimilarityGrid.Options;

/** Heat maps from batches with what the measure has: other kernels, and what is left over kept. */
class MinibatchGridTest {
  private static final int N = 86;
  private static final Map<String, double[][]> LEFT = layers(N, A, 1);
  private static final Map<String, double[][]> RIGHT = layers(N, B, 2);

  private static MinibatchCka measure(Kernel kernel, Remainder remainder) {
    return MinibatchCka.of(
        MinibatchCka.Options.defaults().withBatch(16).withKernel(kernel).withRemainder(remainder));
  }

  private static GridAccumulator sums(MinibatchCka measure) {
    Options options = Options.defaults().withPlan(Plan.minibatch(measure.options()));
    return new GridAccumulator(A, B, -1, options, WS);
  }

  private static void add(GridAccumulator sums, int from, int to, int step) {
    for (int at = from; at < to; at += step) {
      sums.accept(batch(LEFT, RIGHT, at, Math.min(to, at + step)));
    }
  }

  private static void isOfPairs(SimilarityGrid grid, MinibatchCka measure) {
    for (int i = 0; i < A.size(); i++) {
      for (int j = 0; j < B.size(); j++) {
        try (Matrix x = Matrix.of(LEFT.get(A.get(i).tap()));
            Matrix y = Matrix.of(RIGHT.get(B.get(j).tap()))) {
          assertThat(grid.value(i, j)).isCloseTo(measure.between(x, y, WS).value(), within(1e-10));
        }
      }
    }
  }

  @ParameterizedTest
  @CsvSource({
    "linear, DROP, 86",
    "linear, KEEP, 86",
    "linear, KEEP, 7",
    "OFF_DIAGONAL, DROP, 7",
    "OFF_DIAGONAL, KEEP, 20",
    "ALL, KEEP, 86",
    "FIXED, KEEP, 16"
  })
  void everyCellIsTheMeasureOfThePair(String name, Remainder remainder, int step) {
    Kernel kernel = name.equals("linear") ? Kernel.linear() : new Rbf(Bandwidth.valueOf(name), 0.8);
    MinibatchCka measure = measure(kernel, remainder);
    try (GridAccumulator sums = sums(measure)) {
      add(sums, 0, N, step);
      SimilarityGrid grid = sums.grid(measure);
      isOfPairs(grid, measure);
      assertThat(grid.measure()).isEqualTo("cka-minibatch");
      assertThat(grid.estimator()).isEqualTo(SimilarityMeasure.Estimator.DEBIASED);
      // 86 = 5 * 16 + 6.
      assertThat(grid.samples()).isEqualTo(remainder == Remainder.KEEP ? 86 : 80);
      assertThat(grid.dropped()).isEqualTo(remainder == Remainder.KEEP ? 0 : 6);
    }
  }

  /** Fewer than four have no unbiased estimate, and are dropped whatever was asked. */
  @Test
  void whatIsTooShortIsDropped() {
    MinibatchCka measure = measure(Kernel.linear(), Remainder.KEEP);
    try (GridAccumulator sums = sums(measure)) {
      add(sums, 0, 19, 19);
      SimilarityGrid grid = sums.grid(measure);
      assertThat(grid.samples()).isEqualTo(16);
      assertThat(grid.dropped()).isEqualTo(3);
    }
  }

  @Test
  void savedSumsGoOnWithTheirBandwidths(@TempDir Path folder) throws IOException {
    MinibatchCka measure = measure(Kernel.rbf(0.5), Remainder.KEEP);
    Path file = folder.resolve("batches.mgsums");
    try (GridAccumulator first = sums(measure)) {
      add(first, 0, 48, 16);
      first.save(file);
    }
    try (GridAccumulator loaded = GridAccumulator.load(file, WS)) {
      add(loaded, 48, N, 16);
      isOfPairs(loaded.grid(measure), measure);
    }
  }

  @Test
  void partsMergeWhereBandwidthsAreTheSame() {
    MinibatchCka fixed = measure(new Rbf(Bandwidth.FIXED, 4), Remainder.KEEP);
    try (GridAccumulator first = sums(fixed);
        GridAccumulator second = sums(fixed)) {
      add(first, 0, 32, 32);
      add(second, 32, N, 54);
      first.merge(second);
      isOfPairs(first.grid(fixed), fixed);
    }
    MinibatchCka median = measure(Kernel.rbf(1), Remainder.DROP);
    try (GridAccumulator first = sums(median);
        GridAccumulator second = sums(median);
        GridAccumulator other = sums(fixed)) {
      add(first, 0, 32, 32);
      add(second, 32, N, 54);
      add(other, 32, N, 54);
      assertThatThrownBy(() -> first.merge(second))
          .isInstanceOf(IncompatibleModelsException.class)
          .hasMessageContaining("bandwidths: ")
          .hasMessageContaining(" of layer 0; parts need a fixed one");
      assertThatThrownBy(() -> first.merge(other))
          .isInstanceOf(IncompatibleModelsException.class)
          .hasMessageContaining("remainder: DROP and KEEP")
          .hasMessageContaining("kernel: Rbf[");
    }
  }

  @Test
  void aLayerWithoutABandwidthHasNoValueAndOthersKeepTheirs() {
    Map<String, double[][]> equal = layers(32, A, 1);
    double[][] x = equal.get("second");
    for (int i = 0; i < 32; i++) {
      Arrays.fill(x[i], i < 14 ? 1 : x[i][0]);
    }
    Map<String, double[][]> right = layers(32, B, 2);
    MinibatchCka measure = measure(Kernel.rbf(1), Remainder.DROP);
    try (GridAccumulator sums = sums(measure)) {
      sums.accept(batch(equal, right, 0, 32));
      SimilarityGrid grid = sums.grid(measure);
      assertThat(grid.value(0, 1)).isBetween(-1.0, 1.0);
      assertThat(grid.value(1, 1)).isNaN();
      assertThat(grid.cell(1, 1).reason())
          .startsWith("'second' of A is the same for all samples")
          .endsWith("also where half of the pairs of its first batch are equal");
    }
  }

  @Test
  void otherSettingsThanThoseOfThePlanAreRefused() {
    MinibatchCka measure = measure(Kernel.rbf(1), Remainder.KEEP);
    try (GridAccumulator sums = sums(measure)) {
      add(sums, 0, N, N);
      assertThatThrownBy(() -> sums.grid(measure(Kernel.linear(), Remainder.KEEP)))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageStartingWith(
              "cka-minibatch comes of batches as its settings have them"
                  + " (Plan.minibatch(options)), not of Plan[");
      assertThatThrownBy(() -> sums.grid(LinearCka.debiased()))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageStartingWith("cka-linear-debiased is of linear kernels, not of Rbf[");
    }
  }
}
