// SPDX-License-Identifier: Apache-2.0
package org.merganser.internal.kernel;

import java.util.Arrays;
import org.bytedeco.javacpp.DoublePointer;
import org.bytedeco.javacpp.IntPointer;
import org.bytedeco.javacpp.LongPointer;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.javacpp.PointerPointer;
import org.merganser.natives.global.merganser;
import org.merganser.natives.mg_cca_report;
import org.merganser.natives.mg_polar_report;
import org.merganser.natives.mg_task;
import org.merganser.natives.mg_threshold;

/**
 * The seam: one native context and every routine behind it, over {@link Block}s. Arguments are
 * checked by the callers in {@code linalg}, {@code stats}, {@code align} and {@code merge}, which
 * know the names to put into a message; the native side checks sizes once more.
 *
 * <p>Threads that share this take turns, one native call at a time. What is closed while a call
 * runs, blocks or this, is refused to those who come later and freed when the call has ended.
 */
public final class Kernels implements AutoCloseable {
  private final Context context;

  /**
   * @param backend 0 CPU, 1 CUDA
   * @param threads at least 1
   * @param beforeFree runs once, before the context is freed, by the thread that does
   */
  public Kernels(int backend, int threads, Runnable beforeFree) {
    Natives.load();
    context = new Context(backend, threads, beforeFree);
    if (backend == merganser.MG_BACKEND_CUDA) {
      CudaPlugin.loadPresets();
    }
  }

  @Override
  public void close() {
    context.close();
  }

  public boolean isOpen() {
    return context.isOpen();
  }

  /** Does not wait for its turn. Must not be called when {@code beforeFree} has run. */
  public void cancel(boolean cancelled) {
    merganser.mg_context_cancel(context.pointer(), cancelled ? 1 : 0);
  }

  // ---- Memory of the context's device ----

  public Block allocate(long bytes, int device) {
    try (Call call = context.enter();
        PointerPointer<Pointer> out = JavaCppLimit.explain(() -> new PointerPointer<>(1))) {
      Status.check(merganser.mg_alloc(call.context(), bytes, out));
      return Block.owned(out.get(0).address(), bytes, device);
    }
  }

  /** An explicit copy of blocks of one size. */
  public void copy(Block to, Block from) {
    try (Call call = context.enter()) {
      Status.check(
          merganser.mg_copy(
              call.context(),
              call.pointer(to),
              to.device(),
              call.pointer(from),
              from.device(),
              to.bytes()));
    }
  }

  /** Bytes that {@link #copy} moved so far: {host to device, device to host}. */
  public long[] transfers() {
    long[] up = new long[1];
    long[] down = new long[1];
    try (Call call = context.enter()) {
      Status.check(merganser.mg_transfer_counts(call.context(), up, down));
    }
    return new long[] {up[0], down[0]};
  }

  // ---- Linear algebra ----

  public void gemm(
      int dtype,
      boolean transposeA,
      boolean transposeB,
      long m,
      long n,
      long k,
      double alpha,
      Block a,
      long lda,
      Block b,
      long ldb,
      double beta,
      Block c,
      long ldc) {
    try (Call call = context.enter()) {
      Status.check(
          merganser.mg_gemm(
              call.context(),
              dtype,
              transposeA ? 1 : 0,
              transposeB ? 1 : 0,
              m,
              n,
              k,
              alpha,
              call.pointer(a),
              lda,
              call.pointer(b),
              ldb,
              beta,
              call.pointer(c),
              ldc));
    }
  }

  /**
   * What a solver says; {@code sum} is that of the singular values, {@code condition} is 1 for a
   * polar factor.
   */
  public record Report(
      long rank, int completion, long clippedX, long clippedY, double condition, double sum) {}

  /** Reports of {@code count} problems one after the other; {@code sigma} may be null. */
  public Report[] polar(
      int dtype, int count, long n, Block a, long lda, Block q, long ldq, Block sigma) {
    try (Call call = context.enter();
        mg_polar_report report = JavaCppLimit.explain(() -> new mg_polar_report(count))) {
      Status.check(
          merganser.mg_polar(
              call.context(),
              dtype,
              count,
              n,
              call.doubles(a),
              lda,
              call.doubles(q),
              ldq,
              call.doubles(sigma),
              report));
      Report[] reports = new Report[count];
      for (int k = 0; k < count; k++) {
        report.position(k);
        reports[k] = new Report(report.rank(), report.completion(), 0, 0, 1, report.sum());
      }
      report.position(0);
      return reports;
    }
  }

  /** Reports of one map for each gamma; {@code correlations} may be null. */
  public Report[] cca(
      int dtype,
      long n,
      Block sxx,
      Block syy,
      Block sxy,
      double[] gammaX,
      double[] gammaY,
      Block t,
      Block tinv,
      Block correlations) {
    int count = gammaX.length;
    requireLength("gamma_y", gammaY.length, count);
    try (Call call = context.enter();
        mg_cca_report report = JavaCppLimit.explain(() -> new mg_cca_report(count));
        DoublePointer forX = new DoublePointer(gammaX);
        DoublePointer forY = new DoublePointer(gammaY)) {
      Status.check(
          merganser.mg_cca_map(
              call.context(),
              dtype,
              n,
              call.doubles(sxx),
              call.doubles(syy),
              call.doubles(sxy),
              count,
              forX,
              forY,
              call.doubles(t),
              call.doubles(tinv),
              call.doubles(correlations),
              report));
      Report[] reports = new Report[count];
      for (int k = 0; k < count; k++) {
        report.position(k);
        reports[k] =
            new Report(
                report.rank(),
                report.completion(),
                report.clipped_x(),
                report.clipped_y(),
                report.condition(),
                report.sum());
      }
      report.position(0);
      return reports;
    }
  }

  /** Returns the value; fills the other arrays. {@code warm}: v holds duals to start from. */
  public double assignment(
      int dtype,
      long rows,
      long cols,
      Block cost,
      long ld,
      boolean maximise,
      boolean warm,
      long[] rowToCol,
      double[] u,
      double[] v) {
    requireSolution(rows, cols, rowToCol, u, v);
    double[] value = new double[1];
    int max = maximise ? 1 : 0;
    long lead = Math.max(1, ld);
    try (Call call = context.enter()) {
      Pointer address = call.pointer(cost);
      Status.check(
          warm
              ? merganser.mg_assignment_warm(
                  call.context(), dtype, rows, cols, address, lead, max, rowToCol, u, v, value)
              : merganser.mg_assignment(
                  call.context(), dtype, rows, cols, address, lead, max, rowToCol, u, v, value));
    }
    return value[0];
  }

  /** Two factors, contiguous [rows x width] and [cols x width]. */
  public record Factors(int dtype, long rows, long cols, long width, Block x, Block y) {}

  public double assignment(Factors f, boolean maximise, long[] rowToCol, double[] u, double[] v) {
    requireSolution(f.rows(), f.cols(), rowToCol, u, v);
    double[] value = new double[1];
    long ld = Math.max(1, f.width());
    try (Call call = context.enter()) {
      Status.check(
          merganser.mg_assignment_factors(
              call.context(),
              f.dtype(),
              f.rows(),
              f.cols(),
              f.width(),
              call.pointer(f.x()),
              ld,
              call.pointer(f.y()),
              ld,
              maximise ? 1 : 0,
              0,
              rowToCol,
              u,
              v,
              value));
    }
    return value[0];
  }

  private static void requireSolution(
      long rows, long cols, long[] rowToCol, double[] u, double[] v) {
    requireLength("row_to_col", rowToCol.length, rows);
    requireLength("u", u.length, rows);
    requireLength("v", v.length, cols);
  }

  /** Native code reads as many elements as a routine needs, whatever the array has. */
  private static void requireLength(String what, long length, long needed) {
    if (length != needed) {
      throw new IllegalArgumentException(
          what + " has " + length + " elements, needed are " + needed);
    }
  }

  /** Independent problems; outputs one after the other. */
  public void assignments(
      int dtype,
      long[] rows,
      long[] cols,
      Block[] costs,
      boolean maximise,
      long[] rowToCol,
      double[] u,
      double[] v,
      double[] values) {
    try (Call call = context.enter();
        PointerPointer<Pointer> pointers = call.pointers(costs);
        LongPointer r = longs(rows);
        LongPointer c = longs(cols);
        LongPointer lead = longs(Arrays.stream(cols).map(n -> Math.max(1, n)).toArray());
        LongPointer columns = longs(rowToCol);
        DoublePointer rowDuals = doubles(u);
        DoublePointer columnDuals = doubles(v);
        DoublePointer value = doubles(values)) {
      Status.check(
          merganser.mg_assignment_batch(
              call.context(),
              rows.length,
              dtype,
              r,
              c,
              pointers,
              lead,
              maximise ? 1 : 0,
              columns,
              rowDuals,
              columnDuals,
              value));
      columns.get(rowToCol);
      rowDuals.get(u);
      columnDuals.get(v);
      value.get(values);
    }
  }

  public double assignmentViolation(
      Factors f, boolean maximise, long[] rowToCol, double[] u, double[] v) {
    requireSolution(f.rows(), f.cols(), rowToCol, u, v);
    double[] violation = new double[1];
    long ld = Math.max(1, f.width());
    try (Call call = context.enter()) {
      Status.check(
          merganser.mg_assignment_factors_certify(
              call.context(),
              f.dtype(),
              f.rows(),
              f.cols(),
              f.width(),
              call.pointer(f.x()),
              ld,
              call.pointer(f.y()),
              ld,
              maximise ? 1 : 0,
              rowToCol,
              u,
              v,
              violation));
    }
    return violation[0];
  }

  public double assignmentViolation(
      int dtype,
      long rows,
      long cols,
      Block cost,
      long ld,
      boolean maximise,
      long[] rowToCol,
      double[] u,
      double[] v) {
    requireSolution(rows, cols, rowToCol, u, v);
    double[] violation = new double[1];
    try (Call call = context.enter()) {
      Status.check(
          merganser.mg_assignment_certify(
              call.context(),
              dtype,
              rows,
              cols,
              call.pointer(cost),
              Math.max(1, ld),
              maximise ? 1 : 0,
              rowToCol,
              u,
              v,
              violation));
    }
    return violation[0];
  }

  // ---- Maps and merge arithmetic ----

  /** A tensor seen as [outer x axis x inner]. */
  public record Axis(long outer, long in, long inner, long out) {}

  public void applyDense(
      int dtype,
      Axis axis,
      Block map,
      long ldmap,
      boolean transpose,
      Block in,
      long inStride,
      Block out,
      long outStride) {
    try (Call call = context.enter()) {
      Status.check(
          merganser.mg_apply_dense(
              call.context(),
              dtype,
              axis.outer(),
              axis.in(),
              axis.inner(),
              axis.out(),
              call.doubles(map),
              ldmap,
              transpose ? 1 : 0,
              call.pointer(in),
              inStride,
              call.pointer(out),
              outStride));
    }
  }

  /** {@code scale} may be null: the bits are copied as they are. */
  public void applyGather(
      int dtype,
      Axis axis,
      long[] index,
      double[] scale,
      Block in,
      long inStride,
      Block out,
      long outStride) {
    requireLength("index", index.length, axis.out());
    requireLength("scale", scale == null ? axis.out() : scale.length, axis.out());
    try (Call call = context.enter()) {
      Status.check(
          merganser.mg_apply_gather(
              call.context(),
              dtype,
              axis.outer(),
              axis.in(),
              axis.inner(),
              axis.out(),
              index,
              scale,
              call.pointer(in),
              inStride,
              call.pointer(out),
              outStride));
    }
  }

  public void weightedSum(int dtype, long count, Block[] in, double[] weights, Block out) {
    requireLength("weights", weights.length, in.length);
    try (Call call = context.enter();
        PointerPointer<Pointer> pointers = call.pointers(in);
        DoublePointer w = JavaCppLimit.explain(() -> new DoublePointer(weights))) {
      Status.check(
          merganser.mg_weighted_sum(
              call.context(), dtype, count, in.length, pointers, w, call.pointer(out)));
    }
  }

  /** Returns how many finite values became infinite. */
  public long convert(int from, int to, long count, Block in, Block out) {
    long[] overflowed = new long[1];
    try (Call call = context.enter()) {
      Status.check(
          merganser.mg_convert(
              call.context(), from, to, count, call.pointer(in), call.pointer(out), overflowed));
    }
    return overflowed[0];
  }

  /** Returns {number of non-finite values, index of the first or -1}. */
  public long[] nonFinite(int dtype, long count, Block in) {
    long[] number = new long[1];
    long[] first = new long[1];
    try (Call call = context.enter()) {
      Status.check(
          merganser.mg_nonfinite_count(
              call.context(), dtype, count, call.pointer(in), number, first));
    }
    return new long[] {number[0], first[0]};
  }

  // ---- Task vectors and magnitudes ----

  /** What becomes of one task vector; {@code trim} 0 none, 1 magnitude, 2 random. */
  public record Task(
      double weight,
      double scale,
      int trim,
      double threshold,
      long last,
      long key,
      int subsequence,
      long keep) {
    public static Task weighted(double weight) {
      return new Task(weight, 1, 0, 0, 0, 0, 0, 0);
    }

    /** Keeps magnitudes above the threshold, and those equal to it up to an index. */
    public static Task magnitude(double weight, Threshold threshold) {
      return new Task(weight, 1, 1, threshold.value(), threshold.last(), 0, 0, 0);
    }

    /** Keeps an element with probability {@code keep / 2^32}, times {@code scale}. */
    public static Task random(double weight, double scale, long key, int subsequence, long keep) {
      return new Task(weight, scale, 2, 0, 0, key, subsequence, keep);
    }
  }

  /** The magnitude of a rank, and the index of the last kept one that is equal to it. */
  public record Threshold(double value, long last) {}

  /** {@code first} is the index of the arrays' first element in their tensor. */
  public void taskMerge(
      int dtype,
      long first,
      long count,
      Block base,
      Block[] in,
      Task[] tasks,
      boolean elect,
      boolean normalise,
      double lambda,
      Block out) {
    requireLength("tasks", tasks.length, in.length);
    try (Call call = context.enter();
        PointerPointer<Pointer> pointers = call.pointers(in);
        mg_task all = JavaCppLimit.explain(() -> new mg_task(Math.max(tasks.length, 1)))) {
      for (int k = 0; k < tasks.length; k++) {
        Task task = tasks[k];
        all.position(k)
            .weight(task.weight())
            .scale(task.scale())
            .trim(task.trim())
            .subsequence(task.subsequence())
            .threshold(task.threshold())
            .last(task.last())
            .key(task.key())
            .keep(task.keep());
      }
      Status.check(
          merganser.mg_task_merge(
              call.context(),
              dtype,
              first,
              count,
              in.length,
              call.pointer(base),
              pointers,
              all.position(0),
              elect ? 1 : 0,
              normalise ? 1 : 0,
              lambda,
              call.pointer(out)));
    }
  }

  /** {@code base} null for none. */
  public Threshold kthMagnitude(int dtype, long count, Block x, Block base, long k) {
    try (Call call = context.enter();
        mg_threshold out = JavaCppLimit.explain(mg_threshold::new)) {
      Status.check(
          merganser.mg_kth_magnitude(
              call.context(), dtype, count, call.pointer(x), call.pointer(base), k, out));
      return new Threshold(out.threshold(), out.last());
    }
  }

  /** {x.y, x.x, y.y} */
  public double[] dotProducts(int dtype, long count, Block x, Block y) {
    double[] sums = new double[3];
    try (Call call = context.enter()) {
      Status.check(
          merganser.mg_dot_products(
              call.context(), dtype, count, call.pointer(x), call.pointer(y), sums));
    }
    return sums;
  }

  /** Writes the XOR of all {@code in} to every {@code out}: the measure of memory. */
  public void bandwidth(long bytes, Block[] in, Block[] out) {
    try (Call call = context.enter();
        PointerPointer<Pointer> from = call.pointers(in);
        PointerPointer<Pointer> to = call.pointers(out)) {
      Status.check(merganser.mg_bandwidth(call.context(), bytes, in.length, from, out.length, to));
    }
  }

  // ---- NP Merge ----

  /**
   * The state of NP Merge.
   *
   * @param counts elements of each slot
   * @param rows of each slot
   * @param in the models, {@code in[slot * models + model]}, of which it is a user until it is
   *     closed; they must stay as they are
   * @param initial weights to begin with, or null for equal ones
   */
  public NpState np(
      NpState.Options options, long[] counts, long[] rows, Block[] in, double[] initial) {
    requireLength("rows", rows.length, counts.length);
    requireLength("models", in.length, (long) counts.length * options.models());
    requireLength("initial", initial == null ? options.models() : initial.length, options.models());
    return NpState.create(context, options, counts, rows, in, initial);
  }

  // ---- Moments ----

  /**
   * The state of moments of streams; for the arguments see {@code mg_moments_create}.
   *
   * @param name for messages
   */
  public MomentsState moments(
      String name, long[] widths, int[] pairI, int[] pairJ, int mode, int nonFinitePolicy) {
    requireLength("pair_j", pairJ.length, pairI.length);
    return new MomentsState(name, context, widths, pairI, pairJ, mode, nonFinitePolicy);
  }

  private static LongPointer longs(long[] values) {
    return JavaCppLimit.explain(() -> new LongPointer(values.length == 0 ? new long[1] : values));
  }

  private static DoublePointer doubles(double[] values) {
    return JavaCppLimit.explain(
        () -> new DoublePointer(values.length == 0 ? new double[1] : values));
  }

  static IntPointer ints(int[] values) {
    return JavaCppLimit.explain(() -> new IntPointer(values.length == 0 ? new int[1] : values));
  }
}
