// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch.layers;

import org.bytedeco.pytorch.Tensor;

/** [samples x channels x height x width] to [samples x channels*height*width], channel-major. */
public record Flatten() implements Layer {
  @Override
  public Signal describe(Signal in, Description description) {
    return in.flattened();
  }

  @Override
  public Tensor forward(Tensor x, ForwardPass pass) {
    return x.flatten(1, -1);
  }
}
