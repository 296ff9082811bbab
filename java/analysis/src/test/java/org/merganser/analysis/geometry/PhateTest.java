// SPDX-License-Identifier: Apache-2.0
package org.merganser.analysis.geometry;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.util.Arrays;
import java.util.Locale;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.TreeSet;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.merganser.analysis.geometry.Phate.Options;
import org.merganser.analysis.topology.Graph;
import org.merganser.analysis.topology.NeighbourGraph;
import org.merganser.analysis.topology.NeighbourGraph.Rule;
import org.merganser.compute.Workspace;
import org.merganser.error.NumericalException;
import org.merganser.error.ShapeException;
import org.merganser.linalg.Matrix;

/** What users rely on: order, threads, scale, shape of a tree, messages. */
class PhateTest {
  private static final Workspace WS = Workspace.builder().threads(2).open();

  @AfterAll
  static void close() {
    WS.close();
  }

  /** Five branches of points from one root in 20 dimensions, with a little noise. */
  private static double[][] tree(int each, long seed) {
    SplittableRandom random = new SplittableRandom(seed);
    double[][] x = new double[5 * each][20];
    for (int branch = 0; branch < 5; branch++) {
      for (int i = 0; i < each; i++) {
        double[] point = x[branch * each + i];
        for (int k = 0; k < 20; k++) {
          point[k] = 0.02 * random.nextGaussian() + (k == branch ? (i + 1.0) / each : 0);
        }
      }
    }
    return x;
  }

  private static Matrix distances(double[][] x) {
    double[][] d = new double[x.length][x.length];
    for (int i = 0; i < x.length; i++) {
      for (int j = 0; j < i; j++) {
        d[i][j] = d[j][i] = Stress.distance(x[i], x[j]);
      }
    }
    return Matrix.of(d);
  }

  @ParameterizedTest
  @EnumSource(Mds.Solver.class)
  void orderAndThreadsChangeNothing(Mds.Solver solver) {
    double[][] x = tree(24, 1);
    Phate phate = new Phate(Options.defaults().with("solver", solver));
    Phate.Result one;
    try (Matrix d = distances(x)) {
      one = phate.fit(d, WS);
      for (int threads : new int[] {1, 8}) {
        try (Workspace other = Workspace.builder().threads(threads).open()) {
          assertThat(phate.fit(d, other).points()).isDeepEqualTo(one.points());
        }
      }
    }
    int[] order = new int[x.length];
    double[][] moved = new double[x.length][];
    for (int i = 0; i < x.length; i++) {
      order[i] = (i * 7 + 3) % x.length;
      moved[i] = x[order[i]];
    }
    try (Matrix d = distances(moved)) {
      Phate.Result other = phate.fit(d, WS);
      assertThat(other.t()).isEqualTo(one.t());
      for (int i = 0; i < x.length; i++) {
        assertThat(other.points()[i]).containsExactly(one.points()[order[i]]);
        assertThat(other.bandwidth()[i]).isEqualTo(one.bandwidth()[order[i]]);
      }
    }
  }

  /** Affinities are of ratios of distances, so the unit of length does not matter. */
  @Test
  void theUnitOfLengthDoesNotMatter() {
    double[][] x = tree(20, 2);
    double[][] twice = Arrays.stream(x).map(double[]::clone).toArray(double[][]::new);
    for (double[] row : twice) {
      Arrays.setAll(row, k -> 4 * row[k]);
    }
    Phate phate = new Phate(Options.defaults().with("solver", Mds.Solver.SMACOF));
    try (Matrix d = distances(x);
        Matrix wide = distances(twice)) {
      Phate.Result one = phate.fit(d, WS);
      Phate.Result other = phate.fit(wide, WS);
      assertThat(other.t()).isEqualTo(one.t());
      double[] a = pairs(one.points());
      double[] b = pairs(other.points());
      for (int i = 0; i < a.length; i++) {
        assertThat(b[i]).isCloseTo(a[i], within(1e-6 * (1 + a[i])));
      }
    }
  }

  /**
   * Ends of branches lie far apart, and each branch goes out from the root in order. By SMACOF:
   * five branches lie in a plane in many ways that fit about as well, of which descent finds one.
   */
  @Test
  void aTreeKeepsItsBranches() {
    try (Matrix d = distances(tree(40, 3))) {
      Phate.Result descended = new Phate(Options.defaults()).fit(d, WS);
      Phate.Result found =
          new Phate(Options.defaults().with("solver", Mds.Solver.SMACOF)).fit(d, WS);
      assertThat(descended.stress()).isLessThan(1.02 * found.stress());
      assertThat(found.components()).isEqualTo(1);
      assertThat(found.warnings()).isEmpty();
      assertThat(found.stress()).isLessThan(0.3);
      double[][] points = found.points();
      for (int a = 0; a < 5; a++) {
        double[] end = points[40 * a + 39];
        for (int b = 0; b < a; b++) {
          assertThat(Stress.distance(end, points[40 * b + 39]))
              .isGreaterThan(Stress.distance(end, points[40 * a + 20]));
        }
      }
    }
  }

  @Test
  void stressNeverRisesUnderSmacof() {
    try (Matrix d = distances(tree(12, 4))) {
      double[][] wanted = d.toArray();
      double[][] points = Mds.classical(wanted, 2, WS);
      double stress = Stress.raw(points, wanted);
      for (int i = 0; i < 50; i++) {
        points = Smacof.of(wanted, points, 1, WS);
        double now = Stress.raw(points, wanted);
        assertThat(now).isLessThanOrEqualTo(stress * (1 + 1e-12));
        stress = now;
      }
    }
  }

  /** Between landmarks the picture is that of all points, up to what so few can say. */
  @Test
  void landmarksGiveThePictureOfAllPoints() {
    // Three branches fit into a plane in one way.
    try (Matrix d = distances(Arrays.copyOf(tree(60, 5), 180))) {
      // A step between landmarks is one to points and one back.
      double[] all = pairs(new Phate(Options.defaults().with("t", 16)).fit(d, WS).points());
      Options options = Options.defaults().with("t", 8);
      Phate.Result most = new Phate(options.with("landmarks", 170)).fit(d, WS);
      Phate.Result half = new Phate(options.with("landmarks", 90)).fit(d, WS);
      assertThat(half.landmarks()).isEqualTo(90);
      assertThat(correlation(all, pairs(most.points()))).isGreaterThan(0.99);
      assertThat(correlation(all, pairs(half.points()))).isGreaterThan(0.9);
    }
  }

  /** Twelve points in a row, and twelve far away. */
  private static double[][] groups() {
    double[][] x = new double[24][2];
    for (int i = 0; i < 24; i++) {
      x[i][0] = i < 12 ? i : 1000 + i;
      x[i][1] = 0.1 * (i % 3);
    }
    return x;
  }

  /**
   * Where no walk leads, potentials are one number to the bit, not rounding of eigenvectors: among
   * the farthest samples those of lowest number are chosen.
   */
  @ParameterizedTest
  @ValueSource(ints = {1, 8, 40, 1000})
  void whatNoWalkConnectsIsTied(int t) {
    try (Matrix d = distances(groups())) {
      Options options = Options.defaults().with("knn", 3).with("t", t);
      double[][] potential = new Phate(options).fit(d, WS).potential();
      double[][] power = new Phate(options.with("gamma", -1.0)).fit(d, WS).potential();
      for (int i = 0; i < 24; i++) {
        for (int j = 0; j < 24; j++) {
          if (i < 12 != j < 12) {
            assertThat(potential[i][j]).isEqualTo(-StrictMath.log(1e-7));
            assertThat(power[i][j]).isZero();
          }
        }
      }
      if (t >= 8) {
        // Within a group walks lead everywhere.
        Graph farthest;
        try (Matrix entries = Matrix.of(potential)) {
          farthest = NeighbourGraph.of(entries, 3, Rule.COMPAT_FARTHEST);
        }
        Set<String> edges = new TreeSet<>();
        for (int e = 0; e < farthest.edges(); e++) {
          edges.add(farthest.from(e) + "-" + farthest.to(e));
        }
        Set<String> lowest = new TreeSet<>();
        for (int i = 0; i < 12; i++) {
          for (int k = 0; k < 3; k++) {
            lowest.add(i + "-" + (12 + k));
            lowest.add(k + "-" + (12 + i));
          }
        }
        assertThat(edges).isEqualTo(lowest);
      }
    }
  }

  @Test
  void duplicatesAndGroupsAreSaid() {
    double[][] x = groups();
    x[5] = x[4].clone();
    try (Matrix d = distances(x)) {
      Phate.Result found = new Phate(Options.defaults().with("knn", 3)).fit(d, WS);
      assertThat(found.duplicates()).isEqualTo(1);
      assertThat(found.components()).isEqualTo(2);
      assertThat(found.warnings())
          .hasSize(2)
          .anyMatch(each -> each.contains("1 pairs of points lie at distance 0"))
          .anyMatch(each -> each.contains("2 groups that no walk connects"));
      for (double[] point : found.points()) {
        assertThat(point[0]).isFinite();
        assertThat(point[1]).isFinite();
      }
    }
  }

  /** All points are there three times, so that landmarks coincide whichever these are. */
  @Test
  void landmarksMayCoincide() {
    // Three branches fit into a plane in one way.
    double[][] once = Arrays.copyOf(tree(12, 8), 36);
    double[][] x = new double[3 * once.length][];
    Arrays.setAll(x, i -> once[i / 3]);
    try (Matrix d = distances(x)) {
      Options options = Options.defaults().with("knn", 17).with("t", 8);
      Phate.Result found = new Phate(options.with("landmarks", 90)).fit(d, WS);
      assertThat(found.landmarks()).isEqualTo(90);
      assertThat(found.components()).isEqualTo(1);
      assertThat(found.potential()).isEmpty();
      assertThat(found.duplicates()).isEqualTo(108);
      double[][] points = found.points();
      for (int i = 0; i < x.length; i++) {
        double[] first = points[i / 3 * 3];
        assertThat(Stress.distance(points[i], first)).isCloseTo(0, within(1e-9));
      }
      double[] all = pairs(new Phate(options.with("t", 16)).fit(d, WS).points());
      assertThat(correlation(all, pairs(found.points()))).isGreaterThan(0.9);
    }
  }

  /** In the order of the input: what is likely lies near, and the rows are those of walks. */
  @Test
  void potentialsAreInTheOrderOfThePoints() {
    double[][] line = new double[30][1];
    Arrays.setAll(line, i -> new double[] {i});
    try (Matrix d = distances(line);
        Matrix kernel = AlphaDecay.of(d, 5, 40).kernel(d, WS);
        Diffusion walk = Diffusion.of(kernel, WS);
        Matrix wanted = Potential.of(walk.power(7, WS), 1, WS)) {
      double[][] found = new Phate(Options.defaults().with("t", 7)).fit(d, WS).potential();
      assertThat(found.length).isEqualTo(30);
      for (int i = 0; i < 30; i++) {
        for (int j = 0; j < 30; j++) {
          assertThat(found[i][j]).isCloseTo(wanted.get(i, j), within(1e-7));
        }
      }
    }
  }

  @Test
  void aGammaThatIsNotTakenIsSaid() {
    try (Matrix d = distances(tree(6, 9))) {
      Options options = Options.defaults().with("t", 3);
      assertThat(new Phate(options.with("gamma", 0.995)).fit(d, WS).warnings())
          .singleElement()
          .asString()
          .startsWith("gamma 0.995 was computed as 0.99");
      assertThat(new Phate(options.with("gamma", 0.99)).fit(d, WS).warnings()).isEmpty();
    }
  }

  @Test
  void badAffinitiesAreNamed() {
    Phate phate = new Phate(Options.defaults());
    try (Matrix wide = Matrix.zeros(3, 4);
        Matrix k = Matrix.of(new double[][] {{1, 0.5, 0}, {0.5, 1, 0.5}, {0, 0.5, 1}})) {
      assertThatThrownBy(() -> phate.fitKernel(wide, WS))
          .isInstanceOf(ShapeException.class)
          .hasMessageContaining("affinities of 2 points or more are square");
      k.set(2, 1, 0.25);
      assertThatThrownBy(() -> phate.fitKernel(k, WS))
          .isInstanceOf(NumericalException.class)
          .hasMessage("affinities are not symmetric: 0.25 of points 2 and 1, 0.5 of 1 and 2");
      k.set(1, 2, -0.25);
      assertThatThrownBy(() -> phate.fitKernel(k, WS))
          .hasMessage("the affinity of points 1 and 2 is -0.25");
    }
  }

  @Test
  void badDistancesAreNamed() {
    Phate phate = new Phate(Options.defaults());
    try (Matrix few = distances(new double[6][2])) {
      assertThatThrownBy(() -> phate.fit(few, WS))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessage(
              "6 points have not 5 neighbours each and one beyond; give 7 points or a smaller knn");
    }
    double[][] x = tree(4, 6);
    try (Matrix d = distances(x)) {
      d.set(3, 2, Double.NaN);
      assertThatThrownBy(() -> phate.fit(d, WS))
          .isInstanceOf(NumericalException.class)
          .hasMessage("the distance of points 3 and 2 is NaN");
      d.set(3, 2, d.get(2, 3) + 1);
      assertThatThrownBy(() -> phate.fit(d, WS))
          .isInstanceOf(NumericalException.class)
          .hasMessageStartingWith("distances are not symmetric: ")
          .hasMessageContaining(" of points 3 and 2, ")
          .hasMessageEndingWith(" of 2 and 3");
      d.set(3, 2, d.get(2, 3));
      d.set(1, 1, 0.5);
      assertThatThrownBy(() -> phate.fit(d, WS))
          .hasMessageContaining("the distance of point 1 to itself is 0.5");
    }
  }

  static double[] pairs(double[][] points) {
    double[] far = new double[points.length * (points.length - 1) / 2];
    int at = 0;
    for (int i = 0; i < points.length; i++) {
      for (int j = 0; j < i; j++) {
        far[at++] = Stress.distance(points[i], points[j]);
      }
    }
    return far;
  }

  static double correlation(double[] a, double[] b) {
    double meanA = Arrays.stream(a).average().orElseThrow();
    double meanB = Arrays.stream(b).average().orElseThrow();
    double ab = 0;
    double aa = 0;
    double bb = 0;
    for (int i = 0; i < a.length; i++) {
      ab += (a[i] - meanA) * (b[i] - meanB);
      aa += (a[i] - meanA) * (a[i] - meanA);
      bb += (b[i] - meanB) * (b[i] - meanB);
    }
    return ab / Math.sqrt(aa * bb);
  }

  @Test
  void theSeedChoosesLandmarks() {
    // SMACOF has no other use of the seed.
    Options options =
        Options.defaults().with("solver", Mds.Solver.SMACOF).with("t", 4).with("landmarks", 40);
    try (Matrix d = distances(tree(24, 12))) {
      double[][] one = new Phate(options).fit(d, WS).points();
      double[][] other = new Phate(options.with("seed", 1L)).fit(d, WS).points();
      assertThat(correlation(pairs(one), pairs(other))).isBetween(0.5, 1 - 1e-6);
    }
  }

  /** In any locale, with any values. */
  @Test
  void picturesAreOfAnyValues() {
    double[][] points = {{0, 0}, {1, 2}, {2, 1}};
    Locale before = Locale.getDefault();
    try {
      String wanted = ScatterSvg.of(points, new double[] {1, Double.NaN, 3}, "loss");
      assertThat(wanted)
          .contains("#b0b0b0")
          .contains(">3.0</text>")
          .contains(">1.0</text>")
          .doesNotContain("\r");
      Locale.setDefault(Locale.forLanguageTag("ar-EG-u-nu-arab"));
      assertThat(ScatterSvg.of(points, new double[] {1, Double.NaN, 3}, "loss")).isEqualTo(wanted);
    } finally {
      Locale.setDefault(before);
    }
  }
}
