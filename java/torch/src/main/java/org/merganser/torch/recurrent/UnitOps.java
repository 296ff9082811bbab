// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch.recurrent;

import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/** f and its derivatives on the units of a batch [samples x hidden], one step at a time. */
interface UnitOps {
  /** {@code h = f(a)}. */
  void forward(Tensor a, Tensor h);

  /**
   * {@code da = f'(a) dh}, which may be added to what the unit keeps for its own parameters.
   *
   * @param h what {@link #forward} made of a
   */
  void backward(Tensor a, Tensor h, Tensor dh, Tensor da);

  /** Functions without parameters. */
  static UnitOps plain(RecurrentUnit.Plain unit) {
    return unit == RecurrentUnit.Plain.TANH ? new Tanh() : new Relu();
  }

  /** The hyperbolic tangent. */
  final class Tanh implements UnitOps {
    @Override
    public void forward(Tensor a, Tensor h) {
      torch.tanh_out(h, a);
    }

    @Override
    public void backward(Tensor a, Tensor h, Tensor dh, Tensor da) {
      torch.tanh_backward_out(da, dh, h);
    }
  }

  /** The positive part; its slope at 0 is 0. */
  final class Relu implements UnitOps {
    @Override
    public void forward(Tensor a, Tensor h) {
      torch.relu_out(h, a);
    }

    @Override
    public void backward(Tensor a, Tensor h, Tensor dh, Tensor da) {
      torch.threshold_backward_out(da, dh, a, new Scalar(0.0));
    }
  }
}
