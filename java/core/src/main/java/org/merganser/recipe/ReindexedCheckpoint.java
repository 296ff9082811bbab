// SPDX-License-Identifier: Apache-2.0
package org.merganser.recipe;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Collections;
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
import org.merganser.io.TensorInfo;
import org.merganser.linalg.Tensor;
import org.merganser.recipe.Vocabularies.RowSource;

/** A model whose embeddings have other rows. A view: closing it closes nothing. */
final class ReindexedCheckpoint extends CheckpointView {
  private final Checkpoint source;
  private final Set<String> names;
  private final List<RowSource> rows;
  private final Map<Converted, Checkpoint> converted = new ConcurrentHashMap<>();

  private record Converted(Checkpoint model, DType dtype) {}

  /**
   * @param names of tensors with these rows
   * @param rows where each comes from
   */
  ReindexedCheckpoint(Checkpoint source, List<String> names, List<RowSource> rows) {
    super(tensors(source, names, rows), List.of(source));
    this.source = source;
    this.names = Collections.unmodifiableSet(new HashSet<>(names));
    this.rows = rows;
  }

  private static Map<String, TensorInfo> tensors(
      Checkpoint source, List<String> names, List<RowSource> rows) {
    Map<String, TensorInfo> tensors = new LinkedHashMap<>(source.tensors());
    List<String> problems = new ArrayList<>();
    for (String name : names) {
      TensorInfo info = source.info(name);
      List<Long> shape = new ArrayList<>(info.shape());
      shape.set(0, (long) rows.size());
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
    int end = Math.toIntExact(to / width);
    for (int row = first, next; row < end; row = next) {
      next = row + 1;
      while (next < end && rows.get(next).follows(rows.get(next - 1))) {
        next++;
      }
      try (Tensor target = part(into, (row - first) * width, (next - first) * width)) {
        read(name, rows.get(row), (next - row) * width, target, ws);
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
    try (Tensor wide = Tensor.of(mean, size);
        Tensor own = wide.to(into.dtype(), ws)) {
      into.copyFrom(own, ws);
    }
  }
}
