// SPDX-License-Identifier: Apache-2.0
package org.merganser.linalg;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.error.NumericalException;
import org.merganser.error.ShapeException;
import org.merganser.internal.kernel.Block;
import org.merganser.internal.kernel.Kernels;

/**
 * The exact solution of a linear assignment problem: each row takes one column, no column twice,
 * and the sum of the chosen entries is the least (or greatest) there is. There may be more columns
 * than rows. Solved by candidate lists and shortest augmenting paths (after Jonker and Volgenant
 * 1987) with F64 duals.
 *
 * <p>The duals are those of the minimisation (of the negated matrix when maximising): {@code u_i +
 * v_j <= c_ij} everywhere, with equality on the matching, and for fewer rows than columns {@code
 * v_j <= 0} with 0 on free columns. They prove the optimum: see {@link #certify}.
 *
 * <p>Optima that tie are resolved by a fixed rule: the result does not depend on the number of
 * threads nor on the processor. Costs beyond 1e300, NaN and the infinity that would always be taken
 * are refused with their position; the other infinity forbids an entry, and a problem that has no
 * finite assignment is a {@link NumericalException}. Time is O(n^3) at worst and near n^2 on most
 * inputs; memory besides the matrix is 8 n K bytes (F64: 12) for lists of K = 32.
 *
 * @param columns column of each row
 * @param value sum of the chosen entries of the matrix as given
 * @param u dual of each row
 * @param v dual of each column
 * @param maximised which problem was solved
 */
public record Assignment(int[] columns, double value, double[] u, double[] v, boolean maximised) {

  /** Least sum over a [rows x columns] matrix, rows at most columns. {@code +Inf} forbids. */
  public static Assignment minimise(Matrix cost, Workspace ws) {
    return solve(cost, false, null, ws);
  }

  /** Greatest sum over a [rows x columns] matrix, rows at most columns. {@code -Inf} forbids. */
  public static Assignment maximise(Matrix value, Workspace ws) {
    return solve(value, true, null, ws);
  }

  /**
   * As {@link #minimise} of a square matrix, from duals {@code v} of its columns. Any finite values
   * are allowed; those of a similar problem save time. Where optima tie, the start decides which
   * one is found.
   */
  public static Assignment minimiseFrom(double[] v, Matrix cost, Workspace ws) {
    return solve(cost, false, v, ws);
  }

  /** As {@link #maximise} of a square matrix, from duals as in {@link #minimiseFrom}. */
  public static Assignment maximiseFrom(double[] v, Matrix value, Workspace ws) {
    return solve(value, true, v, ws);
  }

  /**
   * Matches the rows of x [n x k] with rows of y [m x k], n at most m, so that the sum of their
   * inner products {@code x_i . y_columns[i]} is greatest. As {@link #maximise} of {@code X Y^T},
   * which is never stored: products are formed in F64 tile by tile, and again when they are needed
   * again. Memory is a copy of y and 12 n K bytes of lists.
   */
  public static Assignment maximiseProducts(Matrix x, Matrix y, Workspace ws) {
    return solveProducts(x, y, true, ws);
  }

  /** As {@link #maximiseProducts} with the least sum of inner products. */
  public static Assignment minimiseProducts(Matrix x, Matrix y, Workspace ws) {
    return solveProducts(x, y, false, ws);
  }

  /** Solves each problem by itself, one a thread; results as of {@link #minimise}. */
  public static List<Assignment> minimiseAll(List<Matrix> costs, Workspace ws) {
    return solveAll(costs, false, ws);
  }

  /** Solves each problem by itself, one a thread; results as of {@link #maximise}. */
  public static List<Assignment> maximiseAll(List<Matrix> values, Workspace ws) {
    return solveAll(values, true, ws);
  }

  /**
   * Largest violation of the optimality conditions by this solution of the problem {@code matrix}:
   * 0 up to rounding (4 eps max|c| n) proves the optimum without solving again.
   */
  public double violation(Matrix matrix, Workspace ws) {
    double violation =
        ws.kernels()
            .assignmentViolation(
                matrix.dtype().code(),
                matrix.rows(),
                matrix.columns(),
                matrix.block(),
                matrix.columns(),
                maximised,
                rowToCol(),
                u,
                v);
    return violation;
  }

  /** {@link #violation} of a problem given by products of rows. */
  public double violationOfProducts(Matrix x, Matrix y, Workspace ws) {
    requireFactors(x, y);
    double violation = ws.kernels().assignmentViolation(factors(x, y), maximised, rowToCol(), u, v);
    return violation;
  }

  /**
   * Proves that this is an optimum of the problem {@code matrix}, without solving again: one pass
   * over the matrix.
   *
   * @throws NumericalException if the optimality conditions are violated by more than rounding
   */
  public void certify(Matrix matrix, Workspace ws) {
    requireSmall(violation(matrix, ws));
  }

  /** {@link #certify} of a problem given by products of rows. */
  public void certifyProducts(Matrix x, Matrix y, Workspace ws) {
    requireSmall(violationOfProducts(x, y, ws));
  }

  /**
   * Rounding that the conditions may suffer, 8 eps n (max|u| + max|v|): entries that are larger
   * than the duals are far from being chosen.
   */
  private void requireSmall(double violation) {
    double scale = largest(u) + largest(v);
    double tolerance = 8 * Math.ulp(1.0) * Math.max(1, v.length) * scale;
    double dual = Arrays.stream(u).sum() + Arrays.stream(v).sum();
    double gap = Math.abs((maximised ? -value : value) - dual);
    if (!(violation <= tolerance)) {
      throw new NumericalException(
          "not proved optimal: the duals violate a condition by "
              + violation
              + ", more than rounding ("
              + tolerance
              + "); these are not the matrix, permutation and duals of one solution");
    }
    if (!(gap <= tolerance * Math.max(1, columns.length))) {
      throw new NumericalException(
          "not proved optimal: the value " + value + " differs from that of the duals by " + gap);
    }
  }

  private static double largest(double[] x) {
    return Arrays.stream(x).map(Math::abs).max().orElse(0);
  }

  private long[] rowToCol() {
    return Arrays.stream(columns).asLongStream().toArray();
  }

  private static Assignment solve(Matrix matrix, boolean maximise, double[] start, Workspace ws) {
    requireWide(matrix.rows(), matrix.columns());
    if (start != null && (matrix.rows() != matrix.columns() || start.length != matrix.rows())) {
      throw new ShapeException(
          start.length
              + " duals to start from, but a "
              + matrix
              + "; a start needs a square matrix and one dual for each column");
    }
    long[] rowToCol = new long[Math.toIntExact(matrix.rows())];
    double[] u = new double[rowToCol.length];
    double[] v = start != null ? start.clone() : new double[Math.toIntExact(matrix.columns())];
    double value =
        ws.kernels()
            .assignment(
                matrix.dtype().code(),
                matrix.rows(),
                matrix.columns(),
                matrix.block(),
                matrix.columns(),
                maximise,
                start != null,
                rowToCol,
                u,
                v);
    return of(rowToCol, value, u, v, maximise);
  }

  private static Assignment solveProducts(Matrix x, Matrix y, boolean maximise, Workspace ws) {
    requireFactors(x, y);
    requireWide(x.rows(), y.rows());
    long[] rowToCol = new long[Math.toIntExact(x.rows())];
    double[] u = new double[rowToCol.length];
    double[] v = new double[Math.toIntExact(y.rows())];
    double value = ws.kernels().assignment(factors(x, y), maximise, rowToCol, u, v);
    return of(rowToCol, value, u, v, maximise);
  }

  private static List<Assignment> solveAll(List<Matrix> matrices, boolean maximise, Workspace ws) {
    int problems = matrices.size();
    if (problems == 0) {
      return List.of();
    }
    DType dtype = matrices.get(0).dtype();
    long[] rows = new long[problems];
    long[] columns = new long[problems];
    Block[] blocks = new Block[problems];
    for (int p = 0; p < problems; p++) {
      Matrix matrix = matrices.get(p);
      requireWide(matrix.rows(), matrix.columns());
      if (matrix.dtype() != dtype) {
        throw new ShapeException(
            "problem " + p + " is a " + matrix + ", but problem 0 is of " + dtype);
      }
      rows[p] = matrix.rows();
      columns[p] = matrix.columns();
      blocks[p] = matrix.block();
    }
    long[] rowToCol = new long[Math.toIntExact(Arrays.stream(rows).sum())];
    double[] u = new double[rowToCol.length];
    double[] v = new double[Math.toIntExact(Arrays.stream(columns).sum())];
    double[] values = new double[problems];
    ws.kernels().assignments(dtype.code(), rows, columns, blocks, maximise, rowToCol, u, v, values);
    List<Assignment> result = new ArrayList<>(problems);
    int row = 0;
    int column = 0;
    for (int p = 0; p < problems; p++) {
      int nextRow = row + (int) rows[p];
      int nextColumn = column + (int) columns[p];
      result.add(
          of(
              Arrays.copyOfRange(rowToCol, row, nextRow),
              values[p],
              Arrays.copyOfRange(u, row, nextRow),
              Arrays.copyOfRange(v, column, nextColumn),
              maximise));
      row = nextRow;
      column = nextColumn;
    }
    return List.copyOf(result);
  }

  private static Assignment of(
      long[] rowToCol, double value, double[] u, double[] v, boolean maximise) {
    int[] columns = Arrays.stream(rowToCol).mapToInt(Math::toIntExact).toArray();
    return new Assignment(columns, value, u, v, maximise);
  }

  private static Kernels.Factors factors(Matrix x, Matrix y) {
    return new Kernels.Factors(
        x.dtype().code(), x.rows(), y.rows(), x.columns(), x.block(), y.block());
  }

  private static void requireFactors(Matrix x, Matrix y) {
    if (x.columns() != y.columns() || x.dtype() != y.dtype()) {
      throw new ShapeException(
          "rows of a " + x + " and of a " + y + " have no inner products; widths and types differ");
    }
  }

  private static void requireWide(long rows, long columns) {
    if (rows > columns) {
      throw new ShapeException(
          "a "
              + rows
              + " x "
              + columns
              + " problem has more rows than columns; solve its transpose");
    }
    if (columns > Integer.MAX_VALUE - 8) {
      throw new ShapeException(columns + " columns are more than an array holds");
    }
  }
}
