// SPDX-License-Identifier: Apache-2.0
package org.merganser.linalg;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.stream.IntStream;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.error.NumericalException;
import org.merganser.error.ShapeException;
import org.merganser.internal.kernel.AssignmentKernels.Costs;
import org.merganser.internal.kernel.AssignmentKernels.Solution;
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
 * <p>The matching is an optimum for every finite input, up to rounding of the costs it consists of:
 * where costs or start duals of very different sizes (1e15 for "forbidden", say) are beyond what
 * F64 duals hold together, it is proved, or found, in exact arithmetic, which takes longer.
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
  /**
   * @throws IllegalArgumentException unless there is one dual a row, and a dual for each of at
   *     least as many columns
   */
  public Assignment {
    if (u.length != columns.length || v.length < columns.length) {
      throw new IllegalArgumentException(
          columns.length
              + " rows with "
              + u.length
              + " duals, and "
              + v.length
              + " duals of columns; needed one dual a row and at least as many of columns");
    }
    columns = columns.clone();
    u = u.clone();
    v = v.clone();
  }

  /** A copy: the column of each row. */
  @Override
  public int[] columns() {
    return columns.clone();
  }

  /** A copy: the dual of each row. */
  @Override
  public double[] u() {
    return u.clone();
  }

  /** A copy: the dual of each column. */
  @Override
  public double[] v() {
    return v.clone();
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof Assignment that
        && Arrays.equals(columns, that.columns)
        && Double.compare(value, that.value) == 0
        && Arrays.equals(u, that.u)
        && Arrays.equals(v, that.v)
        && maximised == that.maximised;
  }

  @Override
  public int hashCode() {
    return Objects.hash(
        Arrays.hashCode(columns), value, Arrays.hashCode(u), Arrays.hashCode(v), maximised);
  }

  /** Sizes and value; the arrays are too long to show. */
  @Override
  public String toString() {
    return (maximised ? "Greatest" : "Least")
        + " assignment of "
        + columns.length
        + " rows to "
        + v.length
        + " columns, value "
        + value;
  }

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
   * Largest violation of the optimality conditions by these duals for the problem {@code matrix},
   * itself without rounding. 0 proves the optimum; v is bounded by rounding of the largest duals.
   *
   * @throws ShapeException if the matrix has another number of rows or columns
   */
  public double violation(Matrix matrix, Workspace ws) {
    requireShape(matrix.rows(), matrix.columns());
    return Kernels.of(ws).assignment().violation(costs(matrix), maximised, solution());
  }

  /** {@link #violation} of a problem given by products of rows. */
  public double violationOfProducts(Matrix x, Matrix y, Workspace ws) {
    requireFactors(x, y);
    requireShape(x.rows(), y.rows());
    return Kernels.of(ws).assignment().violation(costs(x, y), maximised, solution());
  }

  /**
   * Proves that this is an optimum of the problem {@code matrix}: one pass over the matrix shows
   * that the duals leave no room for a better one beyond rounding of the chosen entries. Where F64
   * duals cannot show that (entries of very different sizes), the problem is solved again and the
   * sums are compared exactly.
   *
   * @throws NumericalException if another matching is better, or {@code value} is not the sum
   */
  public void certify(Matrix matrix, Workspace ws) {
    AssignmentProof.require(
        this,
        violation(matrix, ws),
        found -> matrix.entries(found, ws),
        () -> solve(matrix, maximised, null, ws));
  }

  /** {@link #certify} of a problem given by products of rows. */
  public void certifyProducts(Matrix x, Matrix y, Workspace ws) {
    try (Matrix left = x.toHost(ws);
        Matrix right = y.toHost(ws)) {
      AssignmentProof.require(
          this,
          violationOfProducts(x, y, ws),
          found ->
              IntStream.range(0, found.length)
                  .mapToDouble(i -> product(left.row(i), right.row(found[i])))
                  .toArray(),
          () -> solveProducts(x, y, maximised, ws));
    }
  }

  /** The bits that native code forms: in F64, in the order of the factors. */
  private static double product(double[] x, double[] y) {
    double sum = 0;
    for (int k = 0; k < x.length; k++) {
      sum += x[k] * y[k];
    }
    return sum;
  }

  private void requireShape(long rows, long cols) {
    if (rows != columns.length || cols != v.length) {
      throw new ShapeException(
          "an assignment of "
              + columns.length
              + " rows to "
              + v.length
              + " columns is no solution of a "
              + rows
              + " x "
              + cols
              + " problem");
    }
  }

  private Solution solution() {
    return new Solution(Arrays.stream(columns).asLongStream().toArray(), u, v);
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
    return solve(costs(matrix), maximise, start, ws);
  }

  private static Assignment solveProducts(Matrix x, Matrix y, boolean maximise, Workspace ws) {
    requireFactors(x, y);
    requireWide(x.rows(), y.rows());
    return solve(costs(x, y), maximise, null, ws);
  }

  private static Assignment solve(Costs costs, boolean maximise, double[] start, Workspace ws) {
    Solution solution = Solution.empty(costs.rows(), costs.columns());
    if (start != null) {
      System.arraycopy(start, 0, solution.v(), 0, start.length);
    }
    double value = Kernels.of(ws).assignment().solve(costs, maximise, start != null, solution);
    return of(solution, value, maximise);
  }

  private static List<Assignment> solveAll(List<Matrix> matrices, boolean maximise, Workspace ws) {
    int problems = matrices.size();
    if (problems == 0) {
      return List.of();
    }
    DType dtype = matrices.get(0).dtype();
    long rows = 0;
    long columns = 0;
    for (int p = 0; p < problems; p++) {
      Matrix matrix = matrices.get(p);
      requireWide(matrix.rows(), matrix.columns());
      if (matrix.dtype() != dtype) {
        throw new ShapeException(
            "problem " + p + " is a " + matrix + ", but problem 0 is of " + dtype);
      }
      rows += matrix.rows();
      columns += matrix.columns();
    }
    Solution all = Solution.empty(rows, columns);
    List<Costs> costs = matrices.stream().map(Assignment::costs).toList();
    double[] values = Kernels.of(ws).assignment().solveAll(costs, maximise, all);
    List<Assignment> result = new ArrayList<>(problems);
    int row = 0;
    int column = 0;
    for (int p = 0; p < problems; p++) {
      int nextRow = row + (int) matrices.get(p).rows();
      int nextColumn = column + (int) matrices.get(p).columns();
      Solution own =
          new Solution(
              Arrays.copyOfRange(all.rowToCol(), row, nextRow),
              Arrays.copyOfRange(all.u(), row, nextRow),
              Arrays.copyOfRange(all.v(), column, nextColumn));
      result.add(of(own, values[p], maximise));
      row = nextRow;
      column = nextColumn;
    }
    return List.copyOf(result);
  }

  private static Assignment of(Solution solution, double value, boolean maximise) {
    int[] columns = Arrays.stream(solution.rowToCol()).mapToInt(Math::toIntExact).toArray();
    return new Assignment(columns, value, solution.u(), solution.v(), maximise);
  }

  private static Costs costs(Matrix matrix) {
    return new Costs(matrix.natives(), null);
  }

  private static Costs costs(Matrix x, Matrix y) {
    return new Costs(x.natives(), y.natives());
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
