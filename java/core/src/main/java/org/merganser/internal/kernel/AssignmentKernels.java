// SPDX-License-Identifier: Apache-2.0
package org.merganser.internal.kernel;

import java.util.List;
import org.merganser.natives.global.merganser;
import org.merganser.natives.mg_costs;

/** Linear assignment. Solutions lie on the heap. */
public final class AssignmentKernels {
  private final Context context;

  AssignmentKernels(Context context) {
    this.context = context;
  }

  /**
   * A matrix of costs, y = null, or two low-rank factors of one width, whose rows' products are the
   * costs.
   */
  public record Costs(MatrixBlock x, MatrixBlock y) {
    public long rows() {
      return x.rows();
    }

    public long columns() {
      return y == null ? x.columns() : y.rows();
    }

    private void put(mg_costs to, Call call) {
      to.dtype(x.dtype())
          .rows(rows())
          .cols(columns())
          .k(y == null ? -1 : x.columns())
          .x(call.in(x.block()))
          .ldx(x.ld())
          .y(y == null ? null : call.in(y.block()))
          .ldy(y == null ? 0 : y.ld());
    }
  }

  /** Column of each row, duals of rows and columns; several problems lie one after the other. */
  public record Solution(long[] rowToCol, double[] u, double[] v) {
    /** Nothing yet. */
    public static Solution empty(long rows, long columns) {
      return new Solution(
          new long[Math.toIntExact(rows)],
          new double[Math.toIntExact(rows)],
          new double[Math.toIntExact(columns)]);
    }

    private void require(long rows, long columns) {
      Kernels.requireLength("row_to_col", rowToCol.length, rows);
      Kernels.requireLength("u", u.length, rows);
      Kernels.requireLength("v", v.length, columns);
    }
  }

  /** Fills the solution and returns the value. {@code warm}: v holds duals to start from. */
  public double solve(Costs costs, boolean maximise, boolean warm, Solution s) {
    s.require(costs.rows(), costs.columns());
    double[] value = new double[1];
    try (Call call = context.enter();
        mg_costs all = JavaCppLimit.explain(mg_costs::new)) {
      costs.put(all, call);
      call.check(
          merganser.mg_assignment(
              call.context(), all, code(maximise), code(warm), s.rowToCol, s.u, s.v, value));
    }
    return value[0];
  }

  /** Independent problems, each a matrix; returns their values. */
  public double[] solveAll(List<Costs> costs, boolean maximise, Solution s) {
    double[] values = new double[costs.size()];
    s.require(
        costs.stream().mapToLong(Costs::rows).sum(),
        costs.stream().mapToLong(Costs::columns).sum());
    try (Call call = context.enter();
        mg_costs all = JavaCppLimit.explain(() -> new mg_costs(Math.max(1, costs.size())))) {
      for (int p = 0; p < costs.size(); p++) {
        costs.get(p).put(all.getPointer(p), call);
      }
      call.check(
          merganser.mg_assignment_batch(
              call.context(), costs.size(), all, code(maximise), s.rowToCol, s.u, s.v, values));
    }
    return values;
  }

  /** Largest violation of the conditions that prove an optimum. */
  public double violation(Costs costs, boolean maximise, Solution s) {
    s.require(costs.rows(), costs.columns());
    double[] violation = new double[1];
    try (Call call = context.enter();
        mg_costs all = JavaCppLimit.explain(mg_costs::new)) {
      costs.put(all, call);
      call.check(
          merganser.mg_assignment_certify(
              call.context(), all, code(maximise), s.rowToCol, s.u, s.v, violation));
    }
    return violation[0];
  }

  private static int code(boolean yes) {
    return yes ? 1 : 0;
  }
}
