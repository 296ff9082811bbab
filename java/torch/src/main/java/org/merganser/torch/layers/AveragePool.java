// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch.layers;

import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/** Mean of each feature over all positions of the image; commutes with any linear map. */
public record AveragePool() implements Layer {
  @Override
  public Signal describe(Signal signal, Description description) {
    return signal.pooled("average pool");
  }

  @Override
  public Tensor forward(Tensor x, ForwardPass pass) {
    return torch.adaptive_avg_pool2d(x, 1, 1);
  }
}
