// SPDX-License-Identifier: Apache-2.0
package org.merganser.analysis.topology;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.merganser.analysis.topology.Diagram.Point;
import org.merganser.compute.Workspace;

class DiagramTest {
  private static final double NEVER = Double.POSITIVE_INFINITY;
  private static final Diagram A = diagram(0, 1, 0, 2, 1, 4);
  private static final Diagram B = diagram(0, 1.5, .5, 2.5);

  private static Workspace ws;

  @BeforeAll
  static void open() {
    ws = Workspace.open();
  }

  @AfterAll
  static void close() {
    ws.close();
  }

  private static Diagram diagram(double... pairs) {
    List<Point> points = new ArrayList<>();
    for (int k = 0; k < pairs.length; k += 2) {
      points.add(new Point(pairs[k], pairs[k + 1]));
    }
    return new Diagram(0, points);
  }

  @Test
  void summaries() {
    assertThat(A.totalPersistence(1)).isEqualTo(6);
    assertThat(A.totalPersistence(2)).isEqualTo(14);
    assertThat(A.norm(2)).isCloseTo(Math.sqrt(14), within(1e-15));
    assertThat(A.longest()).isEqualTo(3);
    assertThat(A.entropy()).isCloseTo(1.45914792, within(1e-8));
    assertThat(B.entropy()).isCloseTo(0.98522814, within(1e-8));
    assertThat(A.count(1)).isEqualTo(2);
    assertThat(A.betti(-1, 0, 1, 1.5, 2, 4)).containsExactly(0, 2, 2, 2, 1, 0);
    Diagram falling = diagram(3, 1, 2, Double.NEGATIVE_INFINITY);
    assertThat(falling.betti(4, 3, 2, 1, 0)).containsExactly(0, 1, 2, 1, 1);
    assertThat(falling.totalPersistence(1)).isEqualTo(2);
  }

  @Test
  void essentialPointsAreLeftOutUnlessCapped() {
    Diagram d = diagram(0, NEVER, 1, 2);
    assertThat(d.totalPersistence(1)).isEqualTo(1);
    assertThat(d.longest()).isEqualTo(1);
    assertThat(d.count(0)).isEqualTo(1);
    assertThat(d.essentials()).isEqualTo(1);
    assertThat(d.betti(5)).containsExactly(1);
    assertThat(d.capped(4).totalPersistence(1)).isEqualTo(5);
    assertThat(diagram().entropy() + diagram().longest() + diagram(1, 1).entropy()).isZero();
  }

  @Test
  void distances() {
    assertThat(DiagramMetrics.bottleneck(A, B)).isEqualTo(1.5);
    assertThat(DiagramMetrics.wasserstein(A, B, 1, ws)).isCloseTo(2.5, within(1e-12));
    assertThat(DiagramMetrics.wasserstein(A, B, 2, ws)).isCloseTo(1.65831240, within(1e-8));
    assertThat(DiagramMetrics.wasserstein(diagram(), diagram(), 1, ws)).isZero();
    assertThat(DiagramMetrics.bottleneck(diagram(), diagram())).isZero();
    assertThat(DiagramMetrics.bottleneck(diagram(0, 4), diagram())).isEqualTo(2);
  }

  @Test
  void essentialPointsMatchOnlyEachOther() {
    Diagram one = diagram(0, NEVER, 3, 4);
    Diagram other = diagram(1, NEVER, 3, 4);
    assertThat(DiagramMetrics.bottleneck(one, other)).isEqualTo(1);
    assertThat(DiagramMetrics.wasserstein(one, other, 2, ws)).isCloseTo(1, within(1e-12));
    Diagram none = diagram(3, 4);
    assertThat(DiagramMetrics.bottleneck(one, none)).isEqualTo(NEVER);
    assertThat(DiagramMetrics.wasserstein(one, none, 1, ws)).isEqualTo(NEVER);
    Diagram down = diagram(0, Double.NEGATIVE_INFINITY, 3, 4);
    assertThat(DiagramMetrics.bottleneck(one, down)).isEqualTo(NEVER);
  }

  private record Gudhi(Diagram a, Diagram b, double bottleneck, double[] wasserstein) {
    @Override
    public String toString() {
      return a.size() + " and " + b.size() + " points";
    }
  }

  static List<Gudhi> gudhi() {
    List<String> lines = RipserFixture.lines("distances.txt");
    List<Gudhi> all = new ArrayList<>();
    for (int k = 0; k < lines.size(); k += 6) {
      double[] costs =
          IntStream.range(k, k + 4)
              .mapToDouble(i -> Double.parseDouble(lines.get(i).split(" ")[1]))
              .toArray();
      Diagram a = diagram(RipserFixture.numbers(lines.get(k + 4).substring(1)));
      Diagram b = diagram(RipserFixture.numbers(lines.get(k + 5).substring(1)));
      all.add(new Gudhi(a, b, costs[0], new double[] {costs[1], costs[2], costs[3]}));
    }
    return all;
  }

  @ParameterizedTest
  @MethodSource("gudhi")
  void distancesAreGudhis(Gudhi expected) {
    assertThat(DiagramMetrics.bottleneck(expected.a(), expected.b()))
        .isCloseTo(expected.bottleneck(), within(1e-9));
    for (int p = 1; p <= 3; p++) {
      assertThat(DiagramMetrics.wasserstein(expected.a(), expected.b(), p, ws))
          .isCloseTo(expected.wasserstein()[p - 1], within(1e-8));
    }
  }

  static Stream<Integer> seeds() {
    return IntStream.range(0, 40).boxed();
  }

  private static Diagram random(int n, Random random) {
    return new Diagram(
        0,
        IntStream.range(0, n)
            .mapToObj(k -> random.nextInt(8) / 4.0)
            .map(birth -> new Point(birth, birth + random.nextInt(8) / 4.0))
            .toList());
  }

  /** The least over all ways to match, one point after the other. */
  private static double least(List<Point> a, List<Point> b, int at, boolean[] taken, double p) {
    boolean sum = Double.isFinite(p);
    if (at == a.size()) {
      double rest = 0;
      for (int j = 0; j < b.size(); j++) {
        double cost = taken[j] ? 0 : b.get(j).lifetime() / 2;
        rest = sum ? rest + Math.pow(cost, p) : Math.max(rest, cost);
      }
      return rest;
    }
    double best = NEVER;
    for (int j = -1; j < b.size(); j++) {
      if (j >= 0 && taken[j]) {
        continue;
      }
      Point x = a.get(at);
      double cost =
          j < 0
              ? x.lifetime() / 2
              : Math.max(
                  Math.abs(x.birth() - b.get(j).birth()), Math.abs(x.death() - b.get(j).death()));
      if (j >= 0) {
        taken[j] = true;
      }
      double rest = least(a, b, at + 1, taken, p);
      best = Math.min(best, sum ? Math.pow(cost, p) + rest : Math.max(cost, rest));
      if (j >= 0) {
        taken[j] = false;
      }
    }
    return best;
  }

  @ParameterizedTest
  @MethodSource("seeds")
  void distancesAreTheLeastOfAllMatchings(int seed) {
    Random random = new Random(seed);
    Diagram a = random(random.nextInt(6), random);
    Diagram b = random(random.nextInt(6), random);
    boolean[] taken = new boolean[b.size()];
    assertThat(DiagramMetrics.bottleneck(a, b))
        .isEqualTo(least(a.points(), b.points(), 0, taken, NEVER));
    assertThat(Math.pow(DiagramMetrics.wasserstein(a, b, 2, ws), 2))
        .isCloseTo(least(a.points(), b.points(), 0, taken, 2), within(1e-12));
  }

  @ParameterizedTest
  @MethodSource("seeds")
  void distancesAreMetrics(int seed) {
    Random random = new Random(1000 + seed);
    List<Diagram> d = List.of(random(9, random), random(12, random), random(7, random));
    double[] ab = distances(d.get(0), d.get(1));
    double[] bc = distances(d.get(1), d.get(2));
    double[] ac = distances(d.get(0), d.get(2));
    for (int k = 0; k < ab.length; k++) {
      assertThat(ac[k]).isLessThanOrEqualTo(ab[k] + bc[k] + 1e-12);
    }
    assertThat(distances(d.get(1), d.get(0))).containsExactly(ab, within(1e-12));
    assertThat(distances(d.get(0), d.get(0))).containsOnly(0);
    // More is paid the more is added up.
    assertThat(ab[0]).isLessThanOrEqualTo(ab[2] + 1e-12);
    assertThat(ab[2]).isLessThanOrEqualTo(ab[1] + 1e-12);
  }

  private static double[] distances(Diagram a, Diagram b) {
    return new double[] {
      DiagramMetrics.bottleneck(a, b),
      DiagramMetrics.wasserstein(a, b, 1, ws),
      DiagramMetrics.wasserstein(a, b, 2, ws)
    };
  }

  @Test
  void wrongArgumentsAreRefused() {
    assertThatThrownBy(() -> new Point(Double.NaN, 1))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("a class is born at a number, and dies at one or at infinity, not (NaN, 1.0)");
    assertThatThrownBy(() -> DiagramMetrics.wasserstein(A, B, 0.5, ws))
        .hasMessage("p is 0.5, must be 1 or more and finite; see bottleneck for infinity");
    assertThatThrownBy(() -> DiagramMetrics.bottleneck(A, new Diagram(1, List.of())))
        .hasMessage("a diagram of degree 0 and one of degree 1");
    assertThatThrownBy(() -> A.totalPersistence(0))
        .hasMessage("p is 0.0, must be positive and finite");
  }

  /** Powers of 1e10 and of 1e-10 are out of range, of their shares they are not. */
  @ParameterizedTest
  @ValueSource(doubles = {1e-10, 1e10})
  void highPowersStayInRange(double unit) {
    Diagram a = diagram(0, 4 * unit, 10 * unit, 1000 * unit);
    Diagram b = diagram(0, 3 * unit, 10 * unit, 1001 * unit);
    assertThat(DiagramMetrics.wasserstein(a, b, 400, ws))
        .isCloseTo(unit * Math.pow(2, 1 / 400.0), within(1e-10 * unit));
    assertThat(b.norm(400)).isCloseTo(991 * unit, within(1e-10 * unit));
  }

  @Test
  void nothingDiesBeforeItsBirth() {
    assertThatThrownBy(() -> diagram(2, NEVER).capped(1))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("born at 2.0 cannot die at 1.0");
    assertThatThrownBy(() -> diagram(2, Double.NEGATIVE_INFINITY).capped(3))
        .isInstanceOf(IllegalArgumentException.class);
    assertThat(diagram(2, Double.NEGATIVE_INFINITY).capped(1).longest()).isEqualTo(1);
  }
}
