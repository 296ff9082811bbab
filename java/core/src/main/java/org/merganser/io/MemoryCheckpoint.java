// SPDX-License-Identifier: Apache-2.0
package org.merganser.io;

import java.io.IOException;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.Map;
import java.util.Set;
import org.merganser.compute.Workspace;
import org.merganser.error.IncompatibleModelsException;
import org.merganser.internal.Names;
import org.merganser.internal.Opened;
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
    return copyOf(source, Map.of(), ws);
  }

  /**
   * The same with other tensors in the place of some, which are not read and no longer stale.
   *
   * @param replaced by names of the source; owned from now on, and closed when copying fails
   * @throws IncompatibleModelsException when the source has no tensor of a name
   */
  public static MemoryCheckpoint copyOf(
      Checkpoint source, Map<String, Tensor> replaced, Workspace ws) throws IOException {
    try (Opened opened = new Opened()) {
      replaced.values().forEach(opened::add);
      replaced.keySet().forEach(source::info);
      Map<String, Tensor> tensors = new LinkedHashMap<>();
      for (String name : source.tensors().keySet()) {
        Tensor given = replaced.get(name);
        tensors.put(name, given != null ? given : opened.add(source.read(name, ws)));
      }
      Set<String> stale = new LinkedHashSet<>(source.stale());
      stale.removeAll(replaced.keySet());
      MemoryCheckpoint copy = new MemoryCheckpoint(tensors, source.metadata(), stale);
      opened.release();
      return copy;
    }
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
    readRange(name, 0, info.size(), into, ws);
  }

  @Override
  public void readRange(String name, long from, long to, Tensor into, Workspace ws) {
    Ranges.check(name, info(name), from, to, into);
    try (Tensor source = Ranges.part(tensors.get(name), from, to);
        Tensor flat = into.reshape(to - from)) {
      flat.copyFrom(source, ws);
    }
  }

  @Override
  public long block(String name) {
    info(name);
    return 1;
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

  @Override
  public String toString() {
    return tensors.size() + " tensors in memory";
  }
}
