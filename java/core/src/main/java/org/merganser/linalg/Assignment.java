// SPDX-License-Identifier: Apache-2.0
package org.merganser.linalg;

import org.merganser.compute.Memory;
import org.merganser.compute.Workspace;
import org.merganser.error.ShapeException;

/**
 * The exact solution of a linear assignment problem: each row takes one column, no column twice,
 * and the sum of the chosen entries is the least (or greatest) there is. Solved by shortest
 * augmenting paths (Jonker and Volgenant 1987) with F64 duals.
 *
 * <p>The duals are those of the minimisation (of the negated matrix when maximising): {@code u_i +
 * v_j <= c_ij} everywhere, with equality on the matching, and for fewer rows than columns {@code
 * v_j <= 0} with 0 on free columns. They prove the optimum: see {@link #violation}.
 *
 * @param columns column of each row
 * @param value sum of the chosen entries of the matrix as given
 * @param u dual of each row
 * @param v dual of each column
 * @param maximised which problem was solved
 */
public record Assignment(int[] columns, double value, double[] u, double[] v, boolean maximised) {

  /** Least sum. {@code +Inf} forbids an entry. */
  public static Assignment minimise(Matrix cost, Workspace ws) {
    return solve(cost, false, ws);
  }

  /** Greatest sum. {@code -Inf} forbids an entry. */
  public static Assignment maximise(Matrix value, Workspace ws) {
    return solve(value, true, ws);
  }

  /**
   * Largest violation of the optimality conditions by this solution of the problem {@code matrix}:
   * 0 up to rounding (4 eps max|c| n) proves the optimum without solving again.
   */
  public double violation(Matrix matrix, Workspace ws) {
    long[] rowToCol = new long[columns.length];
    for (int i = 0; i < columns.length; i++) {
      rowToCol[i] = columns[i];
    }
    double violation =
        ws.kernels()
            .assignmentViolation(
                matrix.dtype().code(),
                matrix.rows(),
                matrix.columns(),
                matrix.address(),
                matrix.columns(),
                maximised,
                rowToCol,
                u,
                v);
    Memory.keepAlive(matrix);
    return violation;
  }

  private static Assignment solve(Matrix matrix, boolean maximise, Workspace ws) {
    if (matrix.rows() > matrix.columns()) {
      throw new ShapeException(
          "a "
              + matrix.rows()
              + " x "
              + matrix.columns()
              + " problem has more rows than columns; solve its transpose");
    }
    int rows = Math.toIntExact(matrix.rows());
    long[] rowToCol = new long[rows];
    double[] u = new double[rows];
    double[] v = new double[Math.toIntExact(matrix.columns())];
    double value =
        ws.kernels()
            .assignment(
                matrix.dtype().code(),
                matrix.rows(),
                matrix.columns(),
                matrix.address(),
                matrix.columns(),
                maximise,
                rowToCol,
                u,
                v);
    Memory.keepAlive(matrix);
    int[] columns = new int[rows];
    for (int i = 0; i < rows; i++) {
      columns[i] = (int) rowToCol[i];
    }
    return new Assignment(columns, value, u, v, maximise);
  }
}
