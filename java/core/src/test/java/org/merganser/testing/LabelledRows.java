// SPDX-License-Identifier: Apache-2.0
package org.merganser.testing;

import java.io.IOException;
import java.util.Iterator;
import org.merganser.compute.Workspace;
import org.merganser.io.Checkpoint;
import org.merganser.linalg.Tensor;
import org.merganser.model.Inputs;

/** Samples in arrays, in batches, with the class of each. */
public final class LabelledRows implements Inputs.Labelled {
  private final Inputs inputs;
  private final int[] labels;
  private final int classes;

  public LabelledRows(double[][] x, int[] labels, int classes, int batch) {
    this.inputs = JavaNetwork.inputs(x, batch);
    this.labels = labels.clone();
    this.classes = classes;
  }

  /** Labelled by a model: it is right about all of them. */
  public static LabelledRows by(
      JavaNetwork network, Checkpoint theta, double[][] x, int batch, Workspace ws)
      throws IOException {
    double[][] outputs = network.outputs(theta, x, ws);
    int[] labels = new int[x.length];
    for (int i = 0; i < x.length; i++) {
      for (int c = 1; c < outputs[i].length; c++) {
        labels[i] = outputs[i][c] > outputs[i][labels[i]] ? c : labels[i];
      }
    }
    return new LabelledRows(x, labels, outputs[0].length, batch);
  }

  @Override
  public Iterator<Tensor> open(long seed) {
    return inputs.open(seed);
  }

  @Override
  public long samples() {
    return labels.length;
  }

  @Override
  public int classes() {
    return classes;
  }

  @Override
  public int label(long sample) {
    return labels[(int) sample];
  }
}
