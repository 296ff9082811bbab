// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch.training;

import org.bytedeco.pytorch.AdamWOptions;
import org.bytedeco.pytorch.SGDOptions;
import org.bytedeco.pytorch.TensorVector;

/** How parameters follow their gradients. The learning rate is the peak one of the schedule. */
public sealed interface Optimizer {
  double learningRate();

  /** Creates libtorch's optimiser over the parameters. */
  org.bytedeco.pytorch.Optimizer create(TensorVector parameters);

  /** Adam with decoupled weight decay (Loshchilov and Hutter 2019); betas 0.9 and 0.999. */
  record AdamW(double learningRate, double weightDecay) implements Optimizer {
    public AdamW {
      requireRates(learningRate, weightDecay);
    }

    @Override
    public org.bytedeco.pytorch.Optimizer create(TensorVector parameters) {
      AdamWOptions options = new AdamWOptions(learningRate);
      options.weight_decay().put(weightDecay);
      return new org.bytedeco.pytorch.AdamW(parameters, options);
    }
  }

  /** {@link AdamW} that divides by the largest second moment so far (Reddi et al. 2018). */
  record AmsGrad(double learningRate, double weightDecay) implements Optimizer {
    public AmsGrad {
      requireRates(learningRate, weightDecay);
    }

    @Override
    public org.bytedeco.pytorch.Optimizer create(TensorVector parameters) {
      AdamWOptions options = new AdamWOptions(learningRate);
      options.weight_decay().put(weightDecay);
      options.amsgrad().put(true);
      return new org.bytedeco.pytorch.AdamW(parameters, options);
    }
  }

  /** Stochastic gradient descent with momentum and weight decay. */
  record Sgd(double learningRate, double momentum, double weightDecay) implements Optimizer {
    public Sgd {
      requireRates(learningRate, weightDecay);
      if (!(momentum >= 0 && momentum < 1)) {
        throw new IllegalArgumentException("momentum must be in [0, 1), not " + momentum);
      }
    }

    @Override
    public org.bytedeco.pytorch.Optimizer create(TensorVector parameters) {
      SGDOptions options = new SGDOptions(learningRate);
      options.momentum().put(momentum);
      options.weight_decay().put(weightDecay);
      return new org.bytedeco.pytorch.SGD(parameters, options);
    }
  }

  private static void requireRates(double learningRate, double weightDecay) {
    if (!(learningRate > 0) || !(weightDecay >= 0) || Double.isInfinite(learningRate)) {
      throw new IllegalArgumentException(
          "learning rate must be positive and weight decay at least 0, not "
              + learningRate
              + " and "
              + weightDecay);
    }
  }
}
