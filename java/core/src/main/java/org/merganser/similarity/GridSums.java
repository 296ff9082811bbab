// SPDX-License-Identifier: Apache-2.0
package org.merganser.similarity;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import java.util.stream.LongStream;
import java.util.stream.Stream;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.linalg.Matrix;

/** What a {@link GridAccumulator} keeps, one form for each kind of {@link Plan}. */
abstract class GridSums implements AutoCloseable {
  private final Plan plan;
  final int layersA;
  final boolean same;
  final Workspace ws;

  GridSums(Plan plan, int layersA, boolean same, Workspace ws) {
    this.plan = plan;
    this.layersA = layersA;
    this.same = same;
    this.ws = ws;
  }

  /**
   * @param all layers of A, then of B unless they are the same
   * @param expected samples, or -1
   */
  static GridSums of(
      Plan plan,
      List<Matrix> all,
      int layersA,
      boolean same,
      long expected,
      DType precision,
      Workspace ws) {
    return switch (plan.kind()) {
      case FEATURE -> {
        long[] widths = all.stream().mapToLong(Matrix::columns).toArray();
        long[] a = IntStream.range(0, layersA).mapToLong(l -> widths[l]).toArray();
        long[] b =
            IntStream.range(same ? 0 : layersA, widths.length).mapToLong(l -> widths[l]).toArray();
        yield new Features(plan, layersA, same, FeatureSums.of(a, b, ws), ws);
      }
      case MINIBATCH -> {
        int layersB = same ? layersA : all.size() - layersA;
        BatchKernels kernels = BatchKernels.of(plan.kernel(), precision, all.size());
        MinibatchSums sums = new MinibatchSums(layersA, layersB, kernels);
        yield new Minibatches(plan, layersA, same, sums, 0, ws);
      }
      case FULL -> new Full(plan, layersA, same, expected, precision, ws);
    };
  }

  Plan plan() {
    return plan;
  }

  final List<Matrix> left(List<Matrix> all) {
    return all.subList(0, layersA);
  }

  final List<Matrix> right(List<Matrix> all) {
    return same ? left(all) : all.subList(layersA, all.size());
  }

  abstract void add(List<Matrix> all);

  /** Features of the layers of A, then of B, where these matter to the sums. */
  List<Integer> widths() {
    return List.of();
  }

  /** Why sums of the same plan do not fit; empty where they do. */
  String difference(GridSums other) {
    return "";
  }

  /** No samples come any more. */
  void finish() {}

  abstract void merge(GridSums other);

  /** Rows that went in, and those that did not fill a batch. */
  abstract long samples();

  long leftOver() {
    return 0;
  }

  @Override
  public abstract void close();

  static final class Features extends GridSums {
    private final FeatureSums sums;

    Features(Plan plan, int layersA, boolean same, FeatureSums sums, Workspace ws) {
      super(plan, layersA, same, ws);
      this.sums = sums;
    }

    FeatureSums sums() {
      return sums;
    }

    @Override
    List<Integer> widths() {
      return Stream.concat(sums.left().stream(), sums.right().stream())
          .map(layer -> layer.mean().length)
          .toList();
    }

    @Override
    void add(List<Matrix> all) {
      sums.add(left(all), right(all), ws);
    }

    @Override
    void merge(GridSums other) {
      sums.merge(((Features) other).sums, ws);
    }

    @Override
    long samples() {
      return sums.samples();
    }

    @Override
    public void close() {
      sums.close();
    }
  }

  static final class Minibatches extends GridSums {
    private final MinibatchSums sums;
    private final Rebatcher batches;
    private long leftOver;

    Minibatches(
        Plan plan, int layersA, boolean same, MinibatchSums sums, long leftOver, Workspace ws) {
      super(plan, layersA, same, ws);
      this.sums = sums;
      this.leftOver = leftOver;
      this.batches = new Rebatcher(plan.batch(), ws);
    }

    MinibatchSums sums() {
      return sums;
    }

    @Override
    void add(List<Matrix> all) {
      batches.add(all, batch -> sums.add(left(batch), right(batch), same, ws));
    }

    @Override
    void finish() {
      if (plan().remainder() == MinibatchCka.Remainder.KEEP) {
        batches.finish(MinibatchSums.LEAST, batch -> sums.add(left(batch), right(batch), same, ws));
      }
      leftOver += batches.waiting();
      batches.close();
    }

    @Override
    String difference(GridSums other) {
      String bandwidths = sums.kernels().difference(((Minibatches) other).sums.kernels());
      return bandwidths.isEmpty() ? "" : "bandwidths: " + bandwidths;
    }

    @Override
    void merge(GridSums other) {
      other.finish();
      sums.merge(((Minibatches) other).sums);
      leftOver += other.leftOver();
    }

    @Override
    long samples() {
      return sums.samples();
    }

    @Override
    long leftOver() {
      return leftOver;
    }

    @Override
    public void close() {
      batches.close();
    }
  }

  static final class Full extends GridSums {
    private final Rebatcher all;
    private final long expected;
    private final DType precision;
    private GramRows left;
    private GramRows right;

    Full(Plan plan, int layersA, boolean same, long expected, DType precision, Workspace ws) {
      super(plan, layersA, same, ws);
      if (expected < 1 || expected > Plan.MOST_SAMPLES) {
        throw new IllegalArgumentException(
            "Gram matrices of all samples are for a known number of at most "
                + Plan.MOST_SAMPLES
                + ", not "
                + (expected < 0 ? "any" : expected)
                + "; take another plan");
      }
      this.expected = expected;
      this.precision = precision;
      this.all = new Rebatcher(expected, ws);
    }

    /** As saved; takes the rows, of which both may be the same. */
    Full(Plan plan, boolean same, GramRows left, GramRows right, DType precision, Workspace ws) {
      this(plan, left.widths().length, same, left.norms().columns(), precision, ws);
      this.left = left;
      this.right = right;
    }

    @Override
    List<Integer> widths() {
      return left == null
          ? List.of()
          : LongStream.concat(Arrays.stream(left.widths()), Arrays.stream(right.widths()))
              .mapToObj(Math::toIntExact)
              .toList();
    }

    @Override
    void add(List<Matrix> batch) {
      if (left != null) {
        throw new IllegalArgumentException(
            "more than the " + expected + " samples that were to come");
      }
      all.add(batch, this::take);
    }

    private void take(List<Matrix> layers) {
      left = GramRows.of(left(layers), precision, ws);
      right = same ? left : GramRows.of(right(layers), precision, ws);
    }

    @Override
    void finish() {
      all.finish(1, this::take);
      all.close();
    }

    GramRows leftRows() {
      return left;
    }

    GramRows rightRows() {
      return right;
    }

    @Override
    void merge(GridSums other) {
      throw new IllegalArgumentException(
          "Gram matrices of all samples do not merge: each has products of every pair of samples");
    }

    @Override
    long samples() {
      return left.norms().columns();
    }

    @Override
    public void close() {
      all.close();
      List<GramRows> owned = new ArrayList<>();
      if (left != null) {
        owned.add(left);
      }
      if (right != null && right != left) {
        owned.add(right);
      }
      owned.forEach(GramRows::close);
    }
  }
}
