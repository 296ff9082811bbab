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
import org.merganser.natives.mg_context;
import org.merganser.natives.mg_moments;
import org.merganser.natives.mg_polar_report;
import org.merganser.natives.mg_task;
import org.merganser.natives.mg_threshold;

/**
 * The seam: one native context and every routine behind it, in terms of raw addresses. Arguments
 * are checked by the callers in {@code linalg}, {@code stats}, {@code align} and {@code merge},
 * which know the names to put into a message; the native side checks sizes once more.
 */
public final class Kernels implements AutoCloseable {
  private mg_context context;

  /**
   * @param backend 0 CPU, 1 CUDA
   * @param threads at least 1
   */
  public Kernels(int backend, int threads) {
    Natives.load();
    try (PointerPointer<mg_context> out = JavaCppLimit.explain(() -> new PointerPointer<>(1))) {
      Status.check(merganser.mg_context_create(backend, threads, out));
      context = new mg_context(new Address(out.get(0).address()));
    }
    if (backend == merganser.MG_BACKEND_CUDA) {
      CudaPlugin.loadPresets();
    }
  }

  @Override
  public void close() {
    if (context != null) {
      merganser.mg_context_destroy(context);
      context = null;
    }
  }

  /** The only method that may be called from another thread. */
  public void cancel(boolean cancelled) {
    merganser.mg_context_cancel(context, cancelled ? 1 : 0);
  }

  // ---- Memory of the context's device ----

  public long allocate(long bytes) {
    try (PointerPointer<Pointer> out = JavaCppLimit.explain(() -> new PointerPointer<>(1))) {
      Status.check(merganser.mg_alloc(context, bytes, out));
      return out.get(0).address();
    }
  }

  /** An explicit copy; devices by ordinal, 0 the host. */
  public void copy(long to, int toDevice, long from, int fromDevice, long bytes) {
    Status.check(
        merganser.mg_copy(
            context, new Address(to), toDevice, new Address(from), fromDevice, bytes));
  }

  /** Bytes that {@link #copy} moved so far: {host to device, device to host}. */
  public long[] transfers() {
    long[] up = new long[1];
    long[] down = new long[1];
    Status.check(merganser.mg_transfer_counts(context, up, down));
    return new long[] {up[0], down[0]};
  }

  // ---- Linear algebra ----

  public void gemm(
      boolean transposeA,
      boolean transposeB,
      long m,
      long n,
      long k,
      double alpha,
      long a,
      long lda,
      long b,
      long ldb,
      double beta,
      long c,
      long ldc) {
    Status.check(
        merganser.mg_gemm(
            context,
            transposeA ? 1 : 0,
            transposeB ? 1 : 0,
            m,
            n,
            k,
            alpha,
            Address.doubles(a),
            lda,
            Address.doubles(b),
            ldb,
            beta,
            Address.doubles(c),
            ldc));
  }

  /**
   * What a solver says; {@code sum} is that of the singular values, {@code condition} is 1 for a
   * polar factor.
   */
  public record Report(
      long rank, int completion, long clippedX, long clippedY, double condition, double sum) {}

  /** Reports of {@code count} problems one after the other; {@code sigma} may be 0. */
  public Report[] polar(
      int dtype, int count, long n, long a, long lda, long q, long ldq, long sigma) {
    try (mg_polar_report report = JavaCppLimit.explain(() -> new mg_polar_report(count))) {
      Status.check(
          merganser.mg_polar(
              context,
              dtype,
              count,
              n,
              Address.doubles(a),
              lda,
              Address.doubles(q),
              ldq,
              sigma == 0 ? null : Address.doubles(sigma),
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

  /** Reports of one map for each gamma; {@code correlations} may be 0. */
  public Report[] cca(
      int dtype,
      long n,
      long sxx,
      long syy,
      long sxy,
      double[] gammaX,
      double[] gammaY,
      long t,
      long tinv,
      long correlations) {
    int count = gammaX.length;
    requireLength("gamma_y", gammaY.length, count);
    try (mg_cca_report report = JavaCppLimit.explain(() -> new mg_cca_report(count));
        DoublePointer forX = new DoublePointer(gammaX);
        DoublePointer forY = new DoublePointer(gammaY)) {
      Status.check(
          merganser.mg_cca_map(
              context,
              dtype,
              n,
              Address.doubles(sxx),
              Address.doubles(syy),
              Address.doubles(sxy),
              count,
              forX,
              forY,
              Address.doubles(t),
              Address.doubles(tinv),
              correlations == 0 ? null : Address.doubles(correlations),
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
      long cost,
      long ld,
      boolean maximise,
      boolean warm,
      long[] rowToCol,
      double[] u,
      double[] v) {
    requireSolution(rows, cols, rowToCol, u, v);
    double[] value = new double[1];
    Address address = new Address(cost);
    int max = maximise ? 1 : 0;
    long lead = Math.max(1, ld);
    Status.check(
        warm
            ? merganser.mg_assignment_warm(
                context, dtype, rows, cols, address, lead, max, rowToCol, u, v, value)
            : merganser.mg_assignment(
                context, dtype, rows, cols, address, lead, max, rowToCol, u, v, value));
    return value[0];
  }

  /** Two factors, contiguous [rows x width] and [cols x width]. */
  public record Factors(int dtype, long rows, long cols, long width, long x, long y) {}

  public double assignment(Factors f, boolean maximise, long[] rowToCol, double[] u, double[] v) {
    requireSolution(f.rows(), f.cols(), rowToCol, u, v);
    double[] value = new double[1];
    long ld = Math.max(1, f.width());
    Status.check(
        merganser.mg_assignment_factors(
            context,
            f.dtype(),
            f.rows(),
            f.cols(),
            f.width(),
            new Address(f.x()),
            ld,
            new Address(f.y()),
            ld,
            maximise ? 1 : 0,
            0,
            rowToCol,
            u,
            v,
            value));
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
      long[] costs,
      boolean maximise,
      long[] rowToCol,
      double[] u,
      double[] v,
      double[] values) {
    try (PointerPointer<Pointer> pointers = pointers(costs);
        LongPointer r = longs(rows);
        LongPointer c = longs(cols);
        LongPointer lead = longs(Arrays.stream(cols).map(n -> Math.max(1, n)).toArray());
        LongPointer columns = longs(rowToCol);
        DoublePointer rowDuals = doubles(u);
        DoublePointer columnDuals = doubles(v);
        DoublePointer value = doubles(values)) {
      Status.check(
          merganser.mg_assignment_batch(
              context,
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
    Status.check(
        merganser.mg_assignment_factors_certify(
            context,
            f.dtype(),
            f.rows(),
            f.cols(),
            f.width(),
            new Address(f.x()),
            ld,
            new Address(f.y()),
            ld,
            maximise ? 1 : 0,
            rowToCol,
            u,
            v,
            violation));
    return violation[0];
  }

  public double assignmentViolation(
      int dtype,
      long rows,
      long cols,
      long cost,
      long ld,
      boolean maximise,
      long[] rowToCol,
      double[] u,
      double[] v) {
    requireSolution(rows, cols, rowToCol, u, v);
    double[] violation = new double[1];
    Status.check(
        merganser.mg_assignment_certify(
            context,
            dtype,
            rows,
            cols,
            new Address(cost),
            Math.max(1, ld),
            maximise ? 1 : 0,
            rowToCol,
            u,
            v,
            violation));
    return violation[0];
  }

  // ---- Maps and merge arithmetic ----

  /** A tensor seen as [outer x axis x inner]. */
  public record Axis(long outer, long in, long inner, long out) {}

  public void applyDense(
      int dtype,
      Axis axis,
      long map,
      long ldmap,
      boolean transpose,
      long in,
      long inStride,
      long out,
      long outStride) {
    Status.check(
        merganser.mg_apply_dense(
            context,
            dtype,
            axis.outer(),
            axis.in(),
            axis.inner(),
            axis.out(),
            Address.doubles(map),
            ldmap,
            transpose ? 1 : 0,
            new Address(in),
            inStride,
            new Address(out),
            outStride));
  }

  /** {@code scale} may be null: the bits are copied as they are. */
  public void applyGather(
      int dtype,
      Axis axis,
      long[] index,
      double[] scale,
      long in,
      long inStride,
      long out,
      long outStride) {
    requireLength("index", index.length, axis.out());
    requireLength("scale", scale == null ? axis.out() : scale.length, axis.out());
    Status.check(
        merganser.mg_apply_gather(
            context,
            dtype,
            axis.outer(),
            axis.in(),
            axis.inner(),
            axis.out(),
            index,
            scale,
            new Address(in),
            inStride,
            new Address(out),
            outStride));
  }

  public void weightedSum(int dtype, long count, long[] in, double[] weights, long out) {
    requireLength("weights", weights.length, in.length);
    try (PointerPointer<Pointer> pointers = pointers(in);
        DoublePointer w = JavaCppLimit.explain(() -> new DoublePointer(weights))) {
      Status.check(
          merganser.mg_weighted_sum(
              context, dtype, count, in.length, pointers, w, new Address(out)));
    }
  }

  /** Returns how many finite values became infinite. */
  public long convert(int from, int to, long count, long in, long out) {
    long[] overflowed = new long[1];
    Status.check(
        merganser.mg_convert(
            context, from, to, count, new Address(in), new Address(out), overflowed));
    return overflowed[0];
  }

  /** Returns {number of non-finite values, index of the first or -1}. */
  public long[] nonFinite(int dtype, long count, long in) {
    long[] number = new long[1];
    long[] first = new long[1];
    Status.check(
        merganser.mg_nonfinite_count(context, dtype, count, new Address(in), number, first));
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
      int stream,
      long keep) {
    public static Task weighted(double weight) {
      return new Task(weight, 1, 0, 0, 0, 0, 0, 0);
    }

    /** Keeps magnitudes above the threshold, and those equal to it up to an index. */
    public static Task magnitude(double weight, Threshold threshold) {
      return new Task(weight, 1, 1, threshold.value(), threshold.last(), 0, 0, 0);
    }

    /** Keeps an element with probability {@code keep / 2^32}, times {@code scale}. */
    public static Task random(double weight, double scale, long key, int stream, long keep) {
      return new Task(weight, scale, 2, 0, 0, key, stream, keep);
    }
  }

  /** The magnitude of a rank, and the index of the last kept one that is equal to it. */
  public record Threshold(double value, long last) {}

  /** {@code first} is the index of the arrays' first element in their tensor. */
  public void taskMerge(
      int dtype,
      long first,
      long count,
      long base,
      long[] in,
      Task[] tasks,
      boolean elect,
      boolean normalise,
      double lambda,
      long out) {
    requireLength("tasks", tasks.length, in.length);
    try (PointerPointer<Pointer> pointers = pointers(in);
        mg_task all = JavaCppLimit.explain(() -> new mg_task(Math.max(tasks.length, 1)))) {
      for (int k = 0; k < tasks.length; k++) {
        Task task = tasks[k];
        all.position(k).weight(task.weight()).scale(task.scale()).trim(task.trim()).stream(
                task.stream())
            .threshold(task.threshold())
            .last(task.last())
            .key(task.key())
            .keep(task.keep());
      }
      Status.check(
          merganser.mg_task_merge(
              context,
              dtype,
              first,
              count,
              in.length,
              new Address(base),
              pointers,
              all.position(0),
              elect ? 1 : 0,
              normalise ? 1 : 0,
              lambda,
              new Address(out)));
    }
  }

  /** {@code base} 0 for none. */
  public Threshold kthMagnitude(int dtype, long count, long x, long base, long k) {
    try (mg_threshold out = JavaCppLimit.explain(mg_threshold::new)) {
      Status.check(
          merganser.mg_kth_magnitude(
              context, dtype, count, new Address(x), new Address(base), k, out));
      return new Threshold(out.threshold(), out.last());
    }
  }

  /** {x.y, x.x, y.y} */
  public double[] products(int dtype, long count, long x, long y) {
    double[] sums = new double[3];
    Status.check(
        merganser.mg_products(context, dtype, count, new Address(x), new Address(y), sums));
    return sums;
  }

  /** Weights of x and y at t between them, from {@link #products}. */
  public static double[] slerpWeights(double[] products, double t) {
    requireLength("products", products.length, 3);
    double[] weights = new double[2];
    Status.check(merganser.mg_slerp_weights(products, t, weights));
    return weights;
  }

  /** Writes the XOR of all {@code in} to every {@code out}: the measure of memory. */
  public void stream(long bytes, long[] in, long[] out) {
    try (PointerPointer<Pointer> from = pointers(in);
        PointerPointer<Pointer> to = pointers(out)) {
      Status.check(merganser.mg_stream(context, bytes, in.length, from, out.length, to));
    }
  }

  // ---- NP Merge ----

  /**
   * The state of NP Merge.
   *
   * @param counts elements of each slot
   * @param rows of each slot
   * @param in addresses of the models: {@code in[slot * models + model]}, which must stay as they
   *     are until it is closed
   * @param initial weights to begin with, or null for equal ones
   */
  public NpState np(
      NpState.Options options, long[] counts, long[] rows, long[] in, double[] initial) {
    requireLength("rows", rows.length, counts.length);
    requireLength("models", in.length, (long) counts.length * options.models());
    requireLength("initial", initial == null ? options.models() : initial.length, options.models());
    return NpState.create(context, options, counts, rows, in, initial);
  }

  // ---- Moments: handles are addresses ----

  public long momentsCreate(
      long[] widths, int[] pairI, int[] pairJ, int mode, int nonFinitePolicy) {
    requireLength("pair_j", pairJ.length, pairI.length);
    try (PointerPointer<mg_moments> out = JavaCppLimit.explain(() -> new PointerPointer<>(1));
        LongPointer w = JavaCppLimit.explain(() -> new LongPointer(widths));
        IntPointer i = ints(pairI);
        IntPointer j = ints(pairJ)) {
      Status.check(
          merganser.mg_moments_create(
              context, widths.length, w, pairI.length, i, j, mode, nonFinitePolicy, out));
      return out.get(0).address();
    }
  }

  public void momentsUpdate(
      long handle, long[] data, int dtype, long outer, long inner, long[] strides) {
    try (PointerPointer<Pointer> pointers = pointers(data);
        LongPointer s = JavaCppLimit.explain(() -> new LongPointer(strides))) {
      Status.check(
          merganser.mg_moments_update(context, moments(handle), pointers, dtype, outer, inner, s));
    }
  }

  public long momentsCount(long handle) {
    return merganser.mg_moments_count(moments(handle));
  }

  public long momentsSkipped(long handle) {
    return merganser.mg_moments_skipped(moments(handle));
  }

  public void momentsStream(long handle, int stream, double[] mean, double[] m2) {
    Status.check(merganser.mg_moments_stream(context, moments(handle), stream, mean, m2));
  }

  public void momentsBlock(long handle, int pair, long out) {
    Status.check(merganser.mg_moments_block(context, moments(handle), pair, Address.doubles(out)));
  }

  /** Needs no context: also after it is closed, and by the garbage collector. */
  public static void momentsDestroy(long handle) {
    merganser.mg_moments_destroy(null, moments(handle));
  }

  private static mg_moments moments(long handle) {
    return new mg_moments(new Address(handle));
  }

  private static LongPointer longs(long[] values) {
    return JavaCppLimit.explain(() -> new LongPointer(values.length == 0 ? new long[1] : values));
  }

  private static DoublePointer doubles(double[] values) {
    return JavaCppLimit.explain(
        () -> new DoublePointer(values.length == 0 ? new double[1] : values));
  }

  private static IntPointer ints(int[] values) {
    return JavaCppLimit.explain(() -> new IntPointer(values.length == 0 ? new int[1] : values));
  }

  static PointerPointer<Pointer> pointers(long[] addresses) {
    PointerPointer<Pointer> pointers =
        JavaCppLimit.explain(() -> new PointerPointer<>(addresses.length));
    for (int i = 0; i < addresses.length; i++) {
      pointers.put(i, new Address(addresses[i]));
    }
    return pointers;
  }
}
