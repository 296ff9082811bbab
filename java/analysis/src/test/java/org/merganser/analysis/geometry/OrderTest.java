// SPDX-License-Identifier: Apache-2.0
package org.merganser.analysis.geometry;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.io.IOException;
import java.util.Arrays;
import java.util.Comparator;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.merganser.analysis.geometry.Phate.Options;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.internal.Seeds;
import org.merganser.linalg.Matrix;
import org.merganser.linalg.Tensor;

/** Samples in another order give the same numbers in that order, to the bit. */
class OrderTest {
  private static final Workspace WS = Workspace.builder().threads(2).open();
  private static final int N = 157;

  /** More than a block of columns. */
  private static final int WIDTH = 30_001;

  private static final int[] ORDER = Seeds.order(N, 1, "order");

  @AfterAll
  static void close() {
    WS.close();
  }

  /**
   * Far from 0, along a few directions, as samples of trajectories are; the first columns alike.
   */
  private static double[][] samples(int width) {
    SplittableRandom random = new SplittableRandom(3);
    double[][] axes = new double[4][width];
    for (double[] axis : axes) {
      Arrays.setAll(axis, k -> k < width - 2000 ? 0 : random.nextGaussian());
    }
    double[][] x = new double[N][width];
    for (int i = 0; i < N; i++) {
      double step = 0.05 * i;
      double[] axis = axes[i % 4];
      Arrays.setAll(
          x[i], k -> 3 + step * axis[k] + (axis[k] == 0 ? 0 : 0.1 * random.nextGaussian()));
    }
    return x;
  }

  private static double[][] moved(double[][] x, int... order) {
    return Arrays.stream(order).mapToObj(i -> x[i]).toArray(double[][]::new);
  }

  private static double[][] movedBoth(double[][] x, int... order) {
    return Arrays.stream(moved(x, order))
        .map(row -> Arrays.stream(order).mapToDouble(j -> row[j]).toArray())
        .toArray(double[][]::new);
  }

  private interface Found {
    double[][] of(SampleRows rows) throws IOException;
  }

  private static double[][] of(double[][] x, DType dtype, Found found) throws IOException {
    try (Matrix wide = Matrix.of(x);
        Tensor all = wide.asTensor().to(dtype, WS)) {
      return found.of(SampleRows.of(Matrix.of(all)));
    }
  }

  @ParameterizedTest
  @CsvSource({"F32, F32", "F32, F64", "F64, F64"})
  void centredProducts(DType stored, DType precision) throws IOException {
    Found found =
        rows -> {
          try (GramMatrix gram = GramMatrix.centred(rows, precision, WS)) {
            return gram.products().toArray();
          }
        };
    double[][] x = samples(WIDTH);
    assertThat(of(moved(x, ORDER), stored, found))
        .isDeepEqualTo(movedBoth(of(x, stored, found), ORDER));
  }

  @Test
  void productsAsTheyAre() throws IOException {
    double[] origin = new double[WIDTH];
    Arrays.setAll(origin, Math::sin);
    Found found =
        rows -> {
          try (GramMatrix gram = GramMatrix.raw(rows, origin, WS)) {
            return gram.products().toArray();
          }
        };
    double[][] x = samples(WIDTH);
    assertThat(of(moved(x, ORDER), DType.F32, found))
        .isDeepEqualTo(movedBoth(of(x, DType.F32, found), ORDER));
  }

  /** The same samples come later in either order. */
  @ParameterizedTest
  @ValueSource(booleans = {true, false})
  void productsOfSamplesThatComeLater(boolean centred) throws IOException {
    double[][] x = samples(2500);
    boolean[] late = new boolean[N];
    for (int i = 0; i < N; i += 9) {
      late[i] = true;
    }
    int[] same = IntStream.range(0, N).toArray();
    double[][] one = appended(x, late, centred, same);
    assertThat(appended(x, late, centred, ORDER)).isDeepEqualTo(movedBoth(one, ORDER));
  }

  private static double[][] appended(double[][] x, boolean[] late, boolean centred, int... order)
      throws IOException {
    int[] old = Arrays.stream(order).filter(i -> !late[i]).toArray();
    int[] added = IntStream.range(0, N).filter(k -> late[order[k]]).toArray();
    try (Matrix few = Matrix.of(moved(x, old));
        Matrix all = Matrix.of(moved(x, order));
        GramMatrix before =
            centred
                ? GramMatrix.centred(SampleRows.of(few), DType.F64, WS)
                : GramMatrix.raw(SampleRows.of(few), WS);
        GramMatrix found = before.append(SampleRows.of(all), added, WS)) {
      return found.products().toArray();
    }
  }

  /** From samples to the picture. */
  @ParameterizedTest
  @EnumSource(Mds.Solver.class)
  void embeddings(Mds.Solver solver) throws IOException {
    Found found =
        rows -> {
          try (GramMatrix gram = GramMatrix.centred(rows, DType.F64, WS);
              Matrix cosine = gram.cosine()) {
            return new Phate(Options.defaults().with("solver", solver)).fit(cosine, WS).points();
          }
        };
    double[][] x = samples(2500);
    assertThat(of(moved(x, ORDER), DType.F32, found))
        .isDeepEqualTo(moved(of(x, DType.F32, found), ORDER));
  }

  @Test
  void landmarksPotentialsAndComponents() throws IOException {
    Found landmarks =
        rows -> {
          try (GramMatrix gram = GramMatrix.centred(rows, DType.F64, WS);
              Matrix far = gram.euclidean()) {
            return new Phate(Options.defaults().with("landmarks", 60)).fit(far, WS).points();
          }
        };
    Found potential =
        rows -> {
          try (GramMatrix gram = GramMatrix.centred(rows, DType.F64, WS);
              Matrix far = gram.euclidean()) {
            return new Phate(Options.defaults()).fit(far, WS).potential();
          }
        };
    Found components =
        rows -> {
          try (GramMatrix gram = GramMatrix.centred(rows, DType.F64, WS)) {
            return gram.components(6, WS);
          }
        };
    double[][] x = samples(2500);
    double[][] other = moved(x, ORDER);
    assertThat(of(other, DType.F32, landmarks))
        .isDeepEqualTo(moved(of(x, DType.F32, landmarks), ORDER));
    assertThat(of(other, DType.F32, potential))
        .isDeepEqualTo(movedBoth(of(x, DType.F32, potential), ORDER));
    assertThat(of(other, DType.F32, components))
        .isDeepEqualTo(moved(of(x, DType.F32, components), ORDER));
  }

  @Test
  void affinitiesOfUnits() {
    double[][] far = new double[N][N];
    double[][] x = samples(2100);
    for (int i = 0; i < N; i++) {
      for (int j = 0; j < i; j++) {
        far[i][j] = far[j][i] = Math.exp(-Stress.distance(x[i], x[j]) / 100);
      }
      far[i][i] = 1;
    }
    Phate phate = new Phate(Options.defaults());
    try (Matrix one = Matrix.of(far);
        Matrix other = Matrix.of(movedBoth(far, ORDER))) {
      double[][] points = phate.fitKernel(one, WS).points();
      assertThat(phate.fitKernel(other, WS).points()).isDeepEqualTo(moved(points, ORDER));
    }
  }

  /** Samples that differ in signs alone, also of numbers beyond those that all are hashed by. */
  @ParameterizedTest
  @CsvSource({"F32, 0", "F32, 1500", "F64, 0"})
  void samplesOfLikeBits(DType dtype, int before) throws IOException {
    int n = 256;
    double[][] corners = new double[n][before + 8];
    double[][] expected = new double[n][n];
    for (int i = 0; i < n; i++) {
      Arrays.fill(corners[i], 1);
      for (int k = 0; k < 8; k++) {
        corners[i][before + k] = (i >> k & 1) == 0 ? 1 : -1;
      }
      for (int j = 0; j < n; j++) {
        expected[i][j] = 8 - 2 * Integer.bitCount(i ^ j);
      }
    }
    Found products =
        rows -> {
          try (GramMatrix gram = GramMatrix.centred(rows, DType.F64, WS)) {
            return gram.products().toArray();
          }
        };
    int[] order = Seeds.order(n, 2, "corners");
    assertThat(of(corners, dtype, products)).isDeepEqualTo(expected);
    assertThat(of(moved(corners, order), dtype, products))
        .isDeepEqualTo(movedBoth(expected, order));
  }

  /** Equal samples have equal products, whatever else they are given with. */
  @Test
  void equalSamples() throws IOException {
    double[][] x = samples(2500);
    for (int copy : new int[] {40, 90, 91}) {
      x[copy] = x[7].clone();
    }
    try (Matrix all = Matrix.of(x);
        GramMatrix gram = GramMatrix.centred(SampleRows.of(all), DType.F64, WS);
        Matrix far = gram.euclidean()) {
      assertThat(gram.products().row(90)).containsExactly(gram.products().row(7));
      assertThat(far.get(91, 7)).isZero();
      assertThat(far.get(90, 40)).isZero();
    }
    Found found =
        rows -> {
          try (GramMatrix gram = GramMatrix.centred(rows, DType.F64, WS);
              Matrix far = gram.euclidean()) {
            return new Phate(Options.defaults()).fit(far, WS).points();
          }
        };
    double[][] one = of(x, DType.F64, found);
    double[][] other = of(moved(x, ORDER), DType.F64, found);
    int[] copies = {7, 40, 90, 91};
    double[][] places = new double[4][];
    int at = 0;
    for (int k = 0; k < N; k++) {
      if (Arrays.binarySearch(copies, ORDER[k]) >= 0) {
        places[at++] = other[k];
      } else {
        assertThat(other[k]).containsExactly(one[ORDER[k]]);
      }
    }
    // Which of these has which coordinates is as they come.
    assertThat(sorted(places)).isDeepEqualTo(sorted(moved(one, copies)));
  }

  private static double[][] sorted(double[][] points) {
    return Arrays.stream(points)
        .sorted(Comparator.<double[]>comparingDouble(p -> p[0]).thenComparingDouble(p -> p[1]))
        .toArray(double[][]::new);
  }

  /** Four points of a square, or two halves of a grid, may change places, but none is another. */
  @Test
  void symmetricPoints() {
    int side = 7;
    double[][] x = new double[side * side][];
    for (int i = 0; i < x.length; i++) {
      x[i] = new double[] {i / side, 1.5 * (i % side)};
    }
    Phate phate = new Phate(Options.defaults());
    Phate.Result one = between(x, phate);
    for (int seed = 0; seed < 4; seed++) {
      int[] order = Seeds.order(x.length, seed, "grid");
      Phate.Result other = between(moved(x, order), phate);
      assertThat(sorted(other.points())).isDeepEqualTo(sorted(one.points()));
      assertThat(other.stress()).isEqualTo(one.stress());
      // Neighbours stay neighbours: what has changed places is the grid.
      assertThat(length(other.points(), moved(x, order)))
          .isCloseTo(length(one.points(), x), within(1e-9));
    }
  }

  /** Sum of the edges of the grid in the picture. */
  private static double length(double[][] points, double[][] grid) {
    double sum = 0;
    for (int i = 0; i < grid.length; i++) {
      for (int j = 0; j < i; j++) {
        sum += Stress.distance(grid[i], grid[j]) < 1.6 ? Stress.distance(points[i], points[j]) : 0;
      }
    }
    return sum;
  }

  private static Phate.Result between(double[][] x, Phate phate) {
    double[][] far = new double[x.length][x.length];
    for (int i = 0; i < x.length; i++) {
      for (int j = 0; j < i; j++) {
        far[i][j] = far[j][i] = Stress.distance(x[i], x[j]);
      }
    }
    try (Matrix distances = Matrix.of(far)) {
      return phate.fit(distances, WS);
    }
  }
}
