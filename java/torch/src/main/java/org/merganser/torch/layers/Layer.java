// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch.layers;

import org.bytedeco.pytorch.Tensor;

/**
 * A node of a network's description. It says two things: what it does to the signal in the abstract
 * (which parameters it has, which feature space comes out), and how to compute it. Both walks visit
 * the same nodes in the same order.
 */
public sealed interface Layer
    permits Sequential,
        Residual,
        Linear,
        Convolution,
        BatchNorm,
        LayerNorm,
        Activation,
        MaxPool,
        AveragePool,
        Flatten,
        Patches,
        ClassToken,
        Positions,
        SelfAttention,
        Tokens.Pool {
  /** Follows the signal: registers parameters and bindings, and returns what comes out. */
  Signal describe(Signal in, Description description);

  /** Computes the batch {@code x} with the parameters of the pass. */
  Tensor forward(Tensor x, ForwardPass pass);
}
