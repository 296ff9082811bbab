// SPDX-License-Identifier: Apache-2.0
package org.merganser.analysis.topology;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.merganser.analysis.geometry.Phate;
import org.merganser.analysis.topology.Diagram.Point;
import org.merganser.analysis.topology.LowerStar.Direction;
import org.merganser.analysis.topology.LowerStar.Essential;
import org.merganser.analysis.topology.LowerStar.Loops;
import org.merganser.compute.Workspace;
import org.merganser.error.NumericalException;
import org.merganser.error.ShapeException;
import org.merganser.linalg.Matrix;

class LowerStarTest {
  private static final LowerStar.Options OPTIONS = LowerStar.Options.defaults();
  private static final LowerStar.Options LAST = OPTIONS.withEssential(Essential.LAST);
  private static final double NEVER = Double.POSITIVE_INFINITY;
  private static final double[] LOSS = {.1, .9, .3, 1.2, .2};
  private static final Graph RING =
      Graph.of(5, new int[][] {{0, 1}, {1, 2}, {2, 3}, {3, 4}, {0, 4}});

  private static Diagram diagram(int degree, double... pairs) {
    List<Point> points = new ArrayList<>();
    for (int k = 0; k < pairs.length; k += 2) {
      points.add(new Point(pairs[k], pairs[k + 1]));
    }
    return new Diagram(degree, points);
  }

  @Test
  void ringOfFive() {
    assertThat(LowerStar.of(RING, LOSS, LAST))
        .containsExactly(
            diagram(0, .3, .9, .2, .2, .9, .9, 1.2, 1.2, .1, 1.2), diagram(1, 1.2, 1.2));
    assertThat(LowerStar.of(RING, LOSS, OPTIONS).get(0).longerThan(0))
        .isEqualTo(diagram(0, .3, .9, .1, NEVER));
  }

  @Test
  void pathOfFive() {
    Graph path = Graph.of(5, new int[][] {{0, 1}, {1, 2}, {2, 3}, {3, 4}});
    List<Diagram> found = LowerStar.of(path, LOSS, LAST);
    assertThat(found.get(0).longerThan(0)).isEqualTo(diagram(0, .3, .9, .2, 1.2, .1, 1.2));
    assertThat(found.get(1)).isEqualTo(diagram(1));
  }

  @Test
  void superlevelSetsAreSublevelSetsOfTheNegative() {
    List<Diagram> up = LowerStar.of(RING, LOSS, LAST.withDirection(Direction.SUPERLEVEL));
    List<Diagram> down = LowerStar.of(RING, Arrays.stream(LOSS).map(x -> -x).toArray(), LAST);
    for (int degree = 0; degree < 2; degree++) {
      Diagram negated =
          new Diagram(
              degree,
              down.get(degree).points().stream()
                  .map(p -> new Point(-p.birth(), -p.death()))
                  .toList());
      assertThat(up.get(degree)).isEqualTo(negated);
    }
    assertThat(up.get(0).longerThan(0).points())
        .containsExactly(new Point(.9, .3), new Point(1.2, .1));
    List<Diagram> endless = LowerStar.of(RING, LOSS, OPTIONS.withDirection(Direction.SUPERLEVEL));
    assertThat(endless.get(0).points()).contains(new Point(1.2, Double.NEGATIVE_INFINITY));
    assertThat(endless.get(0).essentials()).isEqualTo(1);
  }

  @Test
  void eachComponentHasAnEssentialPoint() {
    Graph two = Graph.of(4, new int[][] {{0, 1}, {2, 3}});
    List<Diagram> found = LowerStar.of(two, new double[] {1, 2, 5, 3}, LAST);
    assertThat(found.get(0).longerThan(0)).isEqualTo(diagram(0, 1, 5, 3, 5));
    List<Diagram> alone = LowerStar.of(Graph.of(2), new double[] {1, 4}, OPTIONS);
    assertThat(alone.get(0)).isEqualTo(diagram(0, 1, NEVER, 4, NEVER));
    assertThat(LowerStar.of(Graph.of(0), new double[0], LAST).get(0).size()).isZero();
  }

  static Stream<Integer> seeds() {
    return IntStream.range(0, 30).boxed();
  }

  private static int[][] edges(int n, Random random) {
    List<int[]> edges = new ArrayList<>();
    for (int u = 0; u < n; u++) {
      for (int v = 0; v < u; v++) {
        if (random.nextInt(3) == 0) {
          edges.add(new int[] {u, v});
        }
      }
    }
    return edges.toArray(int[][]::new);
  }

  private static double[] values(int n, boolean ties, Random random) {
    return IntStream.range(0, n)
        .mapToDouble(v -> ties ? random.nextInt(4) : random.nextDouble())
        .toArray();
  }

  @ParameterizedTest
  @MethodSource("seeds")
  void openAndFilledLoopsAreWhatTheBoundaryMatrixSays(int seed) {
    Random random = new Random(seed);
    int n = 1 + random.nextInt(14);
    int[][] edges = edges(n, random);
    double[] f = values(n, seed % 3 == 0, random);
    Set<List<Integer>> joined = new HashSet<>();
    for (int[] edge : edges) {
      joined.add(List.of(edge[0], edge[1]));
      joined.add(List.of(edge[1], edge[0]));
    }
    for (Loops loops : Loops.values()) {
      List<Diagram> expected =
          BoundaryMatrix.persistence(
              BoundaryMatrix.cliques(
                  n, loops == Loops.OPEN ? 2 : 3, (v, w) -> joined.contains(List.of(v, w))),
              vertices -> vertices.stream().mapToDouble(v -> f[v]).max().orElseThrow(),
              1,
              true);
      assertThat(LowerStar.of(Graph.of(n, edges), f, OPTIONS.withLoops(loops))).isEqualTo(expected);
    }
  }

  @ParameterizedTest
  @MethodSource("seeds")
  void orderOfTheVerticesDoesNotMatter(int seed) {
    Random random = new Random(50 + seed);
    int n = 20;
    int[][] edges = edges(n, random);
    double[] f = values(n, seed % 2 == 0, random);
    List<Integer> to = new ArrayList<>(IntStream.range(0, n).boxed().toList());
    Collections.shuffle(to, random);
    double[] permuted = new double[n];
    for (int v = 0; v < n; v++) {
      permuted[to.get(v)] = f[v];
    }
    int[][] moved =
        Arrays.stream(edges)
            .map(edge -> new int[] {to.get(edge[0]), to.get(edge[1])})
            .toArray(int[][]::new);
    for (Loops loops : Loops.values()) {
      LowerStar.Options options = LAST.withLoops(loops);
      assertThat(LowerStar.of(Graph.of(n, moved), permuted, options))
          .isEqualTo(LowerStar.of(Graph.of(n, edges), f, options));
    }
  }

  @Test
  void numberOfOpenLoopsIsThatOfTheGraph() {
    Random random = new Random(3);
    Graph graph = Graph.of(25, edges(25, random));
    List<Diagram> found = LowerStar.of(graph, values(25, false, random), OPTIONS);
    assertThat(found.get(1).size())
        .isEqualTo(graph.edges() - graph.vertices() + found.get(0).essentials());
    assertThat(found.get(0).size()).isEqualTo(25);
  }

  @Test
  void badValuesAndEdgesAreRefused() {
    assertThatThrownBy(() -> LowerStar.of(RING, new double[] {1, 2}, OPTIONS))
        .isInstanceOf(ShapeException.class)
        .hasMessage("2 values for a graph of 5 vertices and 5 edges");
    assertThatThrownBy(() -> LowerStar.of(RING, new double[] {1, 2, Double.NaN, 1, 1}, OPTIONS))
        .isInstanceOf(NumericalException.class)
        .hasMessage("the value of vertex 2 is NaN");
    assertThatThrownBy(() -> Graph.of(3, new int[][] {{0, 1}, {1, 3}}))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("edge 1 joins 1 and 3; it must join two different ones of the vertices 0 to 2");
    assertThatThrownBy(() -> Graph.of(3, new int[][] {{2, 2}}))
        .isInstanceOf(IllegalArgumentException.class);
  }

  private static final double[][] POTENTIAL = {
    {0, 1, 2, 9}, {1, 0, 3, 4}, {2, 3, 0, 5}, {9, 4, 5, 0}
  };

  private static Graph neighbours(double[][] rows, int k, NeighbourGraph.Rule rule) {
    try (Matrix matrix = Matrix.of(rows)) {
      return NeighbourGraph.of(matrix, k, rule);
    }
  }

  @Test
  void neighboursAreNearestUnlessAskedOtherwise() {
    assertThat(neighbours(POTENTIAL, 1, NeighbourGraph.Rule.NEAREST))
        .isEqualTo(Graph.of(4, new int[][] {{0, 1}, {0, 2}, {1, 3}}));
    assertThat(neighbours(POTENTIAL, 1, NeighbourGraph.Rule.COMPAT_FARTHEST))
        .isEqualTo(Graph.of(4, new int[][] {{0, 3}, {1, 3}, {2, 3}}));
    // The lower index of equal entries, and each edge once.
    assertThat(neighbours(new double[3][3], 1, NeighbourGraph.Rule.NEAREST))
        .isEqualTo(Graph.of(3, new int[][] {{0, 1}, {0, 2}}));
    assertThat(neighbours(POTENTIAL, 3, NeighbourGraph.Rule.NEAREST).edges()).isEqualTo(6);
  }

  /** Rows whose last neighbour is as good as one that is left out. */
  @Test
  void tiesAreCounted() {
    double[][] line = new double[6][6];
    for (int i = 0; i < 6; i++) {
      for (int j = 0; j < 6; j++) {
        line[i][j] = Math.abs(i - j);
      }
    }
    // Both neighbours of 1 to 4 are at 1; at k = 2 those of 0 and 5 differ, and all others are
    // both.
    assertThat(tied(line, 1, NeighbourGraph.Rule.NEAREST)).isEqualTo(4);
    assertThat(tied(line, 2, NeighbourGraph.Rule.NEAREST)).isZero();
    assertThat(tied(line, 1, NeighbourGraph.Rule.COMPAT_FARTHEST)).isZero();
    // From 2 the two farthest are 5 and either of 0 and 4.
    assertThat(tied(line, 2, NeighbourGraph.Rule.COMPAT_FARTHEST)).isEqualTo(2);
    assertThat(tied(POTENTIAL, 1, NeighbourGraph.Rule.NEAREST)).isZero();
    assertThat(tied(new double[4][4], 3, NeighbourGraph.Rule.NEAREST)).isZero();
    assertThat(tied(new double[4][4], 2, NeighbourGraph.Rule.COMPAT_FARTHEST)).isEqualTo(4);
    // What rounding tells apart is one; infinite entries are none.
    double[][] near = {{0, 16, 16 + 1e-9}, {16, 0, 16.001}, {NEVER, 16, 0}};
    assertThat(tied(near, 1, NeighbourGraph.Rule.NEAREST)).isEqualTo(1);
    assertThat(tied(near, 1, NeighbourGraph.Rule.COMPAT_FARTHEST)).isEqualTo(1);
  }

  private static int tied(double[][] rows, int k, NeighbourGraph.Rule rule) {
    try (Matrix matrix = Matrix.of(rows)) {
      return NeighbourGraph.choose(matrix, k, rule).tied();
    }
  }

  /** Walks from 0 lead to 1, but those from 2 spread alike. */
  @Test
  void neighboursByTheDistanceOfRows() {
    double[][] rows = {{0, 1, 5, 9}, {1, 9, 9, 2}, {0, 1.5, 5, 9}, {1, 9, 7, 2}};
    try (Workspace ws = Workspace.open();
        Matrix matrix = Matrix.of(rows)) {
      assertThat(NeighbourGraph.ofRows(matrix, 1, NeighbourGraph.Rule.NEAREST, ws))
          .isEqualTo(Graph.of(4, new int[][] {{0, 2}, {1, 3}}));
      assertThat(neighbours(rows, 1, NeighbourGraph.Rule.NEAREST))
          .isEqualTo(Graph.of(4, new int[][] {{0, 1}, {0, 2}, {0, 3}}));
      matrix.set(1, 2, NEVER);
      assertThatThrownBy(() -> NeighbourGraph.ofRows(matrix, 1, NeighbourGraph.Rule.NEAREST, ws))
          .isInstanceOf(NumericalException.class)
          .hasMessage("entry [1, 2] is Infinity");
    }
  }

  /** Columns beside each other: rows need not be as many. */
  @Test
  void rowsArePointsAsWell() {
    try (Workspace ws = Workspace.open();
        Matrix points = Matrix.of(new double[][] {{0}, {10}, {1}, {12}, {2.5}})) {
      assertThat(NeighbourGraph.ofRows(points, 1, NeighbourGraph.Rule.NEAREST, ws))
          .isEqualTo(Graph.of(5, new int[][] {{0, 2}, {1, 3}, {2, 4}}));
    }
  }

  /** Two groups that no walk of PHATE connects: potentials between them are all one. */
  @ParameterizedTest
  @MethodSource("seeds")
  void whatDependsOnTheOrderIsTied(int seed) {
    Random random = new Random(seed);
    int n = 24;
    List<Integer> to = new ArrayList<>(IntStream.range(0, n).boxed().toList());
    Collections.shuffle(to, random);
    double[][] points = new double[n][];
    double[][] moved = new double[n][];
    double[] losses = new double[n];
    double[] movedLosses = new double[n];
    for (int i = 0; i < n; i++) {
      points[i] = new double[] {100 * (i % 2) + random.nextDouble(), random.nextDouble()};
      losses[i] = random.nextDouble();
      moved[to.get(i)] = points[i];
      movedLosses[to.get(i)] = losses[i];
    }
    double[][] one = potential(points);
    double[][] other = potential(moved);
    for (NeighbourGraph.Rule rule : NeighbourGraph.Rule.values()) {
      // 11 others are in its group.
      for (int k : new int[] {4, 13}) {
        boolean order = rule == NeighbourGraph.Rule.COMPAT_FARTHEST ? k < 12 : k > 11;
        assertThat(tied(one, k, rule)).isEqualTo(order ? n : 0);
        assertThat(tied(other, k, rule)).isEqualTo(order ? n : 0);
        if (!order) {
          assertThat(total(one, k, rule, losses))
              .isEqualTo(total(other, k, rule, movedLosses), within(1e-12));
        }
      }
    }
  }

  private static double[][] potential(double[][] points) {
    double[][] apart = new double[points.length][points.length];
    for (int i = 0; i < points.length; i++) {
      for (int j = 0; j < points.length; j++) {
        apart[i][j] = Math.hypot(points[i][0] - points[j][0], points[i][1] - points[j][1]);
      }
    }
    Phate phate = new Phate(Phate.Options.defaults().with("knn", 3).with("decay", 4.0));
    try (Workspace ws = Workspace.builder().threads(1).open();
        Matrix distances = Matrix.of(apart)) {
      Phate.Result found = phate.fit(distances, ws);
      assertThat(found.components()).isEqualTo(2);
      return found.potential();
    }
  }

  private static double total(
      double[][] potential, int k, NeighbourGraph.Rule rule, double[] losses) {
    return LowerStar.of(neighbours(potential, k, rule), losses, OPTIONS).get(0).totalPersistence(1);
  }

  @ParameterizedTest
  @MethodSource("seeds")
  void permutedSamplesHaveThePermutedGraph(int seed) {
    Random random = new Random(seed);
    int n = 15;
    List<Integer> to = new ArrayList<>(IntStream.range(0, n).boxed().toList());
    Collections.shuffle(to, random);
    double[][] rows = new double[n][n];
    double[][] moved = new double[n][n];
    for (int i = 0; i < n; i++) {
      for (int j = 0; j < n; j++) {
        rows[i][j] = random.nextDouble();
        moved[to.get(i)][to.get(j)] = rows[i][j];
      }
    }
    for (NeighbourGraph.Rule rule : NeighbourGraph.Rule.values()) {
      Graph graph = neighbours(rows, 4, rule);
      int[][] edges =
          IntStream.range(0, graph.edges())
              .mapToObj(k -> new int[] {to.get(graph.from(k)), to.get(graph.to(k))})
              .toArray(int[][]::new);
      assertThat(neighbours(moved, 4, rule)).isEqualTo(Graph.of(n, edges));
    }
  }

  @Test
  void neighboursThatCannotBeChosenAreRefused() {
    assertThatThrownBy(() -> neighbours(POTENTIAL, 4, NeighbourGraph.Rule.NEAREST))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("k is 4: each of 4 samples has 1 to 3 neighbours");
    double[][] bad = {{0, Double.NaN}, {1, 0}};
    assertThatThrownBy(() -> neighbours(bad, 1, NeighbourGraph.Rule.NEAREST))
        .isInstanceOf(NumericalException.class)
        .hasMessage("entry [0, 1] is NaN");
    double[][] apart = {{0, NEVER}, {NEVER, 0}};
    assertThatThrownBy(() -> neighbours(apart, 1, NeighbourGraph.Rule.COMPAT_FARTHEST))
        .isInstanceOf(NumericalException.class)
        .hasMessage("row 0 has 0 finite entries besides its own, needed are 1");
  }
}
