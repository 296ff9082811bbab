// SPDX-License-Identifier: Apache-2.0
package org.merganser.analysis.geometry;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.io.IOException;
import java.util.Arrays;
import java.util.SplittableRandom;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.linalg.LinAlg;
import org.merganser.linalg.LinAlg.SymmetricEigen;
import org.merganser.linalg.Matrix;

/** The largest eigenvalues of matrices beyond the size up to which all are found. */
class TopEigenTest {
  private static final int N = 400;
  private static final Workspace WS = Workspace.builder().threads(2).open();

  @AfterAll
  static void close() {
    WS.close();
  }

  /** More components than the rank: those beyond are 0, and the others give the products. */
  @Test
  void componentsOfALowRank() throws IOException {
    SplittableRandom random = new SplittableRandom(1);
    double[][] axes = new double[3][50];
    for (double[] axis : axes) {
      Arrays.setAll(axis, k -> random.nextGaussian());
    }
    double[][] x = new double[N][50];
    for (double[] row : x) {
      for (double[] axis : axes) {
        double share = random.nextGaussian();
        Arrays.setAll(row, k -> row[k] + share * axis[k]);
      }
    }
    try (Matrix samples = Matrix.of(x);
        GramMatrix gram = GramMatrix.centred(SampleRows.of(samples), DType.F64, WS)) {
      double[][] found = gram.components(5, WS);
      double scale = gram.products().get(0, 0);
      for (int i = 0; i < N; i += 7) {
        for (int j = 0; j < N; j += 7) {
          double product = Lanczos.dot(found[i], found[j]);
          assertThat(product).isCloseTo(gram.products().get(i, j), within(1e-9 * scale));
        }
        assertThat(found[i][3]).isCloseTo(0, within(1e-5 * Math.sqrt(scale)));
      }
    }
  }

  @Test
  void allZero() {
    try (Matrix zero = Matrix.zeros(N, N)) {
      TopEigen found = TopEigen.of(zero, 3, WS);
      assertThat(found.values()).containsExactly(0, 0, 0);
      orthonormal(found);
    }
  }

  /** Evenly on a circle: both eigenvalues are n / 2. */
  @Test
  void bothOfTwoEqualOnes() throws IOException {
    double[][] x = new double[N][2];
    for (int i = 0; i < N; i++) {
      x[i][0] = Math.cos(2 * Math.PI * i / N);
      x[i][1] = Math.sin(2 * Math.PI * i / N);
    }
    try (Matrix samples = Matrix.of(x);
        GramMatrix gram = GramMatrix.centred(SampleRows.of(samples), DType.F64, WS)) {
      TopEigen found = TopEigen.of(gram.products(), 2, WS);
      assertThat(found.values()[0]).isCloseTo(N / 2.0, within(1e-9));
      assertThat(found.values()[1]).isCloseTo(N / 2.0, within(1e-9));
      orthonormal(found);
    }
  }

  /** 9, 9, 5, 5, 5 and 395 others between -1 and 1, in a random basis. */
  @Test
  void repeatedOnesOfAFullRank() {
    double[] wanted = {9, 9, 5, 5, 5};
    SplittableRandom random = new SplittableRandom(2);
    double[][] g = new double[N][N];
    for (int i = 0; i < N; i++) {
      for (int j = 0; j <= i; j++) {
        g[i][j] = g[j][i] = random.nextGaussian();
      }
    }
    double[] values = new double[N];
    Arrays.setAll(values, k -> k < 5 ? wanted[k] : random.nextDouble(-1, 1));
    try (Matrix symmetric = Matrix.of(g);
        SymmetricEigen basis = LinAlg.symmetricEigen(symmetric, WS);
        Matrix scaled = Matrix.allocate(N, N)) {
      for (int k = 0; k < N; k++) {
        double[] row = basis.vectors().row(k);
        Lanczos.scale(row, values[k]);
        scaled.setRow(k, row);
      }
      try (Matrix a = LinAlg.transposeMultiply(basis.vectors(), scaled, WS)) {
        for (int i = 0; i < N; i++) {
          for (int j = 0; j < i; j++) {
            a.set(i, j, a.get(j, i));
          }
        }
        for (int count = 1; count <= 5; count++) {
          TopEigen found = TopEigen.of(a, count, WS);
          for (int k = 0; k < count; k++) {
            assertThat(found.values()[k]).isCloseTo(wanted[k], within(1e-9));
          }
          orthonormal(found);
        }
      }
    }
  }

  private static void orthonormal(TopEigen found) {
    for (int a = 0; a < found.vectors().length; a++) {
      for (int b = 0; b <= a; b++) {
        double product = Lanczos.dot(found.vectors()[a], found.vectors()[b]);
        assertThat(product).isCloseTo(a == b ? 1 : 0, within(1e-9));
      }
    }
  }
}
