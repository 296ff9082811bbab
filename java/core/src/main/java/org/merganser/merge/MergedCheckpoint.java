// SPDX-License-Identifier: Apache-2.0
package org.merganser.merge;

import java.io.IOException;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentHashMap;
import org.merganser.compute.Workspace;
import org.merganser.error.IncompatibleModelsException;
import org.merganser.error.NumericalException;
import org.merganser.internal.Names;
import org.merganser.io.Checkpoint;
import org.merganser.io.CheckpointView;
import org.merganser.io.TensorInfo;
import org.merganser.linalg.Tensor;
import org.merganser.merge.TensorMerger.TileFunction;

/** What any {@link TensorMerger} makes of a problem: all but the function on tiles. */
final class MergedCheckpoint extends CheckpointView {
  private final TensorMerger merger;
  private final MergeProblem problem;

  /** Functions of tensors read before, with their statistics. */
  private final Map<String, TileFunction> functions = new ConcurrentHashMap<>();

  /** Sums over all tensors, once they were asked for. */
  private double[] totals;

  /** Tensors that were found to be equal in all models and are not computed. */
  private final Set<String> equal = ConcurrentHashMap.newKeySet();

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
    return switch (merger.of(name).access(info)) {
      case ELEMENTS -> super.block(name);
      case ROWS -> Math.max(super.block(name), TensorGroup.row(info));
      case WHOLE -> Math.max(1, info.size());
    };
  }

  private boolean isComputed(String name, TensorInfo info) {
    return info.dtype().isArithmetic() && !problem.counters().contains(name);
  }

  @Override
  protected void fill(String name, long from, long to, Tensor into, Workspace ws)
      throws IOException {
    TensorInfo info = info(name);
    TensorMerger method = merger.of(name);
    OptionalInt chosen = OptionalInt.empty();
    if (isComputed(name, info)) {
      chosen = method.choose(name, info);
      if (chosen.isEmpty() && !equal.contains(name)) {
        merge(method, group(name), from, to, into, ws);
        return;
      }
    } else if (!problem.counters().contains(name)) {
      requireEqual(name, ws);
    }
    problem.models().get(chosen.orElse(0)).readRange(name, from, to, into, ws);
  }

  private TensorGroup group(String name) {
    return new TensorGroup(problem, sources(), name, merger.of(name), this::totals);
  }

  private synchronized double[] totals(Workspace ws) throws IOException {
    if (totals == null) {
      double[] sums = new double[0];
      for (String name : new TreeSet<>(tensors().keySet())) {
        if (isComputed(name, info(name)) && !equal.contains(name)) {
          sums = plus(sums, measure(name, ws));
        }
      }
      totals = sums;
    }
    return totals.clone();
  }

  private double[] measure(String name, Workspace ws) throws IOException {
    TensorMerger method = merger.of(name);
    TensorGroup group = group(name);
    try {
      return method.measure(group, ws);
    } catch (TensorGroup.NotFinite e) {
      if (!method.keepsEqual() || !group.isMask(ws)) {
        throw group.notFinite(ws);
      }
      equal.add(name);
      return new double[0];
    }
  }

  private static double[] plus(double[] a, double[] b) {
    double[] sum = Arrays.copyOf(a, Math.max(a.length, b.length));
    for (int i = 0; i < b.length; i++) {
      sum[i] += b[i];
    }
    return sum;
  }

  private void merge(
      TensorMerger method, TensorGroup group, long from, long to, Tensor into, Workspace ws)
      throws IOException {
    try {
      long beyond = compute(method, group, from, to, into, ws);
      if (beyond > 0) {
        refuse(method, group, ws);
      }
    } catch (TensorGroup.NotFinite e) {
      if (!method.keepsEqual() || !group.isMask(ws)) {
        throw group.notFinite(ws);
      }
      equal.add(group.name());
      problem.models().get(0).readRange(group.name(), from, to, into, ws);
    }
  }

  /** Returns how many results are not finite. */
  private long compute(
      TensorMerger method, TensorGroup group, long from, long to, Tensor into, Workspace ws)
      throws IOException {
    TileFunction function = functions.get(group.name());
    if (function == null) {
      function = method.prepare(group, ws);
      functions.put(group.name(), function);
    }
    TileFunction prepared = function;
    long[] beyond = new long[1];
    group.each(
        from,
        to,
        tile(group.name(), TensorGroup.tile(ws)),
        tile -> {
          long begin = tile.first() - from;
          Tensor like = tile.models().get(0);
          boolean here = into.memory().device() == ws.device();
          try (Tensor part = into.rows(begin, begin + like.size());
              Tensor wanted = part.reshape(like.shape());
              Tensor out = here ? wanted : Tensor.allocate(like.dtype(), like.shape(), ws)) {
            prepared.merge(tile, out, ws);
            beyond[0] += method.propagates() ? 0 : TensorGroup.nonFinite(out, ws)[0];
            if (!here) {
              wanted.copyFrom(out, ws);
            }
          }
        },
        ws);
    return beyond[0];
  }

  /** Counts in the whole tensor, whichever part was asked for. */
  private void refuse(TensorMerger method, TensorGroup group, Workspace ws) throws IOException {
    TensorInfo info = group.info();
    long tile = tile(group.name(), TensorGroup.TILE);
    long beyond = 0;
    for (long from = 0; from < info.size(); from += tile) {
      long to = Math.min(info.size(), from + tile);
      try (Tensor out = Tensor.allocate(info.dtype(), new long[] {to - from}, ws)) {
        beyond += compute(method, group, from, to, out, ws);
      }
    }
    throw new NumericalException(
        Names.quote(group.name())
            + " "
            + info
            + ": "
            + beyond
            + " values of "
            + method
            + " are beyond the range of "
            + info.dtype()
            + "; take weights nearer to the mean, or a wider type (--dtype, Checkpoint.as)");
  }

  private void requireEqual(String name, Workspace ws) throws IOException {
    if (equal.contains(name)) {
      return;
    }
    int other = group(name).differing(ws);
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
                          + " model 0's, or leave it out (--ignore)")));
    }
    equal.add(name);
  }

  @Override
  public String toString() {
    return merger + " of " + problem.models();
  }
}
