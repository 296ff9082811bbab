// SPDX-License-Identifier: Apache-2.0
package org.merganser.linalg;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;
import static org.merganser.testing.Work.WS;
import static org.merganser.testing.Work.array;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.error.NumericalException;
import org.merganser.error.ShapeException;
import org.merganser.linalg.Polar.Completion;
import org.merganser.testing.Close;
import org.merganser.testing.Oracle;

class LinAlgParityTest {

  @ParameterizedTest
  @ValueSource(ints = {1, 2, 3, 7, 15, 16, 17, 31, 33, 65, 129})
  void productsOfEveryOddSize(int n) {
    for (double scale : new double[] {1, 1e140, 1e-140}) {
      double[][] a = Oracle.scale(Oracle.gaussian(n, n + 2, 1), scale);
      double[][] b = Oracle.gaussian(n + 2, n + 1, 2);
      double[][] product = Oracle.multiply(a, b);
      Matrix left = Matrix.of(a);
      Matrix right = Matrix.of(b);
      Close.relative("A B", LinAlg.multiply(left, right, WS), product, 1e-13);
      Close.relative(
          "A B^T", LinAlg.multiplyTransposed(left, right.transpose(), WS), product, 1e-13);
      Close.relative(
          "A^T B", LinAlg.transposeMultiply(left.transpose(), right, WS), product, 1e-13);
    }
  }

  @Test
  void theTraceIsTheSameWhereverAMatrixLies() {
    Matrix a = Matrix.of(new double[][] {{1, 2}, {3, -5}});
    assertThat(a.trace()).isEqualTo(-4).isEqualTo(a.on(WS).trace(WS));
    assertThatThrownBy(() -> Matrix.zeros(2, 3).trace())
        .isInstanceOf(ShapeException.class)
        .hasMessage("trace of a 2 x 3 matrix");
  }

  @Test
  void emptyProducts() {
    assertThat(array(LinAlg.multiply(Matrix.zeros(3, 0), Matrix.zeros(0, 2), WS)))
        .isDeepEqualTo(new double[3][2]);
    assertThat(LinAlg.multiply(Matrix.zeros(0, 3), Matrix.zeros(3, 2), WS).rows()).isZero();
    assertThatThrownBy(() -> LinAlg.multiply(Matrix.zeros(2, 3), Matrix.zeros(2, 3), WS))
        .isInstanceOf(ShapeException.class)
        .hasMessage("cannot multiply: inner sizes are 3 and 2");
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 2, 3, 7, 15, 16, 17, 31, 33, 65, 129})
  void polarFactorsAreOrthogonalAndReachTheNuclearNorm(int n) {
    for (double scale : new double[] {1, 1e150, 1e-150}) {
      double[][] a = Oracle.scale(Oracle.gaussian(n, n, n), scale);
      Polar polar = Polar.of(Matrix.of(a), WS);
      double[][] q = array(polar.factor());
      Close.absolute("Q Q^T", Oracle.multiply(q, Oracle.transpose(q)), Oracle.identity(n), 1e-12);
      double[][] product = Oracle.multiply(Oracle.transpose(q), a);
      double trace = 0;
      for (int i = 0; i < n; i++) {
        trace += product[i][i];
      }
      double nuclear = Arrays.stream(polar.singularValues()).sum();
      assertThat(trace / nuclear).isCloseTo(1, within(1e-12));
      // A = Q H with H symmetric.
      Close.relative("H", product, Oracle.transpose(product), 1e-11);
      assertThat(polar.rank()).isEqualTo(n);
    }
  }

  @Test
  void polarOfADeficientMatrixIsCompletedTowardsTheIdentity() {
    Polar zero = Polar.of(Matrix.zeros(4, 4), WS);
    Close.absolute("Q", zero.factor(), Oracle.identity(4), 1e-14);
    assertThat(zero.rank()).isZero();
    assertThat(zero.completion()).isEqualTo(Completion.IDENTITY);
    double[][] a = Oracle.gaussian(5, 5, 1);
    double[][] singular = Oracle.multiply(a, Oracle.transpose(a));
    for (int i = 0; i < 5; i++) {
      singular[2][i] = 0;
      singular[i][2] = 0;
    }
    Polar polar = Polar.of(Matrix.of(singular), WS);
    Close.absolute("Q", polar.factor(), Oracle.identity(5), 1e-12);
    assertThat(polar.rank()).isEqualTo(4);
  }

  /**
   * The identity is as far as can be from what lives on the null space when the dead features
   * changed places with live ones; the next choice is the best matching.
   */
  @Test
  void whereTheIdentitySaysNothingTheMatchingDecides() {
    double[][] a = {{0, 1}, {0, 0}};
    Polar polar = Polar.of(Matrix.of(a), WS);
    assertThat(polar.completion()).isIn(Completion.ASSIGNMENT, Completion.INDEX);
    Close.absolute(
        "|Q|", Oracle.map(array(polar.factor()), Math::abs), new double[][] {{0, 1}, {1, 0}}, 0);
  }

  @Test
  void nonFiniteMatricesAreRefusedWithTheirPlace() {
    double[][] a = Oracle.gaussian(3, 3, 1);
    a[1][2] = Double.POSITIVE_INFINITY;
    assertThatThrownBy(() -> Polar.of(Matrix.of(a), WS))
        .isInstanceOf(NumericalException.class)
        .hasMessageContaining("[1, 2]");
    assertThatThrownBy(() -> Polar.of(Matrix.zeros(2, 3), WS)).isInstanceOf(ShapeException.class);
  }

  @Test
  void theFactorAloneIsTheSame() {
    Matrix a = Matrix.of(Oracle.gaussian(257, 257, 4));
    Polar full = Polar.of(a, WS);
    double nuclear = Arrays.stream(full.singularValues()).sum();
    assertThat(full.sum()).isCloseTo(nuclear, within(1e-12 * nuclear));
    for (DType precision : List.of(DType.F64, DType.F32)) {
      boolean wide = precision == DType.F64;
      Polar only = Polar.factorOnly(a, precision, WS);
      Close.absolute("Q", only.factor(), array(full.factor()), wide ? 1e-10 : 1e-3);
      assertThat(only.singularValues()).isEmpty();
      assertThat(only.sum()).isCloseTo(nuclear, within((wide ? 1e-12 : 1e-7) * nuclear));
      assertThat(only.rank()).isEqualTo(257);
      assertThat(only.completion()).isEqualTo(Completion.NONE);
    }
    assertThatThrownBy(() -> Polar.factorOnly(a, DType.F16, WS))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("precision must be F64 or F32, not F16");
  }

  @Test
  void manySmallFactorsInOneCall() {
    List<Matrix> heads = new ArrayList<>();
    for (int k = 0; k < 7; k++) {
      heads.add(Matrix.of(Oracle.gaussian(19, 19, 30 + k)));
    }
    for (boolean values : new boolean[] {true, false}) {
      List<Polar> factors = Polar.ofEach(heads, values, WS);
      assertThat(factors).hasSize(7);
      for (int k = 0; k < 7; k++) {
        Polar one = Polar.of(heads.get(k), WS);
        Close.absolute("Q of " + k, factors.get(k).factor(), array(one.factor()), 0);
        assertThat(factors.get(k).sum()).isEqualTo(one.sum());
        assertThat(factors.get(k).singularValues())
            .isEqualTo(values ? one.singularValues() : new double[0]);
      }
    }
    assertThat(Polar.ofEach(List.of(), true, WS)).isEmpty();
    heads.set(3, Matrix.zeros(19, 18));
    assertThatThrownBy(() -> Polar.ofEach(heads, true, WS))
        .isInstanceOf(ShapeException.class)
        .hasMessageContaining("matrix 3");
  }

  @Test
  void threadsDoNotChangeABit() {
    double[][] a = Oracle.gaussian(257, 300, 1);
    double[][] b = Oracle.gaussian(300, 263, 2);
    double[][] square = Oracle.gaussian(130, 130, 3);
    double[][] product = null;
    double[][] factor = null;
    for (int threads : new int[] {1, 2, 8}) {
      try (Workspace ws = Workspace.builder().threads(threads).open()) {
        double[][] c = array(LinAlg.multiply(Matrix.of(a), Matrix.of(b), ws));
        double[][] q = array(Polar.of(Matrix.of(square), ws).factor());
        product = product == null ? c : product;
        factor = factor == null ? q : factor;
        Close.absolute("product with " + threads, c, product, 0);
        Close.absolute("polar with " + threads, q, factor, 0);
      }
    }
  }
}
