// SPDX-License-Identifier: Apache-2.0
package org.merganser.internal.kernel;

import java.util.List;
import org.bytedeco.javacpp.DoublePointer;
import org.bytedeco.javacpp.LongPointer;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.javacpp.PointerPointer;
import org.merganser.natives.global.merganser;

/** Linear assignment. Solutions lie on the heap. */
public final class AssignmentKernels {
  private final Context context;

  AssignmentKernels(Context context) {
    this.context = context;
  }

  /** Two factors of one width, whose rows' products are the costs. */
  public record Factors(MatrixBlock x, MatrixBlock y) {}

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
  public double solve(MatrixBlock cost, boolean maximise, boolean warm, Solution s) {
    s.require(cost.rows(), cost.columns());
    double[] value = new double[1];
    int max = maximise ? 1 : 0;
    long rows = cost.rows();
    long cols = cost.columns();
    try (Call call = context.enter()) {
      Pointer costs = call.in(cost.block());
      call.check(
          warm
              ? merganser.mg_assignment_warm(
                  call.context(),
                  cost.dtype(),
                  rows,
                  cols,
                  costs,
                  cost.ld(),
                  max,
                  s.rowToCol,
                  s.u,
                  s.v,
                  value)
              : merganser.mg_assignment(
                  call.context(),
                  cost.dtype(),
                  rows,
                  cols,
                  costs,
                  cost.ld(),
                  max,
                  s.rowToCol,
                  s.u,
                  s.v,
                  value));
    }
    return value[0];
  }

  /** As {@link #solve(MatrixBlock, boolean, boolean, Solution)} for products of rows. */
  public double solve(Factors f, boolean maximise, Solution s) {
    s.require(f.x().rows(), f.y().rows());
    double[] value = new double[1];
    try (Call call = context.enter()) {
      call.check(
          merganser.mg_assignment_factors(
              call.context(),
              f.x().dtype(),
              f.x().rows(),
              f.y().rows(),
              f.x().columns(),
              call.in(f.x().block()),
              f.x().ld(),
              call.in(f.y().block()),
              f.y().ld(),
              maximise ? 1 : 0,
              0,
              s.rowToCol,
              s.u,
              s.v,
              value));
    }
    return value[0];
  }

  /** Independent problems of one type; returns their values. */
  public double[] solveAll(List<MatrixBlock> costs, boolean maximise, Solution s) {
    long[] rows = costs.stream().mapToLong(MatrixBlock::rows).toArray();
    long[] cols = costs.stream().mapToLong(MatrixBlock::columns).toArray();
    double[] values = new double[rows.length];
    try (Call call = context.enter();
        PointerPointer<Pointer> pointers =
            call.ins(costs.stream().map(MatrixBlock::block).toArray(Block[]::new));
        LongPointer r = Kernels.longs(rows);
        LongPointer c = Kernels.longs(cols);
        LongPointer ld = Kernels.longs(costs.stream().mapToLong(MatrixBlock::ld).toArray());
        LongPointer columns = Kernels.longs(s.rowToCol);
        DoublePointer u = Kernels.doubles(s.u);
        DoublePointer v = Kernels.doubles(s.v);
        DoublePointer value = Kernels.doubles(values)) {
      call.check(
          merganser.mg_assignment_batch(
              call.context(),
              rows.length,
              costs.get(0).dtype(),
              r,
              c,
              pointers,
              ld,
              maximise ? 1 : 0,
              columns,
              u,
              v,
              value));
      columns.get(s.rowToCol);
      u.get(s.u);
      v.get(s.v);
      value.get(values);
    }
    return values;
  }

  /** Largest violation of the conditions that prove an optimum. */
  public double violation(MatrixBlock cost, boolean maximise, Solution s) {
    s.require(cost.rows(), cost.columns());
    double[] violation = new double[1];
    try (Call call = context.enter()) {
      call.check(
          merganser.mg_assignment_certify(
              call.context(),
              cost.dtype(),
              cost.rows(),
              cost.columns(),
              call.in(cost.block()),
              cost.ld(),
              maximise ? 1 : 0,
              s.rowToCol,
              s.u,
              s.v,
              violation));
    }
    return violation[0];
  }

  /** The same for products of rows. */
  public double violation(Factors f, boolean maximise, Solution s) {
    s.require(f.x().rows(), f.y().rows());
    double[] violation = new double[1];
    try (Call call = context.enter()) {
      call.check(
          merganser.mg_assignment_factors_certify(
              call.context(),
              f.x().dtype(),
              f.x().rows(),
              f.y().rows(),
              f.x().columns(),
              call.in(f.x().block()),
              f.x().ld(),
              call.in(f.y().block()),
              f.y().ld(),
              maximise ? 1 : 0,
              s.rowToCol,
              s.u,
              s.v,
              violation));
    }
    return violation[0];
  }
}
