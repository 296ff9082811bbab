// SPDX-License-Identifier: Apache-2.0
package org.merganser.io;

import java.io.IOException;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Predicate;
import org.merganser.compute.Workspace;
import org.merganser.linalg.Tensor;

/** Some tensors of a checkpoint. A view: closing it closes nothing. */
final class SelectedCheckpoint extends CheckpointView {
  private SelectedCheckpoint(Checkpoint source, Map<String, TensorInfo> tensors) {
    super(tensors, List.of(source));
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
  public TensorCost cost(String name) {
    info(name);
    return sources().get(0).cost(name);
  }

  @Override
  protected void fill(String name, long from, long to, Tensor into, Workspace ws)
      throws IOException {
    sources().get(0).readRange(name, from, to, into, ws);
  }
}
