// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch.internal.session;

import java.util.Map;
import java.util.Set;
import org.bytedeco.pytorch.Tensor;

/**
 * A loss of outputs, which libtorch differentiates, and of activations, which comes with its
 * gradient.
 */
public interface TapLoss {
  /** Names of the activations it looks at. */
  Set<String> taps();

  /**
   * The part of outputs, a mean over the batch; in libtorch and inside the caller's scope.
   *
   * @param x what the network was given
   * @param outputs what it made of it, in the graph
   */
  Tensor ofOutputs(Tensor x, Tensor outputs, Tensor labels);

  /** The part of activations [samples x ...]; outside of libtorch. */
  Upstream ofActivations(Map<String, org.merganser.linalg.Tensor> activations);

  /**
   * What is added to the loss.
   *
   * @param gradients of the value by some of the activations, each F32 or F64 with as many
   *     elements; closed after use
   */
  record Upstream(double value, Map<String, org.merganser.linalg.Tensor> gradients)
      implements AutoCloseable {
    @Override
    public void close() {
      gradients.values().forEach(org.merganser.linalg.Tensor::close);
    }
  }
}
