// SPDX-License-Identifier: Apache-2.0
package org.merganser.analysis.geometry;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.SplittableRandom;
import org.junit.jupiter.params.ParameterizedTest;
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
}
