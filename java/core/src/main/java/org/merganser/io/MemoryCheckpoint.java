// SPDX-License-Identifier: Apache-2.0
package org.merganser.io;

import java.io.IOException;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.Map;
import java.util.Set;
import org.merganser.compute.Workspace;
import org.merganser.internal.Names;
import org.merganser.linalg.Tensor;

/** A checkpoint whose tensors are in memory, on any device. Closing it closes them. */
public final class MemoryCheckpoint implements Checkpoint {
  private final Map<String, Tensor> tensors;
  private final Map<String, TensorInfo> infos;
  private final Map<String, String> metadata;
  private final Set<String> stale;

  private MemoryCheckpoint(
      Map<String, Tensor> tensors, Map<String, String> metadata, Set<String> stale) {
    this.tensors = Collections.unmodifiableMap(new LinkedHashMap<>(tensors));
    this.metadata = Collections.unmodifiableMap(new LinkedHashMap<>(metadata));
    this.stale = Collections.unmodifiableSet(new LinkedHashSet<>(stale));
    Map<String, TensorInfo> found = new LinkedHashMap<>();
    tensors.forEach((name, tensor) -> found.put(name, TensorInfo.of(tensor)));
    this.infos = Collections.unmodifiableMap(found);
  }

  /** Takes the tensors as they are, in the order of the map, and owns them from then on. */
  public static MemoryCheckpoint of(Map<String, Tensor> tensors) {
    return new MemoryCheckpoint(tensors, Map.of(), Set.of());
  }

  /**
   * Takes the tensors as they are and owns them.
   *
   * @param stale buffers that must be recomputed before use
   */
  public static MemoryCheckpoint of(
      Map<String, Tensor> tensors, Map<String, String> metadata, Set<String> stale) {
    return new MemoryCheckpoint(tensors, metadata, stale);
  }

  /** Reads everything another checkpoint has, so that a view is computed once. */
  public static MemoryCheckpoint copyOf(Checkpoint source, Workspace ws) throws IOException {
    Map<String, Tensor> tensors = new LinkedHashMap<>();
    for (String name : source.tensors().keySet()) {
      tensors.put(name, source.read(name, ws));
    }
    return new MemoryCheckpoint(tensors, source.metadata(), source.stale());
  }

  /** The tensor itself, not a copy. */
  public Tensor tensor(String name) {
    info(name);
    return tensors.get(name);
  }

  @Override
  public Map<String, TensorInfo> tensors() {
    return infos;
  }

  @Override
  public void read(String name, Tensor into, Workspace ws) {
    TensorInfo info = info(name);
    into.require("target of " + Names.quote(name), info.dtype(), info.dims());
    try (Tensor source = tensors.get(name).reshape(info.dims())) {
      into.copyFrom(source, ws);
    }
  }

  @Override
  public Map<String, String> metadata() {
    return metadata;
  }

  @Override
  public Set<String> stale() {
    return stale;
  }

  @Override
  public void close() {
    tensors.values().forEach(Tensor::close);
  }
}
