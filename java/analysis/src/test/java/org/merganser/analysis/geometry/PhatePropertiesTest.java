// SPDX-License-Identifier: Apache-2.0
package org.merganser.analysis.geometry;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.util.Arrays;
import java.util.SplittableRandom;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.merganser.analysis.geometry.Phate.Options;
import org.merganser.compute.Workspace;
import org.merganser.error.ShapeException;
import org.merganser.linalg.Matrix;

/** What holds of the walk and of the picture whatever the points are. */
class PhatePropertiesTest {
  private static final Workspace WS = Workspace.builder().threads(2).open();

  @AfterAll
  static void close() {
    WS.close();
  }

  private static double[][] cloud(int n, long seed) {
    SplittableRandom random = new SplittableRandom(seed);
    double[][] x = new double[n][4];
    for (double[] row : x) {
      Arrays.setAll(row, k -> random.nextDouble());
    }
    return x;
  }

  /** In units of 1 / c. */
  private static Matrix distances(double[][] x, double c) {
    double[][] d = new double[x.length][x.length];
    for (int i = 0; i < x.length; i++) {
      for (int j = 0; j < i; j++) {
        d[i][j] = d[j][i] = c * Stress.distance(x[i], x[j]);
      }
    }
    return Matrix.of(d);
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 2, 7, 100})
  void rowsOfWalksSumToOne(int t) {
    try (Matrix d = distances(cloud(60, t), 1);
        Matrix kernel = AlphaDecay.of(d, 5, 40).kernel(d, WS);
        Diffusion walk = Diffusion.of(kernel, WS);
        Matrix p = walk.operator();
        Matrix power = walk.power(t, WS)) {
      for (int i = 0; i < 60; i++) {
        assertThat(Arrays.stream(p.row(i)).sum()).isCloseTo(1, within(1e-12));
        assertThat(Arrays.stream(power.row(i)).sum()).isCloseTo(1, within(1e-12));
        assertThat(Arrays.stream(power.row(i)).min().orElseThrow()).isNotNegative();
      }
    }
  }

  @Test
  void aPowerIsTheProductOfSteps() {
    try (Matrix d = distances(cloud(40, 1), 1);
        Matrix kernel = AlphaDecay.of(d, 5, 40).kernel(d, WS);
        Diffusion walk = Diffusion.of(kernel, WS);
        Matrix p = walk.operator();
        Matrix power = walk.power(3, WS)) {
      for (int i = 0; i < 40; i++) {
        double[] row = p.row(i);
        for (int step = 1; step < 3; step++) {
          double[] next = new double[40];
          for (int j = 0; j < 40; j++) {
            for (int k = 0; k < 40; k++) {
              next[k] += row[j] * p.get(j, k);
            }
          }
          row = next;
        }
        assertThat(power.row(i)).containsExactly(row, within(1e-13));
      }
    }
  }

  /**
   * A power of two leaves affinities alone to the bit; points are sorted by their distances, so the
   * decomposition may still round otherwise.
   */
  @ParameterizedTest
  @ValueSource(doubles = {4, 0.125, 3, 1e-3})
  void theUnitOfLengthLeavesWalkAndPotentialAlone(double c) {
    double[][] x = cloud(60, 2);
    boolean exact = c == Math.scalb(1.0, Math.getExponent(c));
    try (Matrix d = distances(x, 1);
        Matrix scaled = distances(x, c);
        Matrix kernel = AlphaDecay.of(d, 5, 40).kernel(d, WS);
        Matrix other = AlphaDecay.of(scaled, 5, 40).kernel(scaled, WS)) {
      for (int i = 0; i < 60; i++) {
        assertThat(other.row(i)).containsExactly(kernel.row(i), within(exact ? 0 : 1e-11));
      }
      Phate phate = new Phate(Options.defaults());
      Phate.Result one = phate.fit(d, WS);
      Phate.Result two = phate.fit(scaled, WS);
      assertThat(two.t()).isEqualTo(one.t());
      double[][] potential = one.potential();
      double[][] same = two.potential();
      for (int i = 0; i < 60; i++) {
        assertThat(two.bandwidth()[i]).isCloseTo(c * one.bandwidth()[i], within(1e-12 * c));
        assertThat(same[i]).containsExactly(potential[i], within(1e-6));
      }
      assertThat(two.entropy()).containsExactly(one.entropy(), within(1e-9));
    }
  }

  @Test
  void anotherSeedMovesThePointsALittle() {
    try (Matrix d = distances(cloud(60, 3), 1)) {
      Phate.Result one = new Phate(Options.defaults()).fit(d, WS);
      Phate.Result two = new Phate(Options.defaults().with("seed", 1L)).fit(d, WS);
      assertThat(two.points()[0][0]).isNotEqualTo(one.points()[0][0]);
      // The seed orders equal points, so that sums round elsewhere.
      double[][] potential = one.potential();
      double[][] again = two.potential();
      for (int i = 0; i < potential.length; i++) {
        assertThat(again[i]).containsExactly(potential[i], within(1e-9));
      }
      assertThat(two.stress()).isCloseTo(one.stress(), within(0.1 * one.stress()));
    }
  }

  @Test
  void arraysOfAResultAreCopies() {
    try (Matrix d = distances(cloud(20, 4), 1)) {
      Phate.Result found = new Phate(Options.defaults()).fit(d, WS);
      double x = found.points()[3][1];
      double u = found.potential()[2][5];
      found.points()[3][1] = 1e9;
      found.potential()[2][5] = 1e9;
      found.entropy()[0] = 1e9;
      found.bandwidth()[0] = 1e9;
      assertThat(found.points()[3][1]).isEqualTo(x);
      assertThat(found.potential()[2][5]).isEqualTo(u);
      assertThat(found.entropy()[0]).isLessThan(1e9);
      assertThat(found.bandwidth()[0]).isLessThan(1e9);
      assertThatThrownBy(() -> found.warnings().add("x"))
          .isInstanceOf(UnsupportedOperationException.class);
    }
  }

  @Test
  void distancesAreSquare() {
    try (Matrix wide = Matrix.zeros(9, 10)) {
      assertThatThrownBy(() -> new Phate(Options.defaults()).fit(wide, WS))
          .isInstanceOf(ShapeException.class)
          .hasMessage("distances of points are square, not a 9 x 10 F64 matrix");
    }
  }
}
