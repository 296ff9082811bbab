// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch.objective;

import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/** What training lowers: a differentiable function of outputs and labels. */
@FunctionalInterface
public interface Loss {
  /** Mean of {@code -log softmax(outputs)[label]} in nats. */
  Loss CROSS_ENTROPY = torch::cross_entropy_loss;

  /**
   * The mean over a batch; called inside a scope that frees what is made here.
   *
   * @param outputs of the network, F32 [batch x classes]
   * @param labels class of each sample, I64 [batch]
   * @return a scalar
   */
  Tensor of(Tensor outputs, Tensor labels);
}
