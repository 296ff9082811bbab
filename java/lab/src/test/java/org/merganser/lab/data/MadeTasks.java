// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.data;

import org.merganser.linalg.Tensor;
import org.merganser.torch.Examples;

/** Tasks whose parts are made by hand, each of samples with one feature, of two classes. */
public final class MadeTasks {
  private MadeTasks() {}

  public static ExpertTask of(String name, Examples train, Examples heldOut, Examples test) {
    Examples pretraining = examples(new float[] {0}, 0);
    boolean[] noisy = new boolean[train.size()];
    return new ExpertTask(name, new int[] {0, 1}, pretraining, train, noisy, heldOut, test);
  }

  public static Examples examples(float[] inputs, int... labels) {
    return new Examples(Tensor.of(inputs, inputs.length, 1), labels, 2);
  }
}
