// SPDX-License-Identifier: Apache-2.0
package org.merganser.merge;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentHashMap;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.error.IncompatibleModelsException;
import org.merganser.error.NumericalException;
import org.merganser.internal.Names;
import org.merganser.io.Checkpoint;
import org.merganser.io.CheckpointView;
import org.merganser.io.TensorCost;
import org.merganser.io.TensorInfo;
import org.merganser.linalg.Tensor;
import org.merganser.merge.TensorMerger.Group;
import org.merganser.merge.TensorMerger.TileFunction;

/** What any {@link TensorMerger} makes of a problem: all but the function on tiles. */
final class MergedCheckpoint extends CheckpointView {
  private final TensorMerger merger;
  private final MergeProblem problem;

  /** Of tensors read before; empty for what is copied. */
  private final Map<String, Optional<Prepared>> functions = new ConcurrentHashMap<>();

  /**
   * A function with its statistics.
   *
   * @param checks whether values that are read must be looked at before they are merged: not where
   *     results tell, nor where statistics have seen them all, of inputs that do not change since
   */
  private record Prepared(TileFunction function, boolean checks) {}

  /** Held while a tensor is compared, or its function prepared. */
  private final Map<String, Object> locks = new ConcurrentHashMap<>();

  /** Tensors that were compared and found to be the same in all models. */
  private final Set<String> equal = ConcurrentHashMap.newKeySet();

  /** The method with the statistics of the whole model, once they are taken. */
  private TensorMerger overModel;

  MergedCheckpoint(TensorMerger merger, MergeProblem problem) {
    super(problem.models().get(0).tensors(), problem.all());
    this.merger = merger;
    this.problem = problem;
  }

  @Override
  public long block(String name) {
    TensorInfo info = info(name);
    if (!isComputed(name, info)) {
      return super.block(name);
    }
    OptionalInt chosen = merger.of(name).choose(name, info);
    if (chosen.isPresent()) {
      return problem.models().get(chosen.getAsInt()).block(name);
    }
    return switch (merger.of(name).access(group(name))) {
      case ELEMENTS -> super.block(name);
      case ROWS -> Math.max(super.block(name), TensorGroup.row(info));
      case WHOLE -> Math.max(1, info.size());
    };
  }

  @Override
  public TensorCost cost(String name) {
    TensorInfo info = info(name);
    if (!isComputed(name, info)) {
      // All are compared before the first is taken.
      return problem.counters().contains(name)
          ? problem.models().get(0).cost(name)
          : super.cost(name).plus(problem.models().get(0).cost(name), 0);
    }
    TensorMerger method = merger.of(name);
    OptionalInt chosen = method.choose(name, info);
    if (chosen.isPresent()) {
      return problem.models().get(chosen.getAsInt()).cost(name);
    }
    TensorMerger.Demand demand = method.demand(group(name));
    long tile = demand.passes() > 1 ? TensorGroup.TILE : TensorGroup.CACHED;
    tile = Math.min(info.size(), Math.max(block(name), tile));
    TensorCost read = TensorCost.stored(0);
    for (Checkpoint source : sources()) {
      read = read.plus(source.cost(name), info.dtype().bits() * tile / 8);
    }
    read = importances(name, tile, method, read);
    return read.by(method.id(), demand.passes(), demand.held());
  }

  /** Tiles of them as they are stored and as they are reckoned with, as models are then, too. */
  private TensorCost importances(String name, long tile, TensorMerger method, TensorCost read) {
    DType type = info(name).dtype();
    DType wide = type == DType.F64 ? DType.F64 : DType.F32;
    boolean fisher = method.needs().importance() == Merger.Importance.FISHER;
    boolean any = false;
    TensorCost cost = read;
    for (Checkpoint weighing : problem.importances()) {
      TensorInfo stored = weighing.tensors().get(name);
      if (stored != null) {
        // Gram matrices, which are read whole, are in what the method demands.
        long held = stored.dtype() == wide ? 0 : stored.dtype().bits() * tile / 8;
        cost = cost.plus(weighing.cost(name), fisher ? wide.bytes(tile) + held : 0);
        any = true;
      }
    }
    long terms = fisher && any && type != wide ? problem.models().size() + 1 : 0;
    return cost.plus(TensorCost.stored(0), terms * wide.bytes(tile));
  }

  private TensorGroup group(String name) {
    return new TensorGroup(problem, sources(), name, merger.of(name));
  }

  private boolean isComputed(String name, TensorInfo info) {
    return info.dtype().isArithmetic() && !problem.counters().contains(name);
  }

  @Override
  protected void fill(String name, long from, long to, Tensor into, Workspace ws)
      throws IOException {
    TensorInfo info = info(name);
    OptionalInt chosen = OptionalInt.empty();
    if (isComputed(name, info)) {
      TensorMerger method = (merger.isOverModel() ? overModel(ws) : merger).of(name);
      chosen = method.choose(name, info);
      if (chosen.isEmpty()) {
        merge(method, new TensorGroup(problem, sources(), name, method), from, to, into, ws);
        return;
      }
    } else if (!problem.counters().contains(name)) {
      requireEqual(name, ws);
    }
    problem.models().get(chosen.orElse(0)).readRange(name, from, to, into, ws);
  }

  private void merge(
      TensorMerger method, TensorGroup group, long from, long to, Tensor into, Workspace ws)
      throws IOException {
    Optional<Prepared> prepared = prepared(method, group, ws);
    if (prepared.isEmpty()) {
      problem.models().get(0).readRange(group.name(), from, to, into, ws);
      return;
    }
    long beyond;
    try {
      beyond = compute(method, prepared.get(), group, from, to, into, ws);
    } catch (UncheckedIOException e) {
      throw e.getCause();
    } catch (TensorGroup.NotFinite e) {
      requireMask(method, group, ws);
      beyond = mask(method, prepared.get(), group, from, to, into, ws);
    }
    if (beyond > 0) {
      throw refused(method, prepared.get(), group, beyond, ws);
    }
  }

  /**
   * Of a mask, units that are not finite are copied, and the rest is computed: the same whatever
   * parts are read.
   */
  private long mask(
      TensorMerger method,
      Prepared prepared,
      TensorGroup group,
      long from,
      long to,
      Tensor into,
      Workspace ws)
      throws IOException {
    long beyond = 0;
    long tile = tile(group.name(), TensorGroup.TILE);
    for (long begin = from / tile * tile; begin < to; begin += tile) {
      try (Tensor all = group.reference(begin, Math.min(group.info().size(), begin + tile), ws)) {
        for (long at = 0, next; at < all.size(); at = next) {
          next = group.run(all, at);
          long first = Math.max(from, begin + at);
          long end = Math.min(to, begin + next);
          if (first < end) {
            try (Tensor part = into.rows(first - from, end - from)) {
              if (group.isFinite(all, at)) {
                beyond += compute(method, prepared, group, first, end, part, ws);
              } else {
                problem.models().get(0).readRange(group.name(), first, end, part, ws);
              }
            }
          }
        }
      }
    }
    return beyond;
  }

  /** Compared once, whoever reads it. */
  private void requireMask(TensorMerger method, TensorGroup group, Workspace ws)
      throws IOException {
    if (!isMask(method, group, ws)) {
      throw group.notFinite(ws);
    }
  }

  private boolean isMask(TensorMerger method, TensorGroup group, Workspace ws) throws IOException {
    synchronized (lock(group.name())) {
      if (!equal.contains(group.name()) && method.keepsEqual() && group.isMask(ws)) {
        equal.add(group.name());
      }
      return equal.contains(group.name());
    }
  }

  private Object lock(String name) {
    return locks.computeIfAbsent(name, key -> new Object());
  }

  private synchronized TensorMerger overModel(Workspace ws) throws IOException {
    if (overModel == null) {
      try {
        overModel = overModel(groups(false, ws), ws);
      } catch (TensorGroup.NotFinite e) {
        overModel = overModel(groups(true, ws), ws);
      }
    }
    return overModel;
  }

  private TensorMerger overModel(List<Group> groups, Workspace ws) throws IOException {
    return groups.isEmpty() ? merger : merger.overModel(groups, ws);
  }

  /** Of the tensors that are computed. */
  private List<Group> groups(boolean withoutMasks, Workspace ws) throws IOException {
    List<Group> groups = new ArrayList<>();
    for (String name : new TreeSet<>(tensors().keySet())) {
      TensorGroup group = new TensorGroup(problem, sources(), name, merger);
      if (isComputed(name, info(name)) && !(withoutMasks && isNotFinite(group, ws))) {
        groups.add(group);
      }
    }
    return groups;
  }

  private boolean isNotFinite(TensorGroup group, Workspace ws) throws IOException {
    try {
      group.tiles(tile -> {}, ws);
      return false;
    } catch (TensorGroup.NotFinite e) {
      requireMask(merger, group, ws);
      functions.put(group.name(), Optional.empty());
      return true;
    }
  }

  /**
   * Goes through a tensor once, whoever reads it meanwhile; those of others do not wait. Empty for
   * a mask that statistics cannot be taken of, which is copied.
   */
  private Optional<Prepared> prepared(TensorMerger method, TensorGroup group, Workspace ws)
      throws IOException {
    synchronized (lock(group.name())) {
      Optional<Prepared> prepared = functions.get(group.name());
      if (prepared == null) {
        try {
          TileFunction function = method.prepare(group, ws);
          boolean checks =
              !method.propagates() && !method.carriesNonFinite() && !group.wasSeenWhole();
          prepared = Optional.of(new Prepared(function, checks));
        } catch (TensorGroup.NotFinite e) {
          requireMask(method, group, ws);
          prepared = Optional.empty();
        }
        functions.put(group.name(), prepared);
      }
      return prepared;
    }
  }

  /** Returns how many results are not finite. */
  private long compute(
      TensorMerger method,
      Prepared prepared,
      TensorGroup group,
      long from,
      long to,
      Tensor into,
      Workspace ws)
      throws IOException {
    long[] beyond = new long[1];
    group.each(
        from,
        to,
        tile(group.name(), TensorGroup.tile(ws)),
        into,
        prepared.checks(),
        tile -> {
          long begin = tile.first() - from;
          Tensor like = tile.models().get(0);
          boolean here = into.memory().device() == ws.device();
          try (Tensor part = into.rows(begin, begin + like.size());
              Tensor wanted = part.reshape(like.shape());
              Tensor out = here ? wanted : Tensor.allocate(like.dtype(), like.shape(), ws)) {
            prepared.function().merge(tile, out, ws);
            beyond[0] += method.propagates() ? 0 : beyond(tile, out, ws);
            if (!here) {
              wanted.copyFrom(out, ws);
            }
          }
        },
        ws);
    return beyond[0];
  }

  /** Results that are not finite, of values that are. */
  private static long beyond(TensorMerger.Tile tile, Tensor out, Workspace ws) {
    long beyond = TensorGroup.nonFinite(out, ws)[0];
    if (beyond > 0) {
      TensorGroup.requireFinite(tile, ws);
    }
    return beyond;
  }

  /** Counts in the whole tensor, whichever part was asked for; in that part where it cannot. */
  private NumericalException refused(
      TensorMerger method, Prepared prepared, TensorGroup group, long inPart, Workspace ws)
      throws IOException {
    TensorInfo info = group.info();
    long tile = tile(group.name(), TensorGroup.TILE);
    long beyond = 0;
    try {
      for (long from = 0; from < info.size(); from += tile) {
        long to = Math.min(info.size(), from + tile);
        try (Tensor out = Tensor.allocate(info.dtype(), new long[] {to - from}, ws)) {
          beyond += compute(method, prepared, group, from, to, out, ws);
        }
      }
    } catch (TensorGroup.NotFinite e) {
      requireMask(method, group, ws);
      beyond = inPart;
    }
    return new NumericalException(
        Names.quote(group.name())
            + " "
            + info
            + ": "
            + beyond
            + " values of "
            + method
            + " are beyond the range of "
            + info.dtype()
            + "; take weights nearer to the mean, or a wider type (--dtype, in a recipe dtype;"
            + " Checkpoint.as)");
  }

  /** Compares a tensor that is not computed, once, whoever reads it. */
  private void requireEqual(String name, Workspace ws) throws IOException {
    synchronized (lock(name)) {
      if (!equal.contains(name)) {
        TensorGroup group = new TensorGroup(problem, sources(), name, merger.of(name));
        requireEqual(name, group.differing(ws));
        equal.add(name);
      }
    }
  }

  private void requireEqual(String name, int other) {
    if (other > 0) {
      List<Checkpoint> models = problem.models();
      throw new IncompatibleModelsException(
          "the models cannot be merged",
          List.of(
              Names.quote(name)
                  + " "
                  + info(name)
                  + " differs between model 0 and "
                  + (other < models.size() ? "model " + other : "the base")
                  + " and cannot be averaged; "
                  + (info(name).dtype().name().matches("F\\d.*|C64")
                      ? "convert the models to BF16 or F32 first"
                      : "name it under \"counters\" in a builder file (--architecture) to take"
                          + " model 0's, or leave it out (--ignore); for a recipe, make the models"
                          + " equal in it")));
    }
  }

  @Override
  public String toString() {
    return merger + " of " + problem.models();
  }
}
