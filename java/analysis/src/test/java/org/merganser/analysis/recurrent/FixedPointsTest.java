// SPDX-License-Identifier: Apache-2.0
package org.merganser.analysis.recurrent;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;
import static org.merganser.analysis.recurrent.Maps.WS;

import java.util.Comparator;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.merganser.analysis.recurrent.FixedPoints.Options;
import org.merganser.compute.Workspace;
import org.merganser.error.NumericalException;
import org.merganser.error.ShapeException;
import org.merganser.linalg.Matrix;

class FixedPointsTest {
  private static final Options OPTIONS = Options.defaults();

  @Test
  void aUnitWithTwoStatesHasThreePoints() {
    RecurrentMap map = RecurrentMap.of(Matrix.of(new double[][] {{2}}), Nonlinearity.tanh());
    double[][] starts = {{-1}, {-.5}, {.01}, {.4}, {.8}, {-.02}};
    FixedPoints found = FixedPoints.find(map, starts, OPTIONS, WS);
    assertThat(found.lost()).isZero();
    List<FixedPoint> points =
        found.points().stream()
            .sorted(Comparator.comparingDouble((FixedPoint p) -> p.state()[0]))
            .toList();
    assertThat(points).hasSize(3).allMatch(FixedPoint::isFixed);
    assertThat(points.get(0).state()[0]).isCloseTo(-.95750402, within(1e-8));
    assertThat(points.get(1).state()[0]).isCloseTo(0, within(1e-9));
    assertThat(points.get(2).state()[0]).isCloseTo(.95750402, within(1e-8));
    assertThat(points.get(2).spectrum().real()[0]).isCloseTo(.16637209, within(1e-8));
    assertThat(points.get(2).isStable()).isTrue();
    assertThat(points.get(1).unstableDirections()).isEqualTo(1);
    assertThat(points.stream().mapToInt(FixedPoint::starts).sum()).isEqualTo(6);
  }

  @Test
  void aUnitOfGammaStandsWhereItDoes() {
    Nonlinearity gamma = Nonlinearity.gamma(new double[] {5}, new double[] {.5});
    RecurrentMap map =
        RecurrentMap.of(Matrix.of(new double[][] {{.5}}), new double[] {-.25}, gamma);
    FixedPoint only = FixedPoints.find(map, new double[][] {{0}, {1}}, OPTIONS, WS).points().get(0);
    assertThat(only.state()[0]).isCloseTo(.19860697593, within(1e-11));
    assertThat(only.spectrum().real()[0]).isCloseTo(.352044054715, within(1e-11));
    assertThat(only.starts()).isEqualTo(2);
  }

  @Test
  void theTurnOfAFocusHasItsPeriod() {
    // Turns by 30 degrees and shrinks by a tenth.
    double c = .9 * Math.cos(Math.PI / 6);
    double s = .9 * Math.sin(Math.PI / 6);
    double[][] turn = {{c, -s}, {s, c}};
    FixedPoint only =
        FixedPoints.find(Maps.linear(turn), new double[][] {{1, 2}}, OPTIONS, WS).points().get(0);
    assertThat(only.norm()).isLessThan(1e-12);
    assertThat(only.periods()).containsExactly(new double[] {12}, within(1e-9));
    assertThat(only.spectrum().radius()).isCloseTo(.9, within(1e-12));
  }

  /** x -> x + x^2 + e has no fixed point, and is slowest at 0. */
  @Test
  void whereItNearlyStandsStillIsASlowPoint() {
    SmoothMap map =
        new SmoothMap() {
          @Override
          public int dimension() {
            return 1;
          }

          @Override
          public double[] apply(double[] x) {
            return new double[] {x[0] + x[0] * x[0] + .01};
          }

          @Override
          public double[] jacobian(double[] x) {
            return new double[] {1 + 2 * x[0]};
          }
        };
    FixedPoints found = FixedPoints.find(map, new double[][] {{.5}, {-.3}}, OPTIONS, WS);
    assertThat(found.fixed()).isEmpty();
    assertThat(found.slow()).isNotEmpty();
    FixedPoint slow = found.slow().get(0);
    assertThat(slow.state()[0]).isCloseTo(0, within(1e-2));
    assertThat(slow.speed()).isCloseTo(5e-5, within(1e-6));
    Options strict = new Options(1e-12, 1e-6, 1e-3, 200);
    assertThat(FixedPoints.find(map, new double[][] {{.5}, {-.3}}, strict, WS).lost()).isEqualTo(2);
  }

  /** Every point found is one: F moves it by no more than it says, for any number of threads. */
  @ParameterizedTest
  @ValueSource(longs = {1, 2, 3})
  void pointsOfRandomNetworksAreSuch(long seed) {
    int size = 20;
    RecurrentMap map = RecurrentMap.of(Maps.random(size, 1.5, seed), Nonlinearity.tanh());
    double[][] starts = Maps.states(60, size, .7, seed);
    FixedPoints found = FixedPoints.find(map, starts, OPTIONS, WS);
    int used = found.lost() + found.points().stream().mapToInt(FixedPoint::starts).sum();
    assertThat(used).isEqualTo(60);
    assertThat(found.fixed()).isNotEmpty();
    for (FixedPoint point : found.points()) {
      double[] moved = map.apply(point.state());
      double q = 0;
      for (int i = 0; i < size; i++) {
        q += (moved[i] - point.state()[i]) * (moved[i] - point.state()[i]) / 2;
      }
      assertThat(q).isEqualTo(point.speed(), within(1e-28 + 1e-9 * point.speed()));
      assertThat(point.isFixed()).isEqualTo(q <= 1e-12);
    }
    try (Workspace one = Workspace.builder().threads(1).open();
        Workspace four = Workspace.builder().threads(4).open()) {
      FixedPoints alone = FixedPoints.find(map, starts, OPTIONS, one);
      FixedPoints together = FixedPoints.find(map, starts, OPTIONS, four);
      assertThat(together).usingRecursiveComparison().isEqualTo(alone);
    }
  }

  @Test
  void whatCannotBeIsSaid() {
    SmoothMap map = Maps.linear(new double[][] {{.5}});
    assertThatThrownBy(() -> FixedPoints.find(map, new double[0][], OPTIONS, WS))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("no starts to search fixed points from");
    assertThatThrownBy(() -> FixedPoints.find(map, new double[][] {{1}, {1, 2}}, OPTIONS, WS))
        .isInstanceOf(ShapeException.class)
        .hasMessage("start 1 has 2 units, the map 1");
    double[][] bad = {{1}, {Double.NaN}};
    assertThatThrownBy(() -> FixedPoints.find(map, bad, OPTIONS, WS))
        .isInstanceOf(NumericalException.class)
        .hasMessage("start 1 is NaN in unit 0");
  }
}
