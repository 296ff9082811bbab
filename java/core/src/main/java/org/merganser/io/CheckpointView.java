// SPDX-License-Identifier: Apache-2.0
package org.merganser.io;

import java.io.IOException;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.merganser.compute.Workspace;
import org.merganser.linalg.Tensor;

/**
 * A checkpoint that computes what is read from others. Everything but the elements follows from the
 * first of them: metadata; what is stale in any of them stays so, under its name; a block is the
 * largest of theirs. Views override what they change. Closing a view closes nothing.
 *
 * <p>{@link #fill} is asked for whole blocks only, in order, so that a view whose elements depend
 * on a row says so in {@link #block} and gets rows.
 */
public abstract class CheckpointView implements Checkpoint {
  /** Elements that views read of a source at once, as a rule. */
  private static final long TILE = 1 << 20;

  private final List<Checkpoint> sources;
  private final Map<String, TensorInfo> tensors;

  /** With the tensors of the source. */
  protected CheckpointView(Checkpoint source) {
    this(source.tensors(), List.of(source));
  }

  /**
   * With tensors of its own.
   *
   * @param tensors in order
   * @param sources at least one, from whose tensors of the same names these are made
   */
  protected CheckpointView(Map<String, TensorInfo> tensors, List<? extends Checkpoint> sources) {
    this.sources = List.copyOf(sources);
    this.tensors = Collections.unmodifiableMap(new LinkedHashMap<>(tensors));
  }

  /**
   * Computes elements {@code from} to {@code to}, which are multiples of {@link #block} or the end.
   *
   * @param into a vector of the tensor's type and so many elements, on whichever device
   */
  protected abstract void fill(String name, long from, long to, Tensor into, Workspace ws)
      throws IOException;

  /** What is looked at; the first gives metadata. */
  public final List<Checkpoint> sources() {
    return sources;
  }

  /** Elements of a tensor as a vector that shares their memory. */
  protected static Tensor part(Tensor tensor, long from, long to) {
    return Ranges.part(tensor, from, to);
  }

  @Override
  public final Map<String, TensorInfo> tensors() {
    return tensors;
  }

  @Override
  public Map<String, String> metadata() {
    return sources.get(0).metadata();
  }

  @Override
  public Set<String> stale() {
    Set<String> stale = new LinkedHashSet<>();
    sources.forEach(source -> stale.addAll(source.stale()));
    stale.retainAll(tensors.keySet());
    return Collections.unmodifiableSet(stale);
  }

  @Override
  public long block(String name) {
    info(name);
    long block = 1;
    for (Checkpoint source : sources) {
      if (source.tensors().containsKey(name)) {
        block = Math.max(block, source.block(name));
      }
    }
    return block;
  }

  /**
   * By default that of the sources' tensors of this name, and a tile of each; where they have none,
   * as if it were stored.
   */
  @Override
  public TensorCost cost(String name) {
    TensorInfo info = info(name);
    TensorCost cost = TensorCost.stored(0);
    for (Checkpoint source : sources) {
      TensorInfo of = source.tensors().get(name);
      if (of != null) {
        long tile = Math.min(of.size(), Math.max(source.block(name), TILE));
        cost = cost.plus(source.cost(name), of.dtype().bits() * tile / 8);
      }
    }
    return cost.reads() == 0 ? TensorCost.stored(info.bytes()) : cost;
  }

  @Override
  public final void readRange(String name, long from, long to, Tensor into, Workspace ws)
      throws IOException {
    TensorInfo info = info(name);
    Ranges.check(name, info, from, to, into);
    if (from == to && info.size() > 0) {
      return;
    }
    long block = block(name);
    long begin = from / block * block;
    long end = to == from ? begin : Math.min(info.size(), (to - 1) / block * block + block);
    if (begin == from && end == to) {
      try (Tensor flat = into.reshape(to - from)) {
        fill(name, from, to, flat, ws);
      }
      return;
    }
    try (Tensor blocks = Tensor.allocate(info.dtype(), new long[] {end - begin}, ws);
        Tensor wanted = part(blocks, from - begin, to - begin);
        Tensor flat = into.reshape(to - from)) {
      fill(name, begin, end, blocks, ws);
      flat.copyFrom(wanted, ws);
    }
  }

  @Override
  public final void close() {
    // Borrowed.
  }

  @Override
  public String toString() {
    return sources.get(0).toString();
  }
}
