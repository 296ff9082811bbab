// SPDX-License-Identifier: Apache-2.0
package org.merganser.analysis.geometry;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.io.IOException;
import java.util.Arrays;
import java.util.SplittableRandom;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;
import org.merganser.compute.Workspace;
import org.merganser.error.NumericalException;
import org.merganser.error.ShapeException;
import org.merganser.linalg.Matrix;

/** Sparse random projections. */
class RandomProjectionTest {
  private static final Workspace WS = Workspace.builder().threads(2).open();

  @AfterAll
  static void close() {
    WS.close();
  }

  private static double[][] samples(int n, int width, long seed) {
    SplittableRandom random = new SplittableRandom(seed);
    double[][] x = new double[n][width];
    for (double[] row : x) {
      Arrays.setAll(row, j -> random.nextGaussian() + (j < 40 ? 30 : 0));
    }
    // Two samples that differ in few elements.
    x[1] = x[0].clone();
    for (int j = 0; j < 10; j++) {
      x[1][width / 2 + j] += 5;
    }
    return x;
  }

  private static double[][] project(RandomProjection projection, double[][] x) throws IOException {
    try (Matrix all = Matrix.of(x);
        Matrix found = projection.project(SampleRows.of(all), WS)) {
      return found.toArray();
    }
  }

  @Test
  void squaredDistancesStayWithinTheFactor() throws IOException {
    int n = 20;
    double e = 0.3;
    int dimensions = RandomProjection.dimensions(n, e);
    assertThat(dimensions).isEqualTo(336).isGreaterThanOrEqualTo((int) (4 * Math.log(n) / 0.036));
    double[][] x = samples(n, 5000, 1);
    double sum = 0;
    for (long seed = 0; seed < 3; seed++) {
      double[][] y = project(new RandomProjection(dimensions, seed), x);
      for (int i = 0; i < n; i++) {
        for (int j = 0; j < i; j++) {
          double ratio = Stress.distance(y[i], y[j]) / Stress.distance(x[i], x[j]);
          assertThat(ratio * ratio).isBetween(1 - e, 1 + e);
          sum += ratio * ratio;
        }
      }
    }
    // Neither longer nor shorter in the mean.
    assertThat(sum / (3 * n * (n - 1) / 2)).isCloseTo(1, within(0.05));
  }

  /** What is read at once depends on the number of samples, the projection of one does not. */
  @Test
  void blocksDoNotMatter() throws IOException {
    double[][] many = samples(60, 70_001, 2);
    double[][] few = Arrays.copyOf(many, 2);
    RandomProjection projection = new RandomProjection(64, 7);
    double[][] found = project(projection, many);
    assertThat(project(projection, few)).isDeepEqualTo(Arrays.copyOf(found, 2));
    assertThat(project(new RandomProjection(64, 8), few)[0]).isNotEqualTo(found[0]);
  }

  @Test
  void badSamplesAreNamed() throws IOException {
    double[][] x = samples(2, 70_001, 3);
    RandomProjection projection = new RandomProjection(64, 7);
    x[1][70_000] = Double.POSITIVE_INFINITY;
    assertThatThrownBy(() -> project(projection, x))
        .isInstanceOf(NumericalException.class)
        .hasMessageContaining("sample 1: element 70000 is Infinity");
    assertThatThrownBy(() -> project(projection, samples(2, 60, 3)))
        .isInstanceOf(ShapeException.class)
        .hasMessage("samples of 60 elements are not projected to 64");
    assertThatThrownBy(() -> new RandomProjection(60, 7))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("a projection has a multiple of 8 dimensions, not 60");
  }
}
