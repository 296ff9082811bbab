// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import java.io.IOException;
import java.util.LinkedHashMap;
import java.util.Map;
import org.merganser.compute.Workspace;
import org.merganser.io.Checkpoint;
import org.merganser.io.TensorInfo;
import org.merganser.linalg.Tensor;

/**
 * A model with the last layer of another: a view, which closes neither.
 *
 * @param body everything else
 * @param head everything the last layer has
 */
record HeadedCheckpoint(Checkpoint body, Checkpoint head, Map<String, TensorInfo> tensors)
    implements Checkpoint {

  static HeadedCheckpoint of(Checkpoint body, Checkpoint head) {
    Map<String, TensorInfo> tensors = new LinkedHashMap<>(body.tensors());
    tensors.putAll(head.tensors());
    return new HeadedCheckpoint(body, head, tensors);
  }

  private Checkpoint of(String name) {
    return head.tensors().containsKey(name) ? head : body;
  }

  @Override
  public void readRange(String name, long from, long to, Tensor into, Workspace ws)
      throws IOException {
    of(name).readRange(name, from, to, into, ws);
  }

  @Override
  public long block(String name) {
    return of(name).block(name);
  }
}
