// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch.experts;

import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.merganser.compute.Workspace;
import org.merganser.error.IncompatibleModelsException;
import org.merganser.internal.Names;
import org.merganser.io.Checkpoint;
import org.merganser.io.CheckpointView;
import org.merganser.io.TensorInfo;
import org.merganser.linalg.Tensor;

/** A model with what was trained in the place of its own tensors. */
final class TrainedView extends CheckpointView {
  private final Checkpoint base;
  private final Checkpoint trained;

  private TrainedView(Checkpoint base, Checkpoint trained, Map<String, TensorInfo> tensors) {
    super(tensors, List.of(base, trained));
    this.base = base;
    this.trained = trained;
  }

  static TrainedView of(Checkpoint base, Checkpoint trained) {
    List<String> problems = new ArrayList<>();
    Map<String, TensorInfo> tensors = new LinkedHashMap<>(base.tensors());
    trained
        .tensors()
        .forEach(
            (name, own) -> {
              TensorInfo replaced = tensors.put(name, own);
              if (replaced == null) {
                problems.add(Names.missing(name, base.tensors().keySet(), problems.size()));
              } else if (!replaced.shape().equals(own.shape())) {
                problems.add(
                    Names.quote(name) + " is " + replaced + ", what was trained is " + own);
              }
            });
    if (!problems.isEmpty()) {
      throw new IncompatibleModelsException("this expert is not of " + base, problems);
    }
    return new TrainedView(base, trained, tensors);
  }

  @Override
  protected void fill(String name, long from, long to, Tensor into, Workspace ws)
      throws IOException {
    (trained.tensors().containsKey(name) ? trained : base).readRange(name, from, to, into, ws);
  }
}
