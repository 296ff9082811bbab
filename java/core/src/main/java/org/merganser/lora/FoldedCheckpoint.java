// SPDX-License-Identifier: Apache-2.0
package org.merganser.lora;

import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.error.IncompatibleModelsException;
import org.merganser.error.NumericalException;
import org.merganser.internal.Names;
import org.merganser.internal.Opened;
import org.merganser.internal.kernel.Block;
import org.merganser.internal.kernel.Kernels;
import org.merganser.internal.kernel.MatrixBlock;
import org.merganser.io.Checkpoint;
import org.merganser.io.CheckpointView;
import org.merganser.io.TensorCost;
import org.merganser.io.TensorInfo;
import org.merganser.linalg.Tensor;

/**
 * A model with an adapter in its weights, computed by groups of rows. Groups do not depend on what
 * is read: where a range begins or ends inside one, the whole product of the group is formed, so
 * that its bytes are the same whatever the backend makes of other shapes.
 */
final class FoldedCheckpoint extends CheckpointView {
  /** Elements of a group of rows, about. */
  private static final long GROUP = 1 << 19;

  private final Checkpoint base;
  private final LoraAdapter adapter;
  private final Map<String, Change> changes;

  /** Of a weight that is stored as [rows x columns]. */
  private record Change(LoraLayer layer, boolean transposed, DType type, long rows, long columns) {

    /** Rows that are computed at once: a power of two. */
    long group() {
      return Math.min(rows, Long.highestOneBit(Math.max(1, GROUP / columns)));
    }
  }

  private FoldedCheckpoint(Checkpoint base, LoraAdapter adapter, Map<String, Change> changes) {
    super(base.tensors(), List.of(base));
    this.base = base;
    this.adapter = adapter;
    this.changes = changes;
  }

  static FoldedCheckpoint of(Checkpoint base, LoraAdapter adapter) {
    List<String> problems = new ArrayList<>();
    adapter
        .whole()
        .forEach((target, own) -> replaced(base, target, adapter.tensors().info(own), problems));
    Map<String, Change> changes = new LinkedHashMap<>();
    List<String> square = new ArrayList<>();
    List<String> onlyPlain = new ArrayList<>();
    for (LoraLayer layer : adapter.layers().values()) {
      TensorInfo info = base.tensors().get(layer.target());
      if (info == null) {
        problems.add(missing(base, layer.target(), problems.size()));
        continue;
      }
      boolean plain = !layer.embedding() && info.shape().equals(layer.shape());
      boolean across =
          (layer.embedding() || adapter.config().fanInFanOut())
              && info.shape().equals(layer.transposedShape());
      if (!info.dtype().isArithmetic() || !plain && !across) {
        problems.add(misfit(info, layer));
        continue;
      }
      if (!layer.embedding() && plain) {
        (across ? square : onlyPlain).add(layer.target());
      }
      changes.put(layer.target(), change(layer, info, across));
    }
    if (!square.isEmpty() && !onlyPlain.isEmpty()) {
      problems.add(
          "'fan_in_fan_out' says that weights are stored transposed, and %s fits only as it is: which way square ones (%s) are cannot be told; set it to false, if none are"
              .formatted(Names.some(onlyPlain), Names.some(square)));
    }
    if (!problems.isEmpty()) {
      throw new IncompatibleModelsException(
          "adapter " + adapter + " does not fit " + base, problems);
    }
    return new FoldedCheckpoint(base, adapter, changes);
  }

  private static Change change(LoraLayer layer, TensorInfo info, boolean transposed) {
    boolean doubles =
        info.dtype() == DType.F64
            || layer.aInfo().dtype() == DType.F64
            || layer.bInfo().dtype() == DType.F64;
    long rows = info.dim(0);
    return new Change(layer, transposed, doubles ? DType.F64 : DType.F32, rows, info.size() / rows);
  }

  private static void replaced(
      Checkpoint base, String target, TensorInfo own, List<String> problems) {
    TensorInfo info = base.tensors().get(target);
    if (info == null) {
      problems.add(missing(base, target, problems.size()));
    } else if (!info.shape().equals(own.shape())
        || info.dtype() != own.dtype()
            && !(info.dtype().isArithmetic() && own.dtype().isArithmetic())) {
      problems.add(
          Names.quote(target) + " is " + info + "; the adapter has " + own + " in its place");
    }
  }

  private static String missing(Checkpoint base, String target, int before) {
    return Names.missing(target, base.tensors().keySet(), before)
        + (target.equals("lm_head.weight")
            ? ", which a model of tied embeddings stores no more"
            : "");
  }

  private static String misfit(TensorInfo info, LoraLayer layer) {
    boolean other = !layer.embedding() && info.shape().equals(layer.transposedShape());
    return Names.quote(layer.target())
        + " is "
        + info
        + "; A "
        + layer.aInfo()
        + " and B "
        + layer.bInfo()
        + " are for "
        + (layer.embedding() ? layer.transposedShape() : layer.shape())
        + (other ? ", or with 'fan_in_fan_out' for its transpose" : "");
  }

  @Override
  public long block(String name) {
    Change change = changes.get(name);
    // What is computed at once is what is read at once.
    return Math.max(
        change == null ? 1 : change.group() * change.columns(),
        adapter.whole().containsKey(name)
            ? adapter.tensors().block(adapter.whole().get(name))
            : base.block(name));
  }

  @Override
  public TensorCost cost(String name) {
    String own = adapter.whole().get(name);
    TensorCost cost = own == null ? base.cost(name) : adapter.tensors().cost(own);
    Change change = changes.get(name);
    if (change == null) {
      return cost;
    }
    LoraLayer layer = change.layer();
    long elements =
        change.group() * change.columns() + Math.max(layer.aInfo().size(), layer.bInfo().size());
    TensorInfo whole = change.transposed() ? layer.bInfo() : layer.aInfo();
    TensorInfo byRows = change.transposed() ? layer.aInfo() : layer.bInfo();
    long groups = (change.rows() + change.group() - 1) / change.group();
    return cost.plus(
        TensorCost.stored(groups * whole.bytes() + byRows.bytes()), change.type().bytes(elements));
  }

  @Override
  protected void fill(String name, long from, long to, Tensor into, Workspace ws)
      throws IOException {
    String own = adapter.whole().get(name);
    if (own == null) {
      base.readRange(name, from, to, into, ws);
    } else {
      replace(name, own, from, to, into, ws);
    }
    if (changes.containsKey(name) && to > from) {
      add(changes.get(name), from, to, into, ws);
    }
  }

  private void replace(String name, String own, long from, long to, Tensor into, Workspace ws)
      throws IOException {
    DType stored = adapter.tensors().info(own).dtype();
    if (stored == into.dtype()) {
      adapter.tensors().readRange(own, from, to, into, ws);
      return;
    }
    try (Tensor read = Tensor.allocate(stored, new long[] {to - from}, ws)) {
      adapter.tensors().readRange(own, from, to, read, ws);
      requireWithin(name, into.convertFrom(read, ws), into.dtype());
    }
  }

  /** Adds the change to elements of the weight. */
  private void add(Change change, long from, long to, Tensor into, Workspace ws)
      throws IOException {
    long columns = change.columns();
    Checkpoint factors = adapter.tensors().as(change.type());
    String whole = change.transposed() ? change.layer().b() : change.layer().a();
    long[] shape =
        change.transposed()
            ? new long[] {columns, change.layer().rank()}
            : new long[] {change.layer().rank(), columns};
    try (Tensor right = Tensor.allocate(change.type(), shape, ws)) {
      factors.readRange(whole, 0, right.size(), right, ws);
      for (long first = from / columns / change.group() * change.group();
          first * columns < to;
          first += change.group()) {
        long last = Math.min(change.rows(), first + change.group());
        long begin = Math.max(from, first * columns);
        long end = Math.min(to, last * columns);
        try (Tensor left = rows(change, factors, first, last, ws);
            Tensor sum = Tensor.allocate(change.type(), new long[] {last - first, columns}, ws);
            Tensor wanted = part(sum, begin - first * columns, end - first * columns);
            Tensor target = part(into, begin - from, end - from)) {
          // Rows that were not asked for hold anything: no other depends on them.
          wanted.convertFrom(target, ws);
          multiplyAdd(change, left, right, sum, ws);
          requireFinite(change.layer().target(), wanted, target, ws);
          requireWithin(change.layer().target(), target.convertFrom(wanted, ws), into.dtype());
        }
      }
    }
  }

  /** Rows of B, or columns of A. */
  private static Tensor rows(Change change, Checkpoint factors, long first, long last, Workspace ws)
      throws IOException {
    long rank = change.layer().rank();
    long count = last - first;
    long[] shape = change.transposed() ? new long[] {rank, count} : new long[] {count, rank};
    try (Opened opened = new Opened()) {
      Tensor rows = opened.add(Tensor.allocate(change.type(), shape, ws));
      if (change.transposed()) {
        for (long k = 0; k < rank; k++) {
          try (Tensor place = part(rows, k * count, (k + 1) * count)) {
            long begin = k * change.rows();
            factors.readRange(change.layer().a(), begin + first, begin + last, place, ws);
          }
        }
      } else {
        factors.readRange(change.layer().b(), first * rank, last * rank, rows, ws);
      }
      opened.release();
      return rows;
    }
  }

  private static void multiplyAdd(
      Change change, Tensor left, Tensor right, Tensor sum, Workspace ws) {
    Kernels.of(ws)
        .linAlg()
        .gemm(
            change.layer().scale(),
            matrix(left),
            change.transposed(),
            matrix(right),
            change.transposed(),
            1,
            matrix(sum));
  }

  private static MatrixBlock matrix(Tensor tensor) {
    return new MatrixBlock(tensor.dtype().code(), tensor.dim(0), tensor.dim(1), Block.of(tensor));
  }

  /** What is not finite in the model stays so; an adapter adds none. */
  private void requireFinite(String name, Tensor sum, Tensor before, Workspace ws) {
    long found = nonFinite(sum, ws);
    long were = found == 0 ? 0 : nonFinite(before, ws);
    if (found > were) {
      throw new NumericalException(
          "%s with adapter %s: %d values or more are not finite, where the model has %d"
              .formatted(Names.quote(name), adapter, found, were));
    }
  }

  static long nonFinite(Tensor tensor, Workspace ws) {
    return Kernels.of(ws)
        .tensors()
        .nonFinite(tensor.dtype().code(), tensor.size(), Block.of(tensor))[0];
  }

  private static void requireWithin(String name, long beyond, DType type) {
    if (beyond > 0) {
      throw new NumericalException(
          Names.quote(name)
              + " with its adapter: "
              + beyond
              + " values or more are beyond the range of "
              + type);
    }
  }

  @Override
  public String toString() {
    return base + " with adapter " + adapter;
  }
}
