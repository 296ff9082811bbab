// SPDX-License-Identifier: Apache-2.0
package org.merganser.linalg;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;
import static org.merganser.testing.Work.WS;
import static org.merganser.testing.Work.array;

import java.util.List;
import org.junit.jupiter.api.Test;

/** Results of solvers own their memory one by one, and keep their arrays to themselves. */
class ResultsOwnershipTest {
  private static final double[][] COVARIANCE = {{2, 1}, {1, 2}};

  @Test
  void mapsOfASweepAreClosedOneByOne() {
    double[] gammas = {0.1, 1};
    try (Matrix s = Matrix.of(COVARIANCE)) {
      List<Cca> maps = Cca.sweep(s, s, s, gammas, gammas, true, WS);
      Cca first = maps.get(0);
      Cca second = maps.get(1);
      first.close();
      first.close();
      assertThatThrownBy(() -> array(first.map())).isInstanceOf(IllegalStateException.class);
      assertThatThrownBy(() -> array(first.inverse())).isInstanceOf(IllegalStateException.class);
      assertThat(first.correlations()).hasSize(2);
      assertThat(array(second.map())[0][0]).isCloseTo(1, within(1e-12));
      second.correlations()[0] = 7;
      assertThat(second.correlations()[0]).isLessThan(1);
      second.close();
      assertThatThrownBy(() -> array(second.map())).isInstanceOf(IllegalStateException.class);
    }
  }

  @Test
  void factorsAreClosedOneByOne() {
    try (Matrix a = Matrix.of(COVARIANCE)) {
      List<Polar> factors = Polar.ofEach(List.of(a, a), true, WS);
      factors.get(1).close();
      assertThatThrownBy(() -> array(factors.get(1).factor()))
          .isInstanceOf(IllegalStateException.class);
      assertThat(array(factors.get(0).factor())[0][1]).isCloseTo(0, within(1e-12));
      factors.get(0).singularValues()[0] = 7;
      assertThat(factors.get(0).singularValues()[0]).isLessThan(4);
      factors.get(0).close();
    }
  }

  @Test
  void assignmentsAreValues() {
    try (Matrix cost = Matrix.of(COVARIANCE)) {
      Assignment one = Assignment.minimise(cost, WS);
      Assignment other = Assignment.minimise(cost, WS);
      assertThat(one).isEqualTo(other).hasSameHashCodeAs(other);
      one.columns()[0] = 7;
      one.u()[0] = 7;
      one.v()[0] = 7;
      assertThat(one).isEqualTo(other);
      int[] columns = {1, 0};
      Assignment given = new Assignment(columns, 2, one.u(), one.v(), false);
      columns[0] = 0;
      assertThat(given.columns()).containsExactly(1, 0);
      assertThat(given).isNotEqualTo(Assignment.maximise(cost, WS));
    }
  }
}
