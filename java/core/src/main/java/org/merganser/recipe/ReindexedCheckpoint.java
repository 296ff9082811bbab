// SPDX-License-Identifier: Apache-2.0
package org.merganser.recipe;

import java.io.IOException;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.Collections;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.error.IncompatibleModelsException;
import org.merganser.io.Checkpoint;
import org.merganser.io.CheckpointView;
import org.merganser.io.TensorCost;
import org.merganser.io.TensorInfo;
import org.merganser.linalg.Tensor;
import org.merganser.recipe.Vocabularies.RowSource;

/** A model whose embeddings have other rows. A view: closing it closes nothing. */
final class ReindexedCheckpoint extends CheckpointView {
  /** Elements that are added up at once. */
  private static final int TILE = 1 << 18;

  private final Checkpoint source;
  private final Set<String> names;
  private final List<RowSource> rows;
  private final BitSet tokens;
  private final Map<Converted, Checkpoint> converted = new ConcurrentHashMap<>();
  private final Map<String, double[]> means = new HashMap<>();

  private record Converted(Checkpoint model, DType dtype) {}

  /**
   * @param names of tensors with these rows
   * @param rows where each comes from
   * @param tokens rows that have a token
   * @param padding so many more rows are the mean of those
   */
  ReindexedCheckpoint(
      Checkpoint source, List<String> names, List<RowSource> rows, BitSet tokens, int padding) {
    super(tensors(source, names, rows, padding), List.of(source));
    this.source = source;
    this.names = Collections.unmodifiableSet(new HashSet<>(names));
    this.rows = rows;
    this.tokens = tokens;
  }

  private static Map<String, TensorInfo> tensors(
      Checkpoint source, List<String> names, List<RowSource> rows, int padding) {
    Map<String, TensorInfo> tensors = new LinkedHashMap<>(source.tensors());
    List<String> problems = new ArrayList<>();
    for (String name : names) {
      TensorInfo info = source.info(name);
      List<Long> shape = new ArrayList<>(info.shape());
      shape.set(0, (long) rows.size() + padding);
      tensors.put(name, new TensorInfo(info.dtype(), shape));
      rows.stream()
          .flatMap(row -> row.models().stream())
          .distinct()
          .filter(other -> !fits(info, other.tensors().get(name)))
          .forEach(
              other ->
                  problems.add(
                      other.tensors().get(name) == null
                          ? without(name, source, other)
                          : name
                              + " is "
                              + info
                              + " in "
                              + source
                              + ", "
                              + other.tensors().get(name)
                              + " in "
                              + other));
    }
    if (!problems.isEmpty()) {
      throw new IncompatibleModelsException("vocabularies cannot be combined", problems);
    }
    return tensors;
  }

  private static String without(String name, Checkpoint source, Checkpoint other) {
    return name
        + " is in "
        + source
        + " and not in "
        + other
        + ", whose embeddings may serve as head, too: save that model with both, with"
        + " tie_word_embeddings: false";
  }

  private static boolean fits(TensorInfo own, TensorInfo other) {
    return other != null
        && own.dtype().isArithmetic()
        && other.dtype().isArithmetic()
        && own.shape().subList(1, own.rank()).equals(other.shape().subList(1, other.rank()));
  }

  private long width(String name) {
    TensorInfo info = info(name);
    return info.dim(0) == 0 ? 1 : Math.max(1, info.size() / info.dim(0));
  }

  @Override
  public long block(String name) {
    info(name);
    return names.contains(name) ? Math.max(width(name), source.block(name)) : source.block(name);
  }

  @Override
  protected void fill(String name, long from, long to, Tensor into, Workspace ws)
      throws IOException {
    if (!names.contains(name)) {
      source.readRange(name, from, to, into, ws);
      return;
    }
    long width = width(name);
    int first = Math.toIntExact(from / width);
    int last = Math.toIntExact(to / width);
    int end = Math.min(last, rows.size());
    for (int row = first, next; row < end; row = next) {
      next = row + 1;
      while (next < end && rows.get(next).follows(rows.get(next - 1))) {
        next++;
      }
      try (Tensor target = part(into, (row - first) * width, (next - first) * width)) {
        read(name, rows.get(row), (next - row) * width, target, ws);
      }
    }
    for (int row = Math.max(first, rows.size()); row < last; row++) {
      try (Tensor target = part(into, (row - first) * width, (row + 1 - first) * width)) {
        write(mean(name, ws), target, ws);
      }
    }
  }

  private Checkpoint as(Checkpoint model, String name, DType dtype) {
    return model.info(name).dtype() == dtype
        ? model
        : converted.computeIfAbsent(new Converted(model, dtype), k -> model.as(dtype));
  }

  private void read(String name, RowSource from, long size, Tensor into, Workspace ws)
      throws IOException {
    long width = width(name);
    if (from.models().size() == 1) {
      Checkpoint model = as(from.models().get(0), name, into.dtype());
      long begin = from.rows().get(0) * width;
      model.readRange(name, begin, begin + size, into, ws);
      return;
    }
    double[] mean = new double[Math.toIntExact(size)];
    for (int k = 0; k < from.models().size(); k++) {
      Checkpoint model = as(from.models().get(k), name, DType.F64);
      try (Tensor row = Tensor.allocate(DType.F64, size)) {
        long begin = from.rows().get(k) * width;
        model.readRange(name, begin, begin + size, row, ws);
        double[] values = row.toDoubleArray();
        for (int i = 0; i < values.length; i++) {
          mean[i] += values[i] / from.models().size();
        }
      }
    }
    write(mean, into, ws);
  }

  private static void write(double[] values, Tensor into, Workspace ws) {
    try (Tensor wide = Tensor.of(values, values.length);
        Tensor own = wide.to(into.dtype(), ws)) {
      into.copyFrom(own, ws);
    }
  }

  /** Over all rows with a token, in their order; computed once. */
  private double[] mean(String name, Workspace ws) throws IOException {
    synchronized (means) {
      if (!means.containsKey(name)) {
        means.put(name, computeMean(name, Math.toIntExact(width(name)), ws));
      }
      return means.get(name);
    }
  }

  private double[] computeMean(String name, int width, Workspace ws) throws IOException {
    double[] mean = new double[width];
    int most = Math.max(1, TILE / width);
    for (int row = tokens.nextSetBit(0), end; row >= 0; row = tokens.nextSetBit(end)) {
      end = Math.min(tokens.nextClearBit(row), row + most);
      try (Tensor part = Tensor.allocate(info(name).dtype(), (long) (end - row) * width)) {
        readRange(name, (long) row * width, (long) end * width, part, ws);
        try (Tensor wide = part.to(DType.F64, ws);
            Tensor host = wide.toHost(ws)) {
          double[] values = host.toDoubleArray();
          for (int i = 0; i < values.length; i++) {
            mean[i % width] += values[i];
          }
        }
      }
    }
    for (int i = 0; i < width; i++) {
      mean[i] /= tokens.cardinality();
    }
    return mean;
  }

  /** What a mean that pads takes is read once more, beforehand. */
  @Override
  public TensorCost cost(String name) {
    TensorCost cost = super.cost(name);
    boolean padded = names.contains(name) && info(name).dim(0) > rows.size();
    return padded ? cost.plus(source.cost(name), TILE * (long) Double.BYTES) : cost;
  }
}
