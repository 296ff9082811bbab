// SPDX-License-Identifier: Apache-2.0
package org.merganser.plan;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import org.junit.jupiter.api.Test;
import org.merganser.error.NumericalException;
import org.merganser.plan.Interpolation.Barrier;
import org.merganser.testing.RunsOnce;

@RunsOnce("computes on the heap")
class BarrierTest {
  private static final double[] HALVES = {0, 0.5, 1};

  @Test
  void golden() {
    Barrier barrier = Barrier.ofLoss(HALVES, new double[] {0.2, 1.0, 0.4});
    assertThat(barrier.height()).isCloseTo(0.7, within(1e-15));
    assertThat(barrier.lambda()).isEqualTo(0.5);
  }

  @Test
  void accuraciesAreTurned() {
    Barrier barrier = Barrier.ofAccuracy(HALVES, new double[] {0.9, 0.3, 0.7});
    assertThat(barrier.height()).isCloseTo(0.5, within(1e-15));
    assertThat(Barrier.ofAccuracy(HALVES, new double[] {0.9, 0.95, 0.7}))
        .isEqualTo(new Barrier(0, 0));
  }

  @Test
  void isNeverBelowZero() {
    assertThat(Barrier.ofLoss(HALVES, new double[] {1, 0.1, 1})).isEqualTo(new Barrier(0, 0));
    assertThat(Barrier.ofLoss(new double[] {0, 1}, new double[] {0.1, 0.3}).height()).isZero();
    double[] lambdas = {0, 0.1, 0.2, 0.30000000000000004, 1};
    double[] flat = {0.1, 0.1, 0.1, 0.1, 0.1};
    assertThat(Barrier.ofLoss(lambdas, flat).height()).isLessThan(1e-16);
  }

  @Test
  void isMeasuredFromTheLineAndNotFromTheHigherEnd() {
    double[] lambdas = {0, 0.25, 0.75, 1};
    // The line is 1, 2, 4, 5: 0.5 above at the first, 0.25 at the second.
    Barrier barrier = Barrier.ofLoss(lambdas, new double[] {1, 2.5, 4.25, 5});
    assertThat(barrier.height()).isCloseTo(0.5, within(1e-15));
    assertThat(barrier.lambda()).isEqualTo(0.25);
  }

  @Test
  void isMeasuredFromTheHigherEndWhereThatIsAsked() {
    double[] lambdas = {0, 0.25, 0.75, 1};
    assertThat(Barrier.aboveEnds(lambdas, new double[] {1, 2.5, 5.5, 5}))
        .isEqualTo(new Barrier(0.5, 0.75));
    assertThat(Barrier.aboveEnds(lambdas, new double[] {5, 4.5, 2, 1}))
        .isEqualTo(new Barrier(0, 0));
    double[] uneven = {0, 0.1, 0.2, 0.30000000000000004, 1};
    assertThat(Barrier.aboveEnds(uneven, new double[] {0.1, 0.1, 0.1, 0.1, 0.05}).height())
        .isZero();
    assertThatThrownBy(() -> Barrier.aboveEnds(lambdas, new double[0]))
        .hasMessageContaining("0 values");
    assertThatThrownBy(() -> Barrier.aboveEnds(HALVES, new double[] {1, Double.NaN, 1}))
        .hasMessageContaining("NaN");
  }

  /** Whatever is finite is below it; a line with an infinite end says nothing. */
  @Test
  void infiniteLosses() {
    double infinite = Double.POSITIVE_INFINITY;
    assertThat(Barrier.ofLoss(HALVES, new double[] {1, infinite, 2}))
        .isEqualTo(new Barrier(infinite, 0.5));
    for (double[] losses :
        new double[][] {{infinite, 1, 2}, {1, 2, infinite}, {infinite, infinite, 1}}) {
      assertThatThrownBy(() -> Barrier.ofLoss(HALVES, losses))
          .isInstanceOf(NumericalException.class)
          .hasMessageContaining("has no line between its ends");
    }
  }

  @Test
  void pathsThatAreNoneAreRefused() {
    assertThatThrownBy(() -> Barrier.ofLoss(HALVES, new double[2]))
        .hasMessage(
            "a path needs a value for each lambda, from 0 to 1; there are 3 lambdas and 2 values");
    assertThatThrownBy(() -> Barrier.ofLoss(new double[] {0, 0.5}, new double[2]))
        .isInstanceOf(IllegalArgumentException.class);
    assertThatThrownBy(() -> Barrier.ofLoss(new double[] {0, 0.5, 0.5, 1}, new double[4]))
        .hasMessage("value 0.0 at lambda 0.5, point 2 of a path");
    assertThatThrownBy(() -> Barrier.ofAccuracy(HALVES, new double[] {1, Double.NaN, 1}))
        .hasMessage("value NaN at lambda 0.5, point 1 of a path");
  }
}
