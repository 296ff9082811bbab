// SPDX-License-Identifier: Apache-2.0
package org.merganser.linalg;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;
import static org.merganser.testing.Work.WS;
import static org.merganser.testing.Work.array;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.merganser.error.NumericalException;
import org.merganser.error.ShapeException;
import org.merganser.testing.Close;
import org.merganser.testing.Oracle;

class QrAndEigenvaluesTest {
  @ParameterizedTest
  @ValueSource(ints = {1, 2, 7, 16, 33, 129})
  void factorsAreOrthonormalAndTriangularAndGiveTheMatrixBack(int n) {
    for (int m : new int[] {n, n + 3, 4 * n}) {
      double[][] a = Oracle.gaussian(m, n, n + m);
      Matrix q = Matrix.allocate(m, n, WS);
      Matrix r = Matrix.allocate(n, n, WS);
      LinAlg.qr(Matrix.of(a), q, r, WS);
      double[][] left = array(q);
      double[][] right = array(r);
      Close.absolute(
          "Q^T Q", Oracle.multiply(Oracle.transpose(left), left), Oracle.identity(n), 1e-12);
      Close.relative("Q R", Oracle.multiply(left, right), a, 1e-12);
      for (int i = 0; i < n; i++) {
        assertThat(right[i][i]).isNotNegative();
        for (int j = 0; j < i; j++) {
          assertThat(right[i][j]).isZero();
        }
      }
    }
  }

  @Test
  void eigenvaluesOfStackedMatrices() {
    double[][] stacked = {{0, -2}, {2, 0}, {1, 5}, {0, -3}};
    Matrix real = Matrix.allocate(2, 2, WS);
    Matrix imaginary = Matrix.allocate(2, 2, WS);
    LinAlg.eigenvalues(Matrix.of(stacked), real, imaginary, WS);
    assertThat(array(real)[0]).containsExactly(new double[] {0, 0}, within(1e-15));
    assertThat(array(imaginary)[0]).containsExactly(new double[] {2, -2}, within(1e-15));
    assertThat(array(real)[1]).containsExactlyInAnyOrder(1, -3);
    assertThat(array(imaginary)[1]).containsExactly(0, 0);
  }

  @Test
  void whatDoesNotFitIsRefused() {
    Matrix q = Matrix.zeros(2, 3);
    assertThatThrownBy(() -> LinAlg.qr(Matrix.zeros(2, 3), q, Matrix.zeros(3, 3), WS))
        .isInstanceOf(ShapeException.class)
        .hasMessage("a thin QR decomposition is of m x n, m >= n >= 1, not of a 2 x 3 F64 matrix");
    Matrix parts = Matrix.allocate(1, 2, WS);
    assertThatThrownBy(() -> LinAlg.eigenvalues(Matrix.zeros(5, 2), parts, parts, WS))
        .isInstanceOf(ShapeException.class)
        .hasMessage("a 5 x 2 F64 matrix is no stack of square matrices");
    Matrix nan = Matrix.of(new double[][] {{1, 0}, {Double.NaN, 1}});
    assertThatThrownBy(() -> LinAlg.eigenvalues(nan, parts, parts, WS))
        .isInstanceOf(NumericalException.class)
        .hasMessageContaining("a[1, 0] is NaN");
  }
}
