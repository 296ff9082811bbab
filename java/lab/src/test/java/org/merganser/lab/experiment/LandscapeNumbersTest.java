// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.merganser.analysis.geometry.GramMatrix;
import org.merganser.analysis.geometry.SampleRows;
import org.merganser.analysis.landscape.Direction;
import org.merganser.analysis.landscape.Direction.Norm;
import org.merganser.analysis.landscape.Direction.OneDimensional;
import org.merganser.analysis.landscape.LossFunction;
import org.merganser.analysis.topology.Diagram;
import org.merganser.analysis.topology.Diagram.Point;
import org.merganser.analysis.topology.Graph;
import org.merganser.analysis.topology.NeighbourGraph.Choice;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.error.NumericalException;
import org.merganser.lab.experiment.Landscape.Valleys;
import org.merganser.lab.experiment.LandscapeDiagrams.Distance;
import org.merganser.lab.experiment.LandscapeRanks.Pooled;
import org.merganser.linalg.Matrix;

/** The numbers of the experiment on values made by hand. */
class LandscapeNumbersTest {
  /** Epochs 0 to 39 of 16 jumps. */
  @Test
  void thereAreAsManySamplesAsInThePaper() {
    assertThat(LandscapeExperiment.Options.defaults().samples()).isEqualTo(640);
  }

  /** The ring of five of the spec, whose losses are these. */
  @Test
  void persistenceOfARing() {
    Graph ring = Graph.of(5, new int[][] {{0, 1}, {1, 2}, {2, 3}, {3, 4}, {0, 4}});
    double[] losses = {.1, .9, .3, 1.2, .2};
    Valleys valleys =
        LandscapeTopology.valleys(
            LandscapeSampling.RETRAINED, "nearest", "test", new Choice(ring, 3), losses);
    assertThat(valleys.tied()).isEqualTo(3);
    assertThat(valleys.pairs()).containsExactly(List.of(.3, .9));
    assertThat(valleys.total()).isCloseTo(.6, within(1e-15));
    assertThat(valleys.range()).isCloseTo(1.1, within(1e-15));
    assertThat(valleys.total(true)).isCloseTo(.6 / 1.1, within(1e-15));
    assertThat(valleys.components()).isEqualTo(1);
    assertThat(valleys.edges()).isEqualTo(5);
    assertThat(valleys.births()).containsExactly(1.2);
    assertThat(valleys.loops()).isZero();
    assertThat(valleys.diagram(true).points())
        .containsExactly(new Point((.3 - .1) / valleys.range(), (.9 - .1) / valleys.range()));
    Valleys other =
        LandscapeTopology.valleys(
            LandscapeSampling.LINES, "nearest", "test", new Choice(ring, 0), losses);
    assertThat(other.births()).isEmpty();
  }

  /** The rule says which neighbours: nearest 01, 02, 13; farthest 03, 13, 23. */
  @Test
  void bothRulesLookAtTheSamePotential() {
    double[][] potential = {{0, 1, 2, 9}, {1, 0, 3, 4}, {2, 3, 0, 5}, {9, 4, 5, 0}};
    double[] train = {.1, .2, .4, .3};
    double[] test = {.2, .3, .5, .1};
    List<Valleys> all =
        LandscapeTopology.valleys(
            LandscapeSampling.RETRAINED, potential, 1, Map.of("train", train, "test", test));
    assertThat(all)
        .extracting(Valleys::rule)
        .containsExactly("nearest", "nearest", "farthest", "farthest");
    assertThat(all).extracting(Valleys::loss).containsExactly("train", "test", "train", "test");
    assertThat(all).extracting(Valleys::components).containsOnly(1);
    assertThat(all).extracting(Valleys::edges).containsOnly(3);
    assertThat(all).extracting(Valleys::tied).containsOnly(0);
    // Farthest, by the training loss: 1 at .2 meets 0 over 3, at .3. Nearest, by the test loss: 0
    // and 1 at .2 meet 3 at .3.
    double[] wanted = {0, .1, .1, 0};
    for (int i = 0; i < wanted.length; i++) {
      assertThat(all.get(i).total()).isCloseTo(wanted[i], within(1e-12));
    }
  }

  @Test
  void lossesWithoutARangeHaveNothingRelative() {
    Graph pair = Graph.of(2, new int[] {0, 1});
    Valleys flat =
        LandscapeTopology.valleys(
            LandscapeSampling.RETRAINED,
            "nearest",
            "test",
            new Choice(pair, 0),
            new double[] {.5, .5});
    assertThat(flat.total(true)).isZero();
  }

  /** Two trajectories of three samples: their ends are half as far apart as their beginnings. */
  @Test
  void togetherIsWhatTrainingBrings() {
    double[][] points = {{0, 0}, {9, 9}, {1, 0}, {4, 0}, {-9, 3}, {1, 2}};
    assertThat(LandscapeAnalysis.together(points, 3)).isEqualTo(.5);
  }

  @Test
  void distancesAreOfPairsOfSeeds() {
    Diagram a = new Diagram(0, List.of(new Point(0, 1), new Point(0, 2), new Point(1, 4)));
    Diagram b = new Diagram(0, List.of(new Point(0, 1.5), new Point(.5, 2.5)));
    Diagram none = new Diagram(0, List.of());
    try (Workspace ws = Workspace.builder().threads(1).open()) {
      assertThat(Distance.between(List.of(a), List.of(b), ws)).isEqualTo(new Distance(2.5, 0, 1));
      assertThat(Distance.within(List.of(a, b), ws)).isEqualTo(new Distance(2.5, 0, 1));
      assertThat(Distance.between(List.of(none, none), List.of(none), ws))
          .isEqualTo(new Distance(0, 0, 2));
      assertThat(Distance.between(List.of(a, b), List.of(none), ws).mean())
          .isCloseTo((3 + 1.75) / 2, within(1e-12));
      assertThat(Distance.within(List.of(a), ws).text()).isEqualTo("-");
    }
  }

  @Test
  void ranksAndTheirIntervals() {
    assertThat(LandscapeRanks.spearman(List.of(1.0, 2.0, 5.0), List.of(3.0, 2.0, 1.0)))
        .isCloseTo(-1, within(1e-12));
    assertThat(LandscapeRanks.spearman(List.of(1.0, 1.0, 1.0), List.of(3.0, 2.0, 1.0))).isZero();
    List<Double> gaps = List.of(1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0);
    Pooled pooled = LandscapeRanks.pooled(List.of(2.0, 1.0, 4.0, 3.0, 6.0, 5.0, 7.0), gaps);
    // 1 - 6 * 6 / (7 * 48); z = 1.43..., half = 1.95996 sqrt(1.06 / 4).
    assertThat(pooled.rho()).isCloseTo(1 - 36.0 / 336, within(1e-12));
    double z = 0.5 * Math.log((1 + pooled.rho()) / (1 - pooled.rho()));
    assertThat(pooled.low()).isCloseTo(Math.tanh(z - 1.0089532), within(1e-6));
    assertThat(pooled.high()).isCloseTo(Math.tanh(z + 1.0089532), within(1e-6));
    assertThat(pooled.networks()).isEqualTo(7);
    // Of a perfect correlation z is infinite: an interval of no width from any number of networks.
    List<Double> falling = List.of(7.0, 6.0, 5.0, 4.0, 3.0, 2.0, 1.0);
    for (List<Double> perfect : List.of(gaps, falling)) {
      assertThat(Math.abs(LandscapeRanks.pooled(perfect, gaps).rho())).isCloseTo(1, within(1e-12));
      assertThat(LandscapeRanks.pooled(perfect, gaps).low()).isNull();
      assertThat(LandscapeRanks.pooled(perfect, gaps).high()).isNull();
    }
    assertThat(LandscapeRanks.pooled(gaps.subList(0, 3), gaps.subList(0, 3)).low()).isNull();
  }

  @Test
  void labelsThatAreRandomForLessAreSoForMore() {
    int[] labels = IntStream.range(0, 4000).map(i -> i % 10).toArray();
    int[] half = LandscapeImages.randomised(labels, 10, .5, 1, "a");
    int[] all = LandscapeImages.randomised(labels, 10, 1, 1, "a");
    assertThat(LandscapeImages.randomised(labels, 10, 0, 1, "a")).isEqualTo(labels);
    assertThat(share(half, labels)).isCloseTo(.5 + .5 / 10, within(.03));
    assertThat(share(all, labels)).isCloseTo(.1, within(.03));
    for (int i = 0; i < labels.length; i++) {
      assertThat(half[i]).isIn(labels[i], all[i]);
    }
    assertThat(LandscapeImages.randomised(labels, 10, 1, 2, "a")).isNotEqualTo(all);
    assertThat(LandscapeImages.randomised(labels, 10, 1, 1, "b")).isNotEqualTo(all);
  }

  private static double share(int[] a, int[] b) {
    return IntStream.range(0, a.length).mapToDouble(i -> a[i] == b[i] ? 1 : 0).average().orElse(0);
  }

  /** Distances of the probes in the span of their directions are those between the parameters. */
  @Test
  void probesLieWhereTheirParametersDo() {
    double[][] axes = {{3, 0, 4, 0, 0}, {1, 2, 0, 2, 0}, {0, 0, 0, 1, 1}};
    List<Direction> directions = new ArrayList<>();
    for (double[] axis : axes) {
      directions.add(new Direction(0, Norm.NONE, OneDimensional.IGNORE, axis));
    }
    LandscapeProbes probes = new LandscapeProbes(new double[5], directions, 2, 14);
    List<double[]> lines = new ArrayList<>();
    for (double[] axis : axes) {
      for (double step : new double[] {-2, -2.0 / 3, 2.0 / 3, 2}) {
        lines.add(moved(axis, step, axis, 0));
      }
    }
    List<double[]> plane = new ArrayList<>();
    for (double a : new double[] {-2, 0, 2}) {
      for (double b : new double[] {-2, 0, 2}) {
        plane.add(moved(axes[0], a, axes[1], b));
      }
    }
    check(probes.lines(), lines);
    check(probes.plane(), plane);
  }

  private static double[] moved(double[] a, double x, double[] b, double y) {
    return IntStream.range(0, a.length).mapToDouble(i -> x * a[i] + y * b[i]).toArray();
  }

  private static void check(Matrix points, List<double[]> parameters) {
    try (points;
        Workspace ws = Workspace.builder().threads(1).open();
        GramMatrix products = GramMatrix.centred(SampleRows.of(points), DType.F64, ws);
        Matrix distances = products.euclidean()) {
      assertThat(points.rows()).isEqualTo(parameters.size());
      for (int i = 0; i < parameters.size(); i++) {
        for (int j = 0; j < i; j++) {
          double[] apart = moved(parameters.get(i), 1, parameters.get(j), -1);
          double wanted =
              Math.sqrt(IntStream.range(0, 5).mapToDouble(k -> apart[k] * apart[k]).sum());
          assertThat(distances.get(i, j)).isCloseTo(wanted, within(1e-6));
        }
      }
    } catch (java.io.IOException e) {
      throw new java.io.UncheckedIOException(e);
    }
  }

  // Claims.

  /** Before persistence would say that a vertex is infinite. */
  @Test
  void lossesThatAreNoneAreNamed() {
    List<Direction> directions = new ArrayList<>();
    for (double[] axis : new double[][] {{1, 0}, {0, 1}}) {
      directions.add(new Direction(0, Norm.NONE, OneDimensional.IGNORE, axis));
    }
    LandscapeProbes probes = new LandscapeProbes(new double[2], directions, 2, 9);
    LossFunction fine = (theta, ws) -> theta[0];
    LossFunction line = (theta, ws) -> theta[1] == 2 ? Double.POSITIVE_INFINITY : 1;
    LossFunction plane = (theta, ws) -> theta[0] * theta[1] < 0 ? Double.NaN : 1;
    try (Workspace ws = Workspace.builder().threads(1).open()) {
      assertThatThrownBy(() -> probes.losses("wd", Map.of("train", fine, "test", line), ws))
          .isInstanceOf(NumericalException.class)
          .hasMessage(
              "minimum wd: the test loss is Infinity on the line of direction 1 at step 2.0; set"
                  + " the longest of --steps smaller");
      assertThatThrownBy(() -> probes.losses("none", Map.of("train", plane, "test", fine), ws))
          .hasMessage(
              "minimum none: the train loss is NaN on the plane at steps -2.0 and 2.0; set the"
                  + " longest of --steps smaller");
    }
  }
}
