// SPDX-License-Identifier: Apache-2.0
package org.merganser.internal.kernel;

import org.bytedeco.javacpp.DoublePointer;
import org.bytedeco.javacpp.Loader;
import org.merganser.natives.global.merganser;
import org.merganser.natives.mg_ranked_drop_options;
import org.merganser.natives.mg_task;
import org.merganser.natives.mg_threshold;

/** Merge arithmetic over arrays of one type: sums, task vectors, magnitudes. */
public final class MergeKernels {
  private static final long TASK_BYTES = Loader.sizeof(mg_task.class);
  private static final long THRESHOLD_BYTES = Loader.sizeof(mg_threshold.class);

  private static final long DROP_BYTES = Loader.sizeof(mg_ranked_drop_options.class);

  private final Context context;

  MergeKernels(Context context) {
    this.context = context;
  }

  public void weightedSum(int dtype, long count, Block[] in, double[] weights, Block out) {
    Kernels.requireLength("weights", weights.length, in.length);
    try (Call call = context.enter()) {
      call.check(
          merganser.mg_weighted_sum(
              call.context(),
              dtype,
              count,
              in.length,
              call.ins(in),
              call.list(weights),
              call.out(out)));
    }
  }

  /** What becomes of one task vector; {@code trim} is an {@code mg_trim}. */
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
      return new Task(weight, 1, merganser.MG_TRIM_NONE, 0, 0, 0, 0, 0);
    }

    /** Keeps magnitudes above the threshold, and those equal to it up to an index. */
    public static Task magnitude(double weight, Threshold threshold) {
      return new Task(
          weight, 1, merganser.MG_TRIM_MAGNITUDE, threshold.value(), threshold.last(), 0, 0, 0);
    }

    /** Keeps an element with probability {@code keep / 2^32}, times {@code scale}. */
    public static Task random(double weight, double scale, long key, int subsequence, long keep) {
      return new Task(weight, scale, merganser.MG_TRIM_RANDOM, 0, 0, key, subsequence, keep);
    }

    public Task weighing(double other) {
      return new Task(other, scale, trim, threshold, last, key, subsequence, keep);
    }

    public Task scaled(double other) {
      return new Task(weight, other, trim, threshold, last, key, subsequence, keep);
    }
  }

  /**
   * The magnitude of a rank, and the index of the last kept one that is equal to it, or one beyond
   * all when all are.
   */
  public record Threshold(double value, long last) {}

  /** How task vectors become one; see {@code mg_task_merge}. */
  public record Mix(boolean elect, boolean normalise, double lambda) {}

  /** {@code first} is the index of the arrays' first element in their tensor. */
  public void taskMerge(
      int dtype, long first, long count, Block base, Block[] in, Task[] tasks, Mix mix, Block out) {
    Kernels.requireLength("tasks", tasks.length, in.length);
    try (Call call = context.enter()) {
      mg_task all = new mg_task(call.room(tasks.length * TASK_BYTES));
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
      call.check(
          merganser.mg_task_merge(
              call.context(),
              dtype,
              first,
              count,
              in.length,
              call.in(base),
              call.ins(in),
              all.position(0),
              mix.elect() ? 1 : 0,
              mix.normalise() ? 1 : 0,
              mix.lambda(),
              call.out(out)));
    }
  }

  /** {x.y, x.x, y.y} */
  public double[] dotProducts(int dtype, long count, Block x, Block y) {
    double[] sums = new double[3];
    try (Call call = context.enter()) {
      call.check(
          merganser.mg_dot_products(call.context(), dtype, count, call.in(x), call.in(y), sums));
    }
    return sums;
  }

  /** The constants of {@code mg_formula}, in its order. */
  public enum Formula {
    NEARSWAP,
    MAGMAX,
    RAM,
    VARIANCE,
    SCE,
    SCE_SELECTED,
    CONSENSUS,
    EMR,
    WHERE,
    WEIGHTED
  }

  /** The constants of {@code mg_formula_sum}, in its order. */
  public enum FormulaSum {
    ACTIVE(2),
    SQUARES(1),
    AGREEMENT(2);

    private final int values;

    FormulaSum(int values) {
      this.values = values;
    }
  }

  /**
   * @param base null for 0
   * @param parameters two numbers, then one for each model
   * @param selected null for all
   */
  public void formula(
      Formula formula,
      int dtype,
      long first,
      long count,
      Block base,
      Block[] in,
      double[] parameters,
      Threshold selected,
      Block out) {
    Kernels.requireLength("parameters", parameters.length, in.length + 2);
    try (Call call = context.enter()) {
      call.check(
          merganser.mg_formula_merge(
              call.context(),
              dtype,
              formula.ordinal(),
              first,
              count,
              in.length,
              call.in(base),
              call.ins(in),
              call.list(parameters),
              threshold(call, selected),
              call.out(out)));
    }
  }

  /** The values of a model after those of the one before; arguments as of {@link #formula}. */
  public double[] formulaSums(
      FormulaSum sum,
      int dtype,
      long first,
      long count,
      Block base,
      Block[] in,
      double[] parameters,
      Threshold selected) {
    Kernels.requireLength("parameters", parameters.length, in.length + 2);
    double[] sums = new double[in.length * sum.values];
    try (Call call = context.enter()) {
      DoublePointer list = call.list(sums);
      call.check(
          merganser.mg_formula_sums(
              call.context(),
              dtype,
              sum.ordinal(),
              first,
              count,
              in.length,
              call.in(base),
              call.ins(in),
              call.list(parameters),
              threshold(call, selected),
              list));
      list.get(sums);
    }
    return sums;
  }

  private static mg_threshold threshold(Call call, Threshold selected) {
    return selected == null
        ? null
        : new mg_threshold(call.room(THRESHOLD_BYTES))
            .threshold(selected.value())
            .last(selected.last());
  }

  /** How much the softmax of each row differs from that of the base's. */
  public double[] rowDivergences(int dtype, long rows, long cols, Block x, Block base) {
    double[] divergences = new double[Math.toIntExact(rows)];
    try (Call call = context.enter()) {
      call.check(
          merganser.mg_row_divergences(
              call.context(), dtype, rows, cols, call.in(x), call.in(base), divergences));
    }
    return divergences;
  }

  /**
   * {@code |x - base|} times the divergence of the row.
   *
   * @param skipped elements of the first row of {@code divergences} before the arrays
   */
  public void fusionScores(
      int dtype,
      long skipped,
      long count,
      long cols,
      Block x,
      Block base,
      double[] divergences,
      Block out) {
    try (Call call = context.enter()) {
      call.check(
          merganser.mg_fusion_scores(
              call.context(),
              dtype,
              skipped,
              count,
              cols,
              call.in(x),
              call.in(base),
              divergences,
              call.out(out)));
    }
  }

  /** Writes the XOR of all {@code in} to every {@code out}: the measure of memory. */
  public void bandwidth(long bytes, Block[] in, Block[] out) {
    try (Call call = context.enter()) {
      call.check(
          merganser.mg_bandwidth(
              call.context(), bytes, in.length, call.ins(in), out.length, call.outs(out)));
    }
  }

  /** Adds to {@code sums} as {@code mg_magnitude_counts} does; {@code base} null for none. */
  void magnitudeCounts(
      int dtype, long count, Block x, Block base, int shift, int width, long prefix, Block sums) {
    try (Call call = context.enter()) {
      call.check(
          merganser.mg_magnitude_counts(
              call.context(),
              dtype,
              count,
              call.in(x),
              call.in(base),
              shift,
              width,
              prefix,
              call.inOutLongs(sums)));
    }
  }

  /** {number found, index of the last or -1} */
  long[] magnitudeFind(int dtype, long count, Block x, Block base, double threshold, long need) {
    long[] found = new long[1];
    long[] index = new long[1];
    try (Call call = context.enter()) {
      call.check(
          merganser.mg_magnitude_find(
              call.context(),
              dtype,
              count,
              call.in(x),
              call.in(base),
              threshold,
              need,
              found,
              index));
    }
    return new long[] {found[0], index[0]};
  }

  /** See {@code mg_ranked_drop_options}. */
  public record RankedDrop(
      double density, double epsilon, long key, int subsequence, boolean inverse) {}

  /** Writes the differences that are kept, in F32 or F64. */
  public void rankedDrop(
      int dtype,
      long rows,
      long length,
      long first,
      Block x,
      Block base,
      RankedDrop drop,
      Block out) {
    try (Call call = context.enter()) {
      mg_ranked_drop_options options = new mg_ranked_drop_options(call.room(DROP_BYTES));
      options
          .density(drop.density())
          .epsilon(drop.epsilon())
          .key(drop.key())
          .subsequence(drop.subsequence())
          .inverse(drop.inverse() ? 1 : 0);
      call.check(
          merganser.mg_ranked_drop(
              call.context(),
              dtype,
              rows,
              length,
              first,
              call.in(x),
              call.in(base),
              options,
              call.out(out)));
    }
  }
}
