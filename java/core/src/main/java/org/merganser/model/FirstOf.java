// SPDX-License-Identifier: Apache-2.0
package org.merganser.model;

import java.io.IOException;
import java.util.List;
import org.merganser.compute.Workspace;
import org.merganser.io.Checkpoint;
import org.merganser.io.CheckpointView;
import org.merganser.linalg.Tensor;

/** The first of some models, with what is stale in any of them. */
final class FirstOf extends CheckpointView {
  FirstOf(List<? extends Checkpoint> models) {
    super(models.get(0).tensors(), models);
  }

  @Override
  public long block(String name) {
    return sources().get(0).block(name);
  }

  @Override
  protected void fill(String name, long from, long to, Tensor into, Workspace ws)
      throws IOException {
    sources().get(0).readRange(name, from, to, into, ws);
  }
}
