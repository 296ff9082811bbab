// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import java.io.IOException;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.merganser.compute.Workspace;
import org.merganser.io.Checkpoint;
import org.merganser.io.CheckpointView;
import org.merganser.io.TensorCost;
import org.merganser.io.TensorInfo;
import org.merganser.linalg.Tensor;

/** A model with the last layer of another. */
final class HeadedCheckpoint extends CheckpointView {

  /**
   * @param body everything else
   * @param head everything the last layer has
   */
  HeadedCheckpoint(Checkpoint body, Checkpoint head) {
    super(tensors(body, head), List.of(body, head));
  }

  private static Map<String, TensorInfo> tensors(Checkpoint body, Checkpoint head) {
    Map<String, TensorInfo> tensors = new LinkedHashMap<>(body.tensors());
    tensors.putAll(head.tensors());
    return tensors;
  }

  private Checkpoint of(String name) {
    boolean isHead = sources().get(1).tensors().containsKey(name);
    return sources().get(isHead ? 1 : 0);
  }

  @Override
  protected void fill(String name, long from, long to, Tensor into, Workspace ws)
      throws IOException {
    of(name).readRange(name, from, to, into, ws);
  }

  @Override
  public long block(String name) {
    return of(name).block(name);
  }

  @Override
  public TensorCost cost(String name) {
    return of(name).cost(name);
  }
}
