// SPDX-License-Identifier: Apache-2.0
package org.merganser.symmetry;

import java.io.IOException;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Function;
import java.util.function.LongUnaryOperator;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.error.NumericalException;
import org.merganser.internal.Names;
import org.merganser.internal.kernel.Block;
import org.merganser.internal.kernel.Kernels;
import org.merganser.io.Checkpoint;
import org.merganser.io.CheckpointView;
import org.merganser.io.TensorCost;
import org.merganser.io.TensorInfo;
import org.merganser.linalg.Tensor;
import org.merganser.transformer.MovedStream;

/**
 * A canonical checkpoint each of whose tensors is L W M: a map of rows and a map of columns, of
 * which at most one mixes all entries. Tensors are mapped when they are read: as many rows as are
 * mixed, or the whole, which is gone through in columns then. Entries that are only moved, or
 * change their sign, are copied bit by bit; others are computed in F64 and rounded once.
 */
final class MappedCheckpoint extends CheckpointView implements MovedStream {
  /** Bytes from which on reading rows where they lie costs no more than reading all. */
  private static final long SHORTEST = 4096;

  /** Elements that are held in F64 at once, unless blocks are larger. */
  private static final long WIDE = 1 << 20;

  private final Checkpoint source;
  private final Function<String, Plan> maker;
  private final Map<String, Reading> readings = new ConcurrentHashMap<>();
  private final boolean movesStream;
  private final Check check;
  private volatile boolean checked;

  /**
   * How a tensor is made.
   *
   * @param source name in the source
   * @param values computed otherwise; null for L W M
   */
  record Plan(String source, AxisMap rows, AxisMap columns, Values values) {
    static Plan mapped(String source, AxisMap rows, AxisMap columns) {
      return new Plan(source, rows, columns, null);
    }

    static Plan given(String source, Values values) {
      return new Plan(source, AxisMap.IDENTITY, AxisMap.IDENTITY, values);
    }

    boolean isCopy() {
      return values == null && rows.isIdentity() && columns.isIdentity();
    }
  }

  /** Elements of a small tensor that follow from several. */
  interface Values {
    double[] get(Workspace ws) throws IOException;
  }

  /** What is looked at before anything else is read. */
  interface Check {
    void run(Workspace ws) throws IOException;
  }

  /**
   * @param tensors in the order of the model
   * @param maker gives the plan of a tensor
   * @param movesStream whether what reads the residual stream must be moved along
   */
  MappedCheckpoint(
      Checkpoint source,
      Map<String, TensorInfo> tensors,
      Function<String, Plan> maker,
      boolean movesStream,
      Check check) {
    super(tensors, List.of(source));
    this.source = source;
    this.maker = maker;
    this.movesStream = movesStream;
    this.check = check;
  }

  @Override
  public boolean movesStream() {
    return movesStream;
  }

  /**
   * A plan and how it is carried out, worked out once.
   *
   * @param inPlace whether rows are read where they lie, else all at once
   * @param block elements that are computed at once
   */
  private record Reading(Plan plan, boolean inPlace, long block) {}

  private Plan plan(String name) {
    return reading(name).plan();
  }

  private Reading reading(String name) {
    TensorInfo info = info(name);
    return readings.computeIfAbsent(
        name,
        each -> {
          Plan plan = maker.apply(name);
          long of = source.block(plan.source());
          if (plan.isCopy()) {
            return new Reading(plan, true, of);
          }
          boolean inPlace = !plan.rows().moves() || isReadInPlace(info, of, plan);
          long block =
              plan.values() != null || !inPlace
                  ? info.size()
                  : Math.max(of, plan.rows().block() * width(name));
          return new Reading(plan, inPlace, block);
        });
  }

  private long width(String name) {
    TensorInfo info = info(name);
    return info.rank() == 1 ? 1 : info.dim(1);
  }

  @Override
  public long block(String name) {
    return reading(name).block();
  }

  @Override
  public TensorCost cost(String name) {
    Plan plan = plan(name);
    TensorInfo info = info(name);
    TensorCost cost = source.cost(plan.source());
    if (plan.isCopy()) {
      return cost;
    }
    long elements = Math.min(info.size(), Math.max(block(name), WIDE));
    return cost.plus(TensorCost.stored(0), 2 * info.dtype().bytes(elements) + 2 * WIDE * 8);
  }

  /** Whether rows are read one by one: long runs of them, of a source that gives them. */
  private static boolean isReadInPlace(TensorInfo info, long block, Plan plan) {
    int rows = (int) info.dim(0);
    if (block > info.size() / rows) {
      return false;
    }
    long runs = 0;
    for (int r = 0; r < rows; runs++) {
      r += run(plan.rows(), r, rows);
    }
    return info.bytes() / runs >= SHORTEST;
  }

  /** How many rows follow each other in the source. */
  private static int run(AxisMap rows, int first, int end) {
    int run = 1;
    while (first + run < end && rows.source(first + run) == rows.source(first) + run) {
      run++;
    }
    return run;
  }

  @Override
  protected void fill(String name, long from, long to, Tensor into, Workspace ws)
      throws IOException {
    checkOnce(ws);
    Plan plan = plan(name);
    if (plan.values() != null) {
      try (Tensor values = Tensor.of(info(name).dtype(), plan.values().get(ws), ws);
          Tensor wanted = part(values, from, to)) {
        requireInRange(name, values, ws);
        into.copyFrom(wanted, ws);
      }
    } else if (plan.isCopy()) {
      source.readRange(plan.source(), from, to, into, ws);
      requireFinite(source, plan.source(), into, i -> from + i, ws);
    } else {
      map(name, plan, from, to, into, ws);
    }
  }

  private void checkOnce(Workspace ws) throws IOException {
    if (!checked) {
      check.run(ws);
      checked = true;
    }
  }

  private void map(String name, Plan plan, long from, long to, Tensor into, Workspace ws)
      throws IOException {
    long width = width(name);
    int first = Math.toIntExact(from / width);
    int rows = Math.toIntExact((to - from) / width);
    boolean copies = plan.columns().isIdentity() && plan.rows().isGather();
    if (copies) {
      take(name, plan, first, rows, into, ws);
      return;
    }
    try (Tensor taken = Tensor.allocate(into.dtype(), new long[] {rows, width}, ws);
        Tensor flat = taken.reshape(to - from)) {
      take(name, plan, first, rows, flat, ws);
      boolean once = !(plan.rows().rounds() && plan.columns().rounds());
      if (once || into.dtype() == DType.F64) {
        narrow(plan, taken, first, into, ws);
      } else {
        wide(plan, taken, first, into, ws);
      }
    }
    if (plan.rows().rounds() || plan.columns().rounds()) {
      requireInRange(name, into, ws);
    }
  }

  /** In the type of the tensor. */
  private static void narrow(Plan plan, Tensor taken, int first, Tensor into, Workspace ws) {
    int width = (int) taken.dim(1);
    AxisMap columns = plan.columns();
    Tensor current =
        columns.isIdentity()
            ? taken.reshape(taken.shape())
            : columns.columns(taken, 0, width, true, ws);
    try {
      current = columns.mixedColumns(current, 0, ws);
      current = plan.rows().scaledRows(current, first, ws);
      current = plan.rows().mixedRows(current, first, ws);
      try (Tensor flat = current.reshape(current.size())) {
        into.copyFrom(flat, ws);
      }
    } finally {
      current.close();
    }
  }

  /** In F64, since both sides round: some columns after the other. */
  private static void wide(Plan plan, Tensor taken, int first, Tensor into, Workspace ws) {
    AxisMap columns = plan.columns();
    int width = (int) taken.dim(1);
    long block = columns.block();
    int step = (int) Math.min(width, Math.max(1, WIDE / taken.dim(0) / block) * block);
    try (Tensor result = into.reshape(taken.dim(0), width)) {
      for (int at = 0; at < width; at += step) {
        int count = Math.min(step, width - at);
        Tensor current;
        try (Tensor some = columns.columns(taken, at, count, false, ws)) {
          current = some.to(DType.F64, ws);
        }
        try {
          current = columns.scaledColumns(current, at, ws);
          current = columns.mixedColumns(current, at, ws);
          current = plan.rows().scaledRows(current, first, ws);
          current = plan.rows().mixedRows(current, first, ws);
          try (Tensor rounded = current.to(into.dtype(), ws)) {
            AxisMap.intoColumns(rounded, result, at, ws);
          }
        } finally {
          current.close();
        }
      }
    }
  }

  /** Rows of the source that become those from {@code first} on. */
  private void take(String name, Plan plan, int first, int count, Tensor into, Workspace ws)
      throws IOException {
    long width = width(name);
    AxisMap rows = plan.rows();
    if (reading(name).inPlace()) {
      for (int r = 0; r < count; ) {
        int run = run(rows, first + r, first + count);
        long begin = rows.source(first + r) * width;
        try (Tensor part = part(into, r * width, (r + run) * width)) {
          source.readRange(plan.source(), begin, begin + run * width, part, ws);
        }
        r += run;
      }
    } else {
      try (Tensor whole = source.readOn(plan.source(), ws)) {
        AxisMap.gatherRows(whole, rows, first, count, width, into, ws);
      }
    }
    requireFinite(
        source,
        plan.source(),
        into,
        i -> rows.source((int) (first + i / width)) * width + i % width,
        ws);
  }

  /**
   * @param place of an element of {@code read} in the source
   */
  static void requireFinite(
      Checkpoint source, String name, Tensor read, LongUnaryOperator place, Workspace ws) {
    long[] found =
        Kernels.of(ws).tensors().nonFinite(read.dtype().code(), read.size(), Block.of(read));
    if (found[0] > 0) {
      try (Tensor one = part(read, found[1], found[1] + 1);
          Tensor host = one.toHost(ws)) {
        throw notFinite(source, name, place.applyAsLong(found[1]), host.get(0));
      }
    }
  }

  static NumericalException notFinite(Checkpoint source, String name, long element, double value) {
    return new NumericalException(
        "%s: %s %s: element %d is %s, and nothing that is not finite can be moved"
            .formatted(source, Names.quote(name), source.info(name), element, value));
  }

  private void requireInRange(String name, Tensor result, Workspace ws) {
    long[] found =
        Kernels.of(ws).tensors().nonFinite(result.dtype().code(), result.size(), Block.of(result));
    if (found[0] > 0) {
      throw new NumericalException(
          "%s %s: %d values are beyond the range of %s after they are moved; read the model as F32"
              .formatted(Names.quote(name), info(name), found[0], result.dtype()));
    }
  }

  @Override
  public String toString() {
    return source + " moved";
  }
}
