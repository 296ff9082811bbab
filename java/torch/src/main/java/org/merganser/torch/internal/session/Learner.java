// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch.internal.session;

import java.io.IOException;
import java.util.List;
import java.util.OptionalDouble;
import org.bytedeco.pytorch.Tensor;
import org.merganser.model.EarlyStopping.Score;

/** What {@link Descent} moves: parameters with a loss of batches and its gradient. */
public interface Learner {
  /** The learned parameters, as libtorch's optimisers take them. */
  List<Tensor> leaves();

  /** Of libtorch. */
  int threads();

  /**
   * Takes the batch of a step, from 0, and leaves the gradient of its loss at the leaves.
   *
   * @return the loss
   */
  double backward(long step) throws IOException;

  /** Mean loss, or accuracy, of the held-out samples; empty when there are none. */
  OptionalDouble heldOut(Score score) throws IOException;

  /** Room for the next gradients before they are computed; inside of libtorch. */
  default void resetGradients() {
    for (Tensor leaf : leaves()) {
      try (Tensor gradient = leaf.mutable_grad()) {
        gradient.reset();
      }
    }
  }
}
