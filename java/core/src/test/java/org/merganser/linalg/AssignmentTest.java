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
import org.junit.jupiter.params.provider.CsvFileSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
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
            .isGreaterThanOrEqualTo(Oracle.greedyAssignment(array(matrix)) - 1e-9 * scale);
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

  /** Inputs come from a linear congruence that the script beside the native tests repeats. */
  @ParameterizedTest(name = "{0} {1}")
  @CsvFileSource(resources = "/fixtures/assignment.csv")
  void valuesAreThoseOfScipy(String family, int n, double expected) {
    double[][] cost = AssignmentFamilies.of(family, n);
    double scale =
        Arrays.stream(cost).flatMapToDouble(Arrays::stream).map(Math::abs).max().orElse(0);
    double tolerance = 1e-15 * scale * n * n + 1e-13 * Math.abs(expected);
    Matrix matrix = Matrix.of(cost);
    Assignment least = Assignment.minimise(matrix, WS);
    least.certify(matrix, WS);
    assertThat(least.value()).isCloseTo(expected, within(tolerance));
    Assignment again = Assignment.minimiseFrom(least.v(), matrix, WS);
    again.certify(matrix, WS);
    assertThat(again.value()).isCloseTo(expected, within(tolerance));
    Matrix narrow = Matrix.of(matrix.asTensor().to(DType.F32, WS));
    Assignment.minimise(narrow, WS).certify(narrow, WS);
  }

  @Test
  void sameResultOnAnyNumberOfThreads() {
    for (String family : AssignmentFamilies.NAMES) {
      Matrix matrix = Matrix.of(AssignmentFamilies.of(family, 300));
      Assignment first = Assignment.minimise(matrix, WS);
      for (int threads : new int[] {1, 2, 8}) {
        try (Workspace ws = Workspace.builder().threads(threads).open()) {
          Assignment other = Assignment.minimise(matrix, ws);
          assertThat(other.columns()).as(family).isEqualTo(first.columns());
          assertThat(other.v()).as(family).isEqualTo(first.v());
          assertThat(other.value()).as(family).isEqualTo(first.value());
        }
      }
    }
  }

  @Test
  void productsOfRowsEqualTheirMatrix() {
    double[][] a = Oracle.gaussian(120, 7, 1);
    double[][] b = Oracle.gaussian(150, 7, 2);
    for (DType dtype : new DType[] {DType.F64, DType.F32}) {
      Matrix x = Matrix.of(Matrix.of(a).asTensor().to(dtype, WS));
      Matrix y = Matrix.of(Matrix.of(b).asTensor().to(dtype, WS));
      Matrix products = Matrix.of(Oracle.multiply(array(x), Oracle.transpose(array(y))));
      Assignment best = Assignment.maximiseProducts(x, y, WS);
      best.certifyProducts(x, y, WS);
      best.certify(products, WS);
      Assignment expected = Assignment.maximise(products, WS);
      assertThat(best.columns()).isEqualTo(expected.columns());
      assertThat(best.value()).isCloseTo(expected.value(), within(1e-10));
      Assignment worst = Assignment.minimiseProducts(x, y, WS);
      worst.certifyProducts(x, y, WS);
      assertThat(worst.value()).isLessThan(0);
    }
    assertThatThrownBy(
            () -> Assignment.maximiseProducts(Matrix.zeros(2, 3), Matrix.zeros(2, 4), WS))
        .isInstanceOf(ShapeException.class)
        .hasMessage(
            "rows of a 2 x 3 F64 matrix and of a 2 x 4 F64 matrix have no inner products; widths"
                + " and types differ");
    assertThatThrownBy(
            () ->
                Assignment.maximiseProducts(
                    Matrix.zeros(1, 1), Matrix.of(new double[][] {{Double.NaN}}), WS))
        .isInstanceOf(NumericalException.class)
        .hasMessageContaining("y[0, 0] is NaN");
  }

  @Test
  void aBatchGivesWhatItsProblemsGive() {
    List<Matrix> problems = new ArrayList<>();
    int[][] shapes = {{3, 3}, {0, 0}, {64, 64}, {1, 9}, {130, 140}, {0, 4}};
    for (int[] shape : shapes) {
      Matrix matrix = Matrix.zeros(shape[0], shape[1]);
      double[][] values = Oracle.gaussian(shape[0], shape[1], shape[1]);
      for (int i = 0; i < shape[0]; i++) {
        matrix.setRow(i, values[i]);
      }
      problems.add(matrix);
    }
    List<Assignment> least = Assignment.minimiseAll(problems, WS);
    List<Assignment> best = Assignment.maximiseAll(problems, WS);
    for (int p = 0; p < shapes.length; p++) {
      Assignment single = Assignment.minimise(problems.get(p), WS);
      assertThat(least.get(p).columns()).isEqualTo(single.columns());
      assertThat(least.get(p).value()).isEqualTo(single.value());
      assertThat(least.get(p).u()).isEqualTo(single.u());
      assertThat(least.get(p).v()).isEqualTo(single.v());
      best.get(p).certify(problems.get(p), WS);
    }
    assertThat(Assignment.minimiseAll(List.of(), WS)).isEmpty();
    Matrix bad = Matrix.of(new double[][] {{1, Double.NaN}, {1, 2}});
    assertThatThrownBy(() -> Assignment.minimiseAll(List.of(problems.get(0), bad), WS))
        .isInstanceOf(NumericalException.class)
        .hasMessageContaining("problem 1: cost[0, 1] is NaN");
    Matrix narrow = Matrix.of(problems.get(0).asTensor().to(DType.F32, WS));
    assertThatThrownBy(() -> Assignment.minimiseAll(List.of(problems.get(0), narrow), WS))
        .isInstanceOf(ShapeException.class)
        .hasMessage("problem 1 is a 3 x 3 F32 matrix, but problem 0 is of F64");
  }

  @Test
  void theCertificateRefusesWhatIsNoOptimum() {
    Matrix value = Matrix.of(new double[][] {{.9, .8}, {.85, .2}});
    Assignment best = Assignment.maximise(value, WS);
    best.certify(value, WS);
    assertThatThrownBy(
            () ->
                new Assignment(new int[] {0, 1}, 1.1, best.u(), best.v(), true).certify(value, WS))
        .isInstanceOf(NumericalException.class)
        .hasMessageContaining("not proved optimal: the duals violate a condition by");
    assertThatThrownBy(
            () -> new Assignment(best.columns(), 1.5, best.u(), best.v(), true).certify(value, WS))
        .isInstanceOf(NumericalException.class)
        .hasMessageContaining("not proved optimal: the value 1.5 differs");
    assertThatThrownBy(() -> Assignment.maximiseFrom(new double[3], value, WS))
        .isInstanceOf(ShapeException.class)
        .hasMessage(
            "3 duals to start from, but a 2 x 2 F64 matrix; a start needs a square matrix and one"
                + " dual for each column");
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
