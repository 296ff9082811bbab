// SPDX-License-Identifier: Apache-2.0
package org.merganser.analysis.topology;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.merganser.analysis.topology.Diagram.Point;
import org.merganser.compute.Workspace;
import org.merganser.error.NumericalException;
import org.merganser.error.ShapeException;
import org.merganser.linalg.Matrix;

class RipsTest {
  private static final Rips.Options VOIDS = Rips.Options.defaults().withMaxDegree(2);

  private static Rips.Barcode ofPoints(double[][] points) {
    try (Workspace ws = Workspace.open();
        Matrix matrix = Matrix.of(points)) {
      return Rips.ofPoints(matrix, VOIDS, ws);
    }
  }

  private static Rips.Barcode of(double[][] distances, Rips.Options options) {
    try (Workspace ws = Workspace.open();
        Matrix matrix = Matrix.of(distances)) {
      return Rips.of(matrix, options, ws);
    }
  }

  /** Regular, except that rounding makes the sides differ: what that makes is left out. */
  private static Diagram regular(double[][] points, int degree) {
    return ofPoints(points).diagrams().get(degree).longerThan(1e-6);
  }

  private static double[][] polygon(int corners) {
    return IntStream.range(0, corners)
        .mapToDouble(k -> 2 * Math.PI * k / corners)
        .mapToObj(angle -> new double[] {Math.cos(angle), Math.sin(angle)})
        .toArray(double[][]::new);
  }

  private static void assertPoints(Diagram diagram, double[]... expected) {
    assertThat(diagram.points()).hasSize(expected.length);
    for (int k = 0; k < expected.length; k++) {
      assertThat(diagram.points().get(k).birth()).isCloseTo(expected[k][0], within(1e-6));
      if (Double.isInfinite(expected[k][1])) {
        assertThat(diagram.points().get(k).death()).isEqualTo(expected[k][1]);
      } else {
        assertThat(diagram.points().get(k).death()).isCloseTo(expected[k][1], within(1e-6));
      }
    }
  }

  @Test
  void aSquareHasOneLoop() {
    Rips.Barcode square = ofPoints(new double[][] {{0, 0}, {1, 0}, {1, 1}, {0, 1}});
    double never = Double.POSITIVE_INFINITY;
    assertPoints(
        square.diagrams().get(0),
        new double[] {0, 1},
        new double[] {0, 1},
        new double[] {0, 1},
        new double[] {0, never});
    assertPoints(square.diagrams().get(1), new double[] {1, Math.sqrt(2)});
    assertThat(square.threshold()).isCloseTo(Math.sqrt(2), within(1e-7));
  }

  @Test
  void regularShapesHaveTheLoopsAndVoidsThatTheyEnclose() {
    assertPoints(regular(polygon(6), 1), new double[] {1, Math.sqrt(3)});
    assertPoints(regular(polygon(12), 1), new double[] {0.51763809, Math.sqrt(3)});
    double[][] octahedron = {{1, 0, 0}, {-1, 0, 0}, {0, 1, 0}, {0, -1, 0}, {0, 0, 1}, {0, 0, -1}};
    assertPoints(regular(octahedron, 1));
    assertPoints(regular(octahedron, 2), new double[] {Math.sqrt(2), 2});
    double[][] triangle = {{0, 0}, {3, 0}, {3, 4}};
    assertPoints(
        regular(triangle, 0),
        new double[] {0, 3},
        new double[] {0, 4},
        new double[] {0, Double.POSITIVE_INFINITY});
    assertPoints(regular(triangle, 1));
  }

  static List<RipserFixture> fixtures() {
    return RipserFixture.all();
  }

  @ParameterizedTest
  @MethodSource("fixtures")
  void barcodesAreRipsers(RipserFixture fixture) {
    Rips.Options options = new Rips.Options(fixture.diagrams().size() - 1, fixture.threshold());
    try (Workspace ws = Workspace.open();
        Matrix matrix = fixture.matrix()) {
      Rips.Barcode found =
          fixture.points() ? Rips.ofPoints(matrix, options, ws) : Rips.of(matrix, options, ws);
      for (Diagram expected : fixture.diagrams()) {
        // It prints six digits.
        Diagram diagram = found.diagrams().get(expected.degree());
        assertThat(diagram.size()).isEqualTo(expected.size());
        assertThat(DiagramMetrics.bottleneck(diagram, expected)).isLessThan(5e-6);
      }
    }
  }

  @Test
  void thereAreFixturesOfAllDegrees() {
    assertThat(fixtures()).hasSizeGreaterThanOrEqualTo(6);
    assertThat(fixtures().stream().mapToInt(f -> f.diagrams().get(1).size()).sum())
        .isGreaterThan(50);
    assertThat(
            fixtures().stream()
                .filter(f -> f.diagrams().size() > 2)
                .mapToInt(f -> f.diagrams().get(2).size())
                .sum())
        .isGreaterThan(10);
  }

  private static double[][] dissimilarities(int n, int levels, Random random) {
    double[][] d = new double[n][n];
    for (int i = 0; i < n; i++) {
      for (int j = 0; j < i; j++) {
        double value = levels == 0 ? random.nextFloat() : 1 + random.nextInt(levels);
        d[i][j] = random.nextInt(9) == 0 ? Double.POSITIVE_INFINITY : value;
        d[j][i] = d[i][j];
      }
    }
    return d;
  }

  static Stream<Integer> seeds() {
    return IntStream.range(0, 24).boxed();
  }

  @ParameterizedTest
  @MethodSource("seeds")
  void whateverTheDistancesItIsWhatTheBoundaryMatrixSays(int seed) {
    Random random = new Random(seed);
    int n = 1 + random.nextInt(13);
    double[][] d = dissimilarities(n, seed % 3 == 0 ? 3 : 0, random);
    double threshold = seed % 4 == 0 ? 0.5 : Double.POSITIVE_INFINITY;
    List<Diagram> expected =
        BoundaryMatrix.persistence(
            BoundaryMatrix.cliques(
                n, 4, (v, w) -> d[v][w] <= threshold && Double.isFinite(d[v][w])),
            vertices ->
                vertices.stream()
                    .flatMapToDouble(v -> vertices.stream().mapToDouble(w -> d[v][w]))
                    .max()
                    .orElseThrow(),
            2,
            false);
    assertThat(of(d, VOIDS.withThreshold(threshold)).diagrams()).isEqualTo(expected);
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 2, 8})
  void threadsDoNotChangeAnything(int threads) {
    double[][] points = cloud(90, new Random(5));
    try (Workspace ws = Workspace.builder().threads(threads).open();
        Matrix matrix = Matrix.of(points)) {
      assertThat(Rips.ofPoints(matrix, VOIDS, ws)).isEqualTo(ofPoints(points));
    }
  }

  @Test
  void permutedPointsHaveTheSameDiagrams() {
    double[][] points = cloud(80, new Random(6));
    Rips.Barcode before = ofPoints(points);
    List<double[]> shuffled = new ArrayList<>(Arrays.asList(points));
    Collections.shuffle(shuffled, new Random(7));
    assertThat(ofPoints(shuffled.toArray(double[][]::new))).isEqualTo(before);
    assertThat(before.diagrams().get(1).size()).isGreaterThan(5);
  }

  @Test
  void scaledDistancesScaleTheDiagrams() {
    Random random = new Random(8);
    double[][] d = dissimilarities(30, 0, random);
    double[][] scaled =
        Arrays.stream(d)
            .map(row -> Arrays.stream(row).map(x -> x * 8).toArray())
            .toArray(double[][]::new);
    for (Diagram each : of(d, VOIDS).diagrams()) {
      Diagram expected =
          new Diagram(
              each.degree(),
              each.points().stream().map(p -> new Point(8 * p.birth(), 8 * p.death())).toList());
      assertThat(of(scaled, VOIDS).diagrams().get(each.degree())).isEqualTo(expected);
    }
  }

  /** Cohen-Steiner, Edelsbrunner, Harer 2007; Chazal, de Silva, Oudot 2014. */
  @ParameterizedTest
  @MethodSource("seeds")
  void diagramsMoveNoFartherThanTheDistances(int seed) {
    Random random = new Random(100 + seed);
    double[][] points = cloud(30, random);
    double[][] moved =
        Arrays.stream(points)
            .map(p -> Arrays.stream(p).map(x -> x + 0.02 * random.nextGaussian()).toArray())
            .toArray(double[][]::new);
    double change = 0;
    for (int i = 0; i < points.length; i++) {
      for (int j = 0; j < i; j++) {
        change =
            Math.max(
                change, Math.abs(distance(points[i], points[j]) - distance(moved[i], moved[j])));
      }
    }
    List<Diagram> before = ofPoints(points).diagrams();
    List<Diagram> after = ofPoints(moved).diagrams();
    for (int degree = 0; degree <= 2; degree++) {
      assertThat(DiagramMetrics.bottleneck(before.get(degree), after.get(degree)))
          .isLessThanOrEqualTo(change + 1e-6);
    }
    assertThat(DiagramMetrics.bottleneck(before.get(0), after.get(0))).isPositive();
  }

  @Test
  void equalPointsAreOne() {
    double[][] points = cloud(20, new Random(9));
    double[][] twice = new double[40][];
    for (int i = 0; i < 40; i++) {
      twice[i] = points[i % 20];
    }
    assertThat(ofPoints(twice).diagrams()).isEqualTo(ofPoints(points).diagrams());
  }

  @Test
  void whatIsNoDistanceIsRefusedWithItsPlace() {
    double nan = Double.NaN;
    assertThatThrownBy(() -> of(new double[][] {{0, 1, 2}, {1, 0, nan}, {2, nan, 0}}, VOIDS))
        .isInstanceOf(NumericalException.class)
        .hasMessage("distances[1, 2] is NaN");
    assertThatThrownBy(() -> of(new double[][] {{0, 1}, {3, 0}}, VOIDS))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("distances[0, 1] is 1, but distances[1, 0] is 3");
    assertThatThrownBy(() -> of(new double[][] {{0, 1, 2}, {1, 0, 2}}, VOIDS))
        .isInstanceOf(ShapeException.class)
        .hasMessage(
            "distances are a 2 x 3 F64 matrix; needed is a square one, a row and a column a point");
    assertThatThrownBy(() -> ofPoints(new double[][] {{0, 1}, {2, nan}}))
        .isInstanceOf(NumericalException.class)
        .hasMessage("points[1, 1] is NaN; coordinates are finite");
    assertThatThrownBy(() -> VOIDS.withMaxDegree(3))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("degrees up to 3; there are 0 (components), 1 (loops) and 2 (voids)");
    assertThatThrownBy(() -> VOIDS.withThreshold(nan))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("threshold is NaN, must be >= 0");
  }

  static double[][] cloud(int n, Random random) {
    return IntStream.range(0, n)
        .mapToObj(i -> new double[] {random.nextDouble(), random.nextDouble(), random.nextDouble()})
        .toArray(double[][]::new);
  }

  private static double distance(double[] a, double[] b) {
    return Math.sqrt(IntStream.range(0, a.length).mapToDouble(k -> Math.pow(a[k] - b[k], 2)).sum());
  }

  /** No point has a finite distance to all others, so that there is no enclosing radius. */
  @Test
  void pointsApartHaveNoLastValue() {
    double far = Double.POSITIVE_INFINITY;
    try (Matrix d = Matrix.of(new double[][] {{0, 1, far}, {1, 0, far}, {far, far, 0}});
        Workspace own = Workspace.builder().threads(1).open()) {
      assertThat(Rips.of(d, Rips.Options.defaults(), own).threshold()).isInfinite();
    }
  }
}
