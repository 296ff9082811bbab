// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch.recurrent;

import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/** f and its derivatives on the units of a batch, one step at a time. */
interface UnitOps {
  /** {@code h = f(a)} at a step. */
  void forward(Steps a, Steps h, long step);

  /**
   * Turns the gradient by h at a step, {@code d}, into that by a, in place; that by what the unit
   * has itself is kept.
   *
   * @param h what {@link #forward} made of a
   */
  void backward(Steps a, Steps h, Steps d, long step);

  /** Functions without parameters. */
  static UnitOps plain(RecurrentUnit.Plain unit) {
    return unit == RecurrentUnit.Plain.TANH ? new Tanh() : new Relu();
  }

  /** The hyperbolic tangent. */
  final class Tanh implements UnitOps {
    @Override
    public void forward(Steps a, Steps h, long step) {
      torch.tanh_out(h.at(step), a.at(step));
    }

    @Override
    public void backward(Steps a, Steps h, Steps d, long step) {
      Tensor at = d.at(step);
      torch.tanh_backward_out(at, at, h.at(step));
    }
  }

  /** The positive part; its slope at 0 is 0. */
  final class Relu implements UnitOps {
    @Override
    public void forward(Steps a, Steps h, long step) {
      torch.relu_out(h.at(step), a.at(step));
    }

    @Override
    public void backward(Steps a, Steps h, Steps d, long step) {
      Tensor at = d.at(step);
      torch.threshold_backward_out(at, at, a.at(step), new Scalar(0.0));
    }
  }
}
