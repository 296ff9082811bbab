// SPDX-License-Identifier: Apache-2.0
package org.merganser.recipe;

import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.merganser.compute.Workspace;
import org.merganser.io.Checkpoint;
import org.merganser.io.CheckpointView;
import org.merganser.io.TensorInfo;
import org.merganser.linalg.Tensor;

/** Some tensors without their last rows. A view: closing it closes nothing. */
final class LeadingRows extends CheckpointView {
  private final Checkpoint source;

  private LeadingRows(Map<String, TensorInfo> tensors, Checkpoint source) {
    super(tensors, List.of(source));
    this.source = source;
  }

  /**
   * @param rows how many are left, by name
   */
  static Checkpoint of(Checkpoint source, Map<String, Long> rows) {
    Map<String, TensorInfo> tensors = new LinkedHashMap<>(source.tensors());
    rows.forEach(
        (name, count) -> {
          TensorInfo info = source.info(name);
          List<Long> shape = new ArrayList<>(info.shape());
          shape.set(0, count);
          tensors.put(name, new TensorInfo(info.dtype(), shape));
        });
    return tensors.equals(source.tensors()) ? source : new LeadingRows(tensors, source);
  }

  /** The first elements are the first rows. */
  @Override
  protected void fill(String name, long from, long to, Tensor into, Workspace ws)
      throws IOException {
    source.readRange(name, from, to, into, ws);
  }
}
