// SPDX-License-Identifier: Apache-2.0
package org.merganser.analysis.geometry;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.merganser.compute.Workspace;
import org.merganser.linalg.Matrix;

/** Descent by pairs of points. */
class SgdTest {
  /** Distances of points that no plane holds. */
  private static Matrix scattered(int n) {
    SplittableRandom random = new SplittableRandom(1);
    double[][] x = new double[n][20];
    for (double[] point : x) {
      for (int k = 0; k < point.length; k++) {
        point[k] = random.nextGaussian();
      }
    }
    double[][] d = new double[n][n];
    for (int i = 0; i < n; i++) {
      for (int j = 0; j < i; j++) {
        d[i][j] = d[j][i] = Stress.distance(x[i], x[j]);
      }
    }
    return Matrix.of(d);
  }

  /**
   * Pairs in an order that mixes points too little end some per cent above, more of more points.
   */
  @ParameterizedTest
  @ValueSource(longs = {0, 1})
  void endsNearTheStressOfMajorization(long seed) {
    try (Workspace ws = Workspace.open();
        Matrix d = scattered(600)) {
      double least = Mds.of(d, 2, Mds.Solver.SMACOF, seed, ws).relative();
      double found = Mds.of(d, 2, Mds.Solver.SGD, seed, ws).relative();
      assertThat(found).isLessThan(1.02 * least);
    }
  }

  /** Numbers of points that no number of blocks divides; each is far from where it belongs. */
  @ParameterizedTest
  @ValueSource(ints = {2, 3, 5, 17, 63, 131, 150})
  void farPointsComeToWhereTheyBelong(int n) {
    double[][] wanted = new double[n][n];
    double[][] start = new double[n][1];
    for (int i = 0; i < n; i++) {
      start[i][0] = 10.0 * i;
      for (int j = 0; j < n; j++) {
        wanted[i][j] = Math.abs(i - j);
      }
    }
    try (Workspace ws = Workspace.open()) {
      double[][] found = Sgd.of(wanted, start, 1, ws);
      assertThat(Math.sqrt(Stress.raw(found, wanted) / Stress.scale(wanted))).isLessThan(1e-3);
    }
  }

  static IntStream sizes() {
    return IntStream.concat(IntStream.rangeClosed(2, 40), IntStream.of(131));
  }

  /** And in another order in the next. */
  @ParameterizedTest
  @MethodSource("sizes")
  void everyPairIsTakenOnceARound(int n) {
    Set<Set<Integer>> all = new HashSet<>();
    for (int i = 0; i < n; i++) {
      for (int j = 0; j < i; j++) {
        all.add(Set.of(i, j));
      }
    }
    for (int round : new int[] {0, 1, 29}) {
      List<int[]> pairs = Sgd.pairs(n, round, 7);
      assertThat(pairs).hasSize(n * (n - 1) / 2);
      assertThat(pairs.stream().map(pair -> Set.of(pair[0], pair[1])).collect(Collectors.toSet()))
          .isEqualTo(all);
    }
    if (n > 5) {
      int[][] first = Sgd.pairs(n, 0, 7).toArray(int[][]::new);
      assertThat(Arrays.deepEquals(Sgd.pairs(n, 1, 7).toArray(int[][]::new), first)).isFalse();
    }
  }

  /** A triangle and one corner again, all from one place: they part in random directions. */
  @ParameterizedTest
  @ValueSource(ints = {2, 3})
  void coincidentPointsPart(int dimensions) {
    double[][] wanted = {{0, 1, 1, 0}, {1, 0, 1, 1}, {1, 1, 0, 1}, {0, 1, 1, 0}};
    double[][][] found = new double[2][][];
    for (int run = 0; run < 2; run++) {
      try (Workspace ws = Workspace.builder().threads(1 + run).open()) {
        found[run] = Sgd.of(wanted, new double[4][dimensions], 3, ws);
      }
    }
    assertThat(found[1]).isDeepEqualTo(found[0]);
    assertThat(Math.sqrt(Stress.raw(found[0], wanted) / Stress.scale(wanted))).isLessThan(0.05);
  }
}
