// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch.layers;

import org.bytedeco.pytorch.Tensor;

/** See {@link Tokens#ofImage}. */
record Patches() implements Layer {
  @Override
  public Signal describe(Signal in, Description description) {
    return in.sequence("patches");
  }

  @Override
  public Tensor forward(Tensor x, ForwardPass pass) {
    return x.flatten(2, -1).transpose(1, 2);
  }
}
