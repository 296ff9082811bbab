// SPDX-License-Identifier: Apache-2.0
package org.merganser.internal.kernel;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class SlerpWeightsTest {
  private static final double[] A = {1, 2, 2};
  private static final double[] C = {2, -1, 2};

  /** From the published formula in Python. */
  @Test
  void goldenVectors() {
    assertThat(between(A, C, 0.25))
        .containsExactly(new double[] {1.437542051, 1.345677696, 2.263321539}, within(1e-9));
    assertThat(between(A, C, 0.5))
        .containsExactly(new double[] {1.765045216, 0.588348405, 2.353393622}, within(1e-9));
    assertThat(between(A, C, 0)).containsExactly(A);
    assertThat(between(A, C, 1)).containsExactly(C);
  }

  @Test
  void parallelVectorsAreInterpolatedLinearly() {
    assertThat(between(A, new double[] {2, 4, 4}, 0.25)).containsExactly(1.25, 2.5, 2.5);
  }

  @Test
  void aZeroVectorCountsAsOfNormOne() {
    double root = Math.sqrt(0.5);
    assertThat(between(new double[3], C, 0.5))
        .containsExactly(new double[] {2 * root, -root, 2 * root}, within(1e-15));
  }

  /** Points of the great circle through unit vectors stay on it, also outside [0, 1]. */
  @ParameterizedTest
  @ValueSource(doubles = {-3.5, -0.2, 0.1, 0.5, 0.9, 1.7, 6})
  void unitVectorsAreTurnedByTheShareOfTheAngle(double t) {
    for (double angle = 0.04; angle < 3.1; angle += 0.037) {
      double[] x = {1, 0};
      double[] y = {Math.cos(angle), Math.sin(angle)};
      double allowed = 1e-13 / Math.sin(angle) / Math.sin(angle);
      assertThat(between(x, y, t))
          .containsExactly(
              new double[] {Math.cos(t * angle), Math.sin(t * angle)}, within(allowed));
    }
  }

  @Test
  void whatIsNotFiniteIsRefused() {
    assertThatThrownBy(() -> SlerpWeights.at(new double[] {Double.NaN, 1, 1}, 0.5))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("the cosine is NaN and t is 0.5");
    assertThatThrownBy(() -> SlerpWeights.at(new double[] {0, 1, 1}, Double.POSITIVE_INFINITY))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("the cosine is 0.0 and t is Infinity");
  }

  private static double[] between(double[] x, double[] y, double t) {
    double[] weights = SlerpWeights.at(new double[] {dot(x, y), dot(x, x), dot(y, y)}, t);
    double[] sum = new double[x.length];
    for (int i = 0; i < x.length; i++) {
      sum[i] = weights[0] * x[i] + weights[1] * y[i];
    }
    return sum;
  }

  private static double dot(double[] x, double[] y) {
    double sum = 0;
    for (int i = 0; i < x.length; i++) {
      sum += x[i] * y[i];
    }
    return sum;
  }
}
