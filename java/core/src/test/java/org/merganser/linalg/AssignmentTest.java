// SPDX-License-Identifier: Apache-2.0
package org.merganser.linalg;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;
import static org.merganser.testing.Work.WS;

import java.util.Arrays;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.merganser.compute.DType;
import org.merganser.error.NumericalException;
import org.merganser.error.ShapeException;
import org.merganser.testing.Oracle;

class AssignmentTest {
  @Test
  void workedProblemsHaveTheirKnownOptimum() {
    Matrix value = Matrix.of(new double[][] {{.9, .8, .1}, {.85, .2, .1}, {.3, .4, .35}});
    Assignment best = Assignment.maximise(value, WS);
    assertThat(best.columns()).containsExactly(1, 0, 2);
    assertThat(best.value()).isCloseTo(2.0, within(1e-15));

    Matrix cost = Matrix.of(new double[][] {{4, 1, 3}, {2, 0, 5}, {3, 2, 2}});
    Assignment least = Assignment.minimise(cost, WS);
    assertThat(least.columns()).containsExactly(1, 0, 2);
    assertThat(least.value()).isEqualTo(5);
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 33, 64, 65, 129, 257})
  void theDualsProveTheOptimumAtEverySize(int n) {
    double[][][] problems = {
      Oracle.gaussian(n, n, n),
      // Hard for lists: rank one, ties, a constant, and small differences on a large offset.
      rankOne(n),
      Oracle.map(Oracle.gaussian(n, n, n + 1), x -> Math.floor(3 * x)),
      new double[n][n],
      Oracle.map(Oracle.gaussian(n, n, n + 2), x -> 1e6 + x),
      Oracle.gaussian(n, n + 5, n + 3)
    };
    for (double[][] problem : problems) {
      Matrix f64 = Matrix.of(problem);
      for (Matrix matrix : new Matrix[] {f64, Matrix.of(f64.asTensor().to(DType.F32, WS))}) {
        Assignment best = Assignment.maximise(matrix, WS);
        double scale =
            Arrays.stream(problem).flatMapToDouble(Arrays::stream).map(Math::abs).max().orElse(0);
        assertThat(best.violation(matrix, WS))
            .as("%s of %s", matrix, scale)
            .isLessThanOrEqualTo(4 * Math.ulp(1.0) * scale * problem[0].length);
        assertThat(best.value())
            .isGreaterThanOrEqualTo(Oracle.greedyAssignment(matrix.toArray()) - 1e-9 * scale);
      }
    }
  }

  private static double[][] rankOne(int n) {
    double[][] a = new double[n][n];
    for (int i = 0; i < n; i++) {
      for (int j = 0; j < n; j++) {
        a[i][j] = (i + 1.0) * (j + 1.0) / n;
      }
    }
    return a;
  }

  @Test
  void aWrongSolutionDoesNotPassTheCertificate() {
    Matrix value = Matrix.of(new double[][] {{.9, .8}, {.85, .2}});
    Assignment best = Assignment.maximise(value, WS);
    Assignment wrong = new Assignment(new int[] {0, 1}, 1.1, best.u(), best.v(), true);
    assertThat(wrong.violation(value, WS)).isGreaterThan(0.1);
  }

  @Test
  void forbiddenEntriesAreAvoidedAndNaNIsRefusedWithItsPlace() {
    double no = Double.NEGATIVE_INFINITY;
    Matrix value = Matrix.of(new double[][] {{5, 1}, {no, no + 0}});
    assertThatThrownBy(() -> Assignment.maximise(value, WS))
        .isInstanceOf(NumericalException.class)
        .hasMessageContaining("1");
    Assignment forced = Assignment.maximise(Matrix.of(new double[][] {{5, 1}, {3, no}}), WS);
    assertThat(forced.columns()).containsExactly(1, 0);
    assertThatThrownBy(
            () -> Assignment.maximise(Matrix.of(new double[][] {{1, 2}, {Double.NaN, 4}}), WS))
        .isInstanceOf(NumericalException.class)
        .hasMessageContaining("cost[1, 0]");
  }

  @Test
  void moreRowsThanColumnsAreRefused() {
    assertThatThrownBy(() -> Assignment.maximise(Matrix.zeros(3, 2), WS))
        .isInstanceOf(ShapeException.class)
        .hasMessage("a 3 x 2 problem has more rows than columns; solve its transpose");
  }

  @Test
  void tiesGoToTheLowestColumn() {
    assertThat(Assignment.maximise(Matrix.zeros(4, 6), WS).columns()).containsExactly(0, 1, 2, 3);
  }
}
