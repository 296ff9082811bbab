// SPDX-License-Identifier: Apache-2.0
package org.merganser.analysis.geometry;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.util.Arrays;
import java.util.SplittableRandom;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;
import org.merganser.analysis.geometry.Phate.Options;
import org.merganser.compute.Workspace;
import org.merganser.error.NumericalException;
import org.merganser.error.ShapeException;
import org.merganser.linalg.Matrix;

/** Affinities of units over time: M-PHATE. */
class SliceKernelTest {
  private static final Workspace WS = Workspace.builder().threads(2).open();

  @AfterAll
  static void close() {
    WS.close();
  }

  private static double[][][] slices() {
    SplittableRandom random = new SplittableRandom(10);
    double[][][] slices = new double[2][4][3];
    for (double[][] slice : slices) {
      for (double[] unit : slice) {
        Arrays.setAll(unit, k -> random.nextGaussian());
      }
    }
    return slices;
  }

  @Test
  void neighboursInTimeAreSlices() {
    double[][][] slices = new double[3][5][4];
    assertThatThrownBy(() -> SliceKernel.of(slices, 2, 5, 3))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("3 slices have neighbours 1 to 2 in time, not 3");
  }

  /** Three slices of four units, entry by entry. */
  @Test
  void entriesAreThoseOfTheFormulas() {
    SplittableRandom random = new SplittableRandom(3);
    double[][][] slices = new double[3][4][5];
    double[][][] z = new double[3][4][5];
    for (int t = 0; t < 3; t++) {
      for (int i = 0; i < 4; i++) {
        Arrays.setAll(slices[t][i], k -> 3 + 2 * random.nextGaussian());
        double mean = Arrays.stream(slices[t][i]).average().orElseThrow();
        double square = Arrays.stream(slices[t][i]).map(v -> (v - mean) * (v - mean)).sum() / 5;
        z[t][i] = Arrays.stream(slices[t][i]).map(v -> (v - mean) / Math.sqrt(square)).toArray();
      }
    }
    // The mean over units of the median over slices of the distance to the nearest other slice.
    double scale = 0;
    for (int i = 0; i < 4; i++) {
      double a = far(z[0][i], z[1][i]);
      double b = far(z[1][i], z[2][i]);
      double c = far(z[0][i], z[2][i]);
      double[] nearest = {Math.min(a, c), Math.min(a, b), Math.min(b, c)};
      Arrays.sort(nearest);
      scale += nearest[1] / 4;
    }
    try (Matrix kernel = SliceKernel.of(slices, 2, 5, 1)) {
      assertThat(kernel.rows()).isEqualTo(12);
      int zeros = 0;
      for (int a = 0; a < 12; a++) {
        for (int b = 0; b < 12; b++) {
          double wanted = 0;
          if (a / 4 == b / 4) {
            double[][] x = z[a / 4];
            wanted = (affinity(x, a % 4, b % 4) + affinity(x, b % 4, a % 4)) / 2;
          } else if (a % 4 == b % 4) {
            wanted = Math.exp(-Math.pow(far(z[a / 4][a % 4], z[b / 4][b % 4]) / scale, 2));
          }
          assertThat(kernel.get(a, b)).as("%d, %d", a, b).isCloseTo(wanted, within(1e-12));
          zeros += wanted == 0 ? 1 : 0;
        }
      }
      // Of units in other slices than their own.
      assertThat(zeros).isGreaterThanOrEqualTo(144 - 3 * 16 - 4 * 6);
    }
  }

  private static double far(double[] a, double[] b) {
    double sum = 0;
    for (int k = 0; k < a.length; k++) {
      sum += (a[k] - b[k]) * (a[k] - b[k]);
    }
    return Math.sqrt(sum);
  }

  /** Of a unit to another in its slice, before both ways are averaged: 2 neighbours, decay 5. */
  private static double affinity(double[][] x, int from, int to) {
    double[] sorted = Arrays.stream(x).mapToDouble(other -> far(x[from], other)).sorted().toArray();
    double found = Math.exp(-Math.pow(far(x[from], x[to]) / sorted[2], 5));
    return found < 1e-4 ? 0 : found;
  }

  /** Units that drift slowly in three groups stay in them. */
  @Test
  void unitsOverTimeKeepTheirGroups() {
    SplittableRandom random = new SplittableRandom(7);
    double[][][] slices = new double[6][15][12];
    for (int t = 0; t < 6; t++) {
      for (int i = 0; i < 15; i++) {
        for (int k = 0; k < 12; k++) {
          slices[t][i][k] =
              (k % 3 == i % 3 ? 3 : 0) + 0.1 * t * (k % 2) + 0.3 * random.nextGaussian();
        }
      }
    }
    try (Matrix kernel = SliceKernel.of(slices, 2, 5, 3)) {
      for (int a = 0; a < kernel.rows(); a++) {
        assertThat(kernel.get(a, a)).isEqualTo(1);
        for (int b = 0; b < a; b++) {
          assertThat(kernel.get(a, b)).isEqualTo(kernel.get(b, a));
          boolean linked = a / 15 == b / 15 || a % 15 == b % 15;
          assertThat(linked || kernel.get(a, b) == 0).isTrue();
        }
      }
      Phate.Result found = new Phate(Options.defaults().with("gamma", 0.0)).fitKernel(kernel, WS);
      double[][] points = found.points();
      double within = 0;
      double between = 0;
      for (int a = 0; a < 90; a++) {
        for (int b = 0; b < a; b++) {
          double far = Stress.distance(points[a], points[b]);
          if (a % 3 == b % 3) {
            within += far;
          } else {
            between += far;
          }
        }
      }
      // Means over pairs, of which 1305 are of one group and 2700 of two.
      assertThat(within / 1305).isLessThan(0.5 * between / 2700);
    }
  }

  /** The mean of three times 0.1 rounds: what is left is no feature. */
  @Test
  void aConstantUnitStaysWhereItIs() {
    double[][][] slices = slices();
    Arrays.fill(slices[0][0], 0.1);
    Arrays.fill(slices[1][0], 0.5);
    try (Matrix kernel = SliceKernel.of(slices, 2, 5, 1)) {
      assertThat(kernel.get(0, 4)).isEqualTo(1);
    }
  }

  @Test
  void badFeaturesAreNamed() {
    double[][][] slices = slices();
    slices[1][2][1] = Double.NaN;
    assertThatThrownBy(() -> SliceKernel.of(slices, 2, 5, 1))
        .isInstanceOf(NumericalException.class)
        .hasMessage("feature 1 of unit 2 of slice 1 is NaN");
    slices[1][2][1] = 1e200;
    assertThatThrownBy(() -> SliceKernel.of(slices, 2, 5, 1))
        .isInstanceOf(NumericalException.class)
        .hasMessage("squares of features of unit 2 of slice 1 are beyond the range of F64");
    assertThatThrownBy(() -> SliceKernel.of(new double[2][4][0], 2, 5, 1))
        .isInstanceOf(ShapeException.class)
        .hasMessage("unit 0 of slice 0 has no features");
  }
}
