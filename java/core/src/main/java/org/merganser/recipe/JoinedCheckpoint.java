// SPDX-License-Identifier: Apache-2.0
package org.merganser.recipe;

import java.io.IOException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.error.IncompatibleModelsException;
import org.merganser.io.Checkpoint;
import org.merganser.io.CheckpointView;
import org.merganser.io.TensorCost;
import org.merganser.io.TensorInfo;
import org.merganser.linalg.Tensor;

/** The tensors of several checkpoints, no two of one name. A view: closing it closes nothing. */
final class JoinedCheckpoint extends CheckpointView {
  private final Map<String, Checkpoint> source = new HashMap<>();

  private JoinedCheckpoint(Map<String, TensorInfo> tensors, List<Checkpoint> parts) {
    super(tensors, parts);
    parts.forEach(part -> part.tensors().keySet().forEach(name -> source.put(name, part)));
  }

  static Checkpoint of(List<Checkpoint> parts) {
    if (parts.size() == 1) {
      return parts.get(0);
    }
    Map<String, TensorInfo> tensors = new LinkedHashMap<>();
    List<String> twice = new ArrayList<>();
    for (Checkpoint part : parts) {
      part.tensors()
          .forEach(
              (name, info) -> {
                if (tensors.put(name, info) != null) {
                  twice.add(name + " is in two slices");
                }
              });
    }
    if (!twice.isEmpty()) {
      throw new IncompatibleModelsException("slices cannot be joined", twice);
    }
    return new JoinedCheckpoint(tensors, parts);
  }

  /**
   * A view of a checkpoint with the types of another one; a tensor that it does not have gets the
   * type of its first.
   */
  static Checkpoint typed(Checkpoint checkpoint, Checkpoint like) {
    DType first = like.tensors().values().iterator().next().dtype();
    Map<DType, Set<String>> names = new LinkedHashMap<>();
    for (String name : checkpoint.tensors().keySet()) {
      TensorInfo info = like.tensors().get(name);
      DType type = info == null ? first : info.dtype();
      names.computeIfAbsent(type, t -> new HashSet<>()).add(name);
    }
    List<Checkpoint> parts = new ArrayList<>();
    names.forEach(
        (type, own) -> {
          Checkpoint part = checkpoint.where(own::contains);
          parts.add(type.isArithmetic() ? part.as(type) : part);
        });
    return of(parts);
  }

  @Override
  public long block(String name) {
    info(name);
    return source.get(name).block(name);
  }

  @Override
  public TensorCost cost(String name) {
    info(name);
    return source.get(name).cost(name);
  }

  @Override
  protected void fill(String name, long from, long to, Tensor into, Workspace ws)
      throws IOException {
    source.get(name).readRange(name, from, to, into, ws);
  }
}
