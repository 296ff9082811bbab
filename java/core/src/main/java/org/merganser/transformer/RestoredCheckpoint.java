// SPDX-License-Identifier: Apache-2.0
package org.merganser.transformer;

import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.error.IncompatibleModelsException;
import org.merganser.internal.Names;
import org.merganser.io.Checkpoint;
import org.merganser.io.CheckpointView;
import org.merganser.io.TensorCost;
import org.merganser.io.TensorInfo;
import org.merganser.linalg.Tensor;

/** Canonical tensors in the layout of the model they were taken from. */
final class RestoredCheckpoint extends CheckpointView {
  private static final String HEAD = "lm_head.weight";
  private static final String EMBEDDING = "model.embed_tokens.weight";

  private final Checkpoint original;
  private final Checkpoint canonical;

  /** Canonical parts of each tensor; none of what is taken from the original. */
  private final Map<String, List<String>> parts;

  private final Set<String> transposed;

  private RestoredCheckpoint(
      Checkpoint original,
      Checkpoint canonical,
      Map<String, TensorInfo> tensors,
      Map<String, List<String>> parts,
      Set<String> transposed) {
    super(tensors, List.of(original, canonical));
    this.original = original;
    this.canonical = canonical;
    this.parts = parts;
    this.transposed = transposed;
  }

  static RestoredCheckpoint of(
      Checkpoint original, CanonicalLayout layout, TransformerConfig config, Checkpoint canonical) {
    List<String> problems = new ArrayList<>();
    Map<String, CanonicalTensor> expected = CanonicalTensor.of(config);
    expected.forEach(
        (name, tensor) -> CanonicalCheckpoint.problem(canonical, name, tensor.shape(), problems));
    for (String name : canonical.tensors().keySet()) {
      if (!expected.containsKey(name) && !name.equals(HEAD)) {
        problems.add(Names.quote(name) + " is no part of such a model");
      }
    }
    Map<String, TensorInfo> tensors = new LinkedHashMap<>();
    Map<String, List<String>> parts = new LinkedHashMap<>();
    if (problems.isEmpty()) {
      for (String name : original.tensors().keySet()) {
        List<String> of = layout.isTiedHead(name) ? List.of(EMBEDDING) : layout.parts(name);
        parts.put(name, of);
        tensors.put(name, info(original, canonical, name, of, problems));
      }
      if (canonical.tensors().containsKey(HEAD)) {
        parts.put(HEAD, List.of(HEAD));
        tensors.put(HEAD, canonical.info(HEAD));
      }
    }
    if (!problems.isEmpty()) {
      throw new IncompatibleModelsException(
          canonical + " has not the canonical tensors of " + original, problems);
    }
    return new RestoredCheckpoint(
        original,
        canonical,
        tensors,
        parts,
        Set.copyOf(
            parts.keySet().stream()
                .filter(
                    name ->
                        layout.parts(name).stream()
                            .anyMatch(part -> layout.places().get(part).transposed()))
                .toList()));
  }

  private static TensorInfo info(
      Checkpoint original,
      Checkpoint canonical,
      String name,
      List<String> parts,
      List<String> problems) {
    TensorInfo info = original.info(name);
    if (parts.isEmpty()) {
      return info;
    }
    DType dtype = canonical.info(parts.get(0)).dtype();
    for (String part : parts) {
      if (canonical.info(part).dtype() != dtype) {
        problems.add(
            "%s is %s and %s %s, which are one tensor of the model"
                .formatted(
                    Names.quote(parts.get(0)), dtype, Names.quote(part), canonical.info(part)));
      }
    }
    return new TensorInfo(dtype, info.shape());
  }

  @Override
  public Map<String, String> metadata() {
    return original.metadata();
  }

  @Override
  public long block(String name) {
    info(name);
    List<String> of = parts.get(name);
    if (transposed.contains(name)) {
      return info(name).size();
    }
    return of.isEmpty()
        ? original.block(name)
        : of.stream().mapToLong(canonical::block).max().orElseThrow();
  }

  @Override
  public TensorCost cost(String name) {
    info(name);
    TensorCost cost = TensorCost.stored(0);
    for (String part : parts.get(name)) {
      cost = cost.plus(canonical.cost(part), 0);
    }
    return parts.get(name).isEmpty()
        ? original.cost(name)
        : cost.plus(TensorCost.stored(0), transposed.contains(name) ? info(name).bytes() : 0);
  }

  @Override
  public Set<String> stale() {
    return Set.of();
  }

  @Override
  protected void fill(String name, long from, long to, Tensor into, Workspace ws)
      throws IOException {
    if (parts.get(name).isEmpty()) {
      original.readRange(name, from, to, into, ws);
    } else if (transposed.contains(name)) {
      turn(name, into, ws);
    } else {
      long begin = 0;
      for (String part : parts.get(name)) {
        long size = canonical.info(part).size();
        long first = Math.max(from, begin);
        long last = Math.min(to, begin + size);
        if (first < last) {
          try (Tensor at = part(into, first - from, last - from)) {
            canonical.readRange(part, first - begin, last - begin, at, ws);
          }
        }
        begin += size;
      }
    }
  }

  /** Of the whole tensor, which is one block. */
  private void turn(String name, Tensor into, Workspace ws) throws IOException {
    TensorInfo info = info(name);
    try (Tensor wide = Tensor.allocate(info.dtype(), info.dims());
        Tensor flat = wide.reshape(wide.size())) {
      long first = 0;
      for (String part : parts.get(name)) {
        try (Tensor tall = canonical.read(part, ws)) {
          Transposition.copy(wide, tall, first, false);
          first += tall.dim(0);
        }
      }
      into.copyFrom(flat, ws);
    }
  }
}
