// SPDX-License-Identifier: Apache-2.0
package org.merganser.io;

import java.io.IOException;
import java.util.Collection;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.Map;
import java.util.Set;
import java.util.function.Predicate;
import org.merganser.compute.Workspace;
import org.merganser.linalg.Tensor;

/** Some tensors of a checkpoint. A view: closing it closes nothing. */
final class SelectedCheckpoint implements Checkpoint {
  private final Checkpoint source;
  private final Map<String, TensorInfo> tensors;

  private SelectedCheckpoint(Checkpoint source, Map<String, TensorInfo> tensors) {
    this.source = source;
    this.tensors = Collections.unmodifiableMap(tensors);
  }

  /** The tensors whose names {@code wanted} accepts, in their order. */
  static SelectedCheckpoint where(Checkpoint source, Predicate<String> wanted) {
    return of(source, source.tensors().keySet().stream().filter(wanted).toList());
  }

  static SelectedCheckpoint of(Checkpoint source, Collection<String> names) {
    Map<String, TensorInfo> infos = new LinkedHashMap<>();
    names.forEach(name -> infos.put(name, source.info(name)));
    return new SelectedCheckpoint(source, infos);
  }

  @Override
  public Map<String, TensorInfo> tensors() {
    return tensors;
  }

  @Override
  public Map<String, String> metadata() {
    return source.metadata();
  }

  @Override
  public Set<String> stale() {
    Set<String> stale = new LinkedHashSet<>(source.stale());
    stale.retainAll(tensors.keySet());
    return stale;
  }

  @Override
  public void read(String name, Tensor into, Workspace ws) throws IOException {
    info(name);
    source.read(name, into, ws);
  }

  @Override
  public void readRows(String name, long from, long to, Tensor into, Workspace ws)
      throws IOException {
    info(name);
    source.readRows(name, from, to, into, ws);
  }

  @Override
  public String toString() {
    return source.toString();
  }
}
