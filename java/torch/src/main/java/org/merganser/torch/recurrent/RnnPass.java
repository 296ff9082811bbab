// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch.recurrent;

import java.util.LinkedHashMap;
import java.util.Map;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.merganser.torch.recurrent.RecurrentUnit.Gamma;
import org.merganser.torch.recurrent.RecurrentUnit.Plain;

/**
 * Forward and back-propagation through time of a batch, written out: a product of matrices and the
 * function of the units a step, all else in one product over all steps. Nothing is recorded by
 * libtorch's autograd. Inside of libtorch and the caller's scope; steps are the first axis.
 */
final class RnnPass {
  private final Map<String, Tensor> theta;
  private final UnitOps unit;
  private Tensor x;
  private Tensor before;
  private Tensor a;
  private Tensor h;

  RnnPass(VanillaRnn rnn, Map<String, Tensor> theta) {
    this.theta = theta;
    this.unit =
        rnn.unit() instanceof Gamma gamma
            ? new GammaOps(gamma, theta)
            : UnitOps.plain((Plain) rnn.unit());
  }

  /**
   * @param inputs [samples x steps x inputs], of the precision
   * @param drift steps that follow with inputs of 0
   * @param initial states before the first step [samples x hidden]; null for 0
   * @return states [steps + drift x samples x hidden]
   */
  Tensor states(Tensor inputs, int drift, Tensor initial) {
    long samples = inputs.size(0);
    long steps = inputs.size(1);
    long hidden = theta.get(VanillaRnn.V).size(0);
    x = inputs.transpose(0, 1).reshape(steps * samples, inputs.size(2));
    before = initial;
    a = x.new_empty(steps + drift, samples, hidden);
    h = x.new_empty(steps + drift, samples, hidden);
    Tensor driven = a.narrow(0, 0, steps).view(steps * samples, hidden);
    torch.mm_out(driven, x, theta.get(VanillaRnn.U).t());
    if (drift > 0) {
      a.narrow(0, steps, drift).zero_();
    }
    if (theta.containsKey(VanillaRnn.B)) {
      a.add_(theta.get(VanillaRnn.B));
    }
    Tensor v = theta.get(VanillaRnn.V).t();
    Tensor last = initial;
    for (long t = 0; t < steps + drift; t++) {
      Tensor now = a.select(0, t);
      if (last != null) {
        now.addmm_(last, v);
      }
      last = h.select(0, t);
      unit.forward(now, last);
    }
    return h;
  }

  /** Logits of states whose last axis is that of the units, as rows. */
  Tensor logits(Tensor states) {
    Tensor rows = states.reshape(-1, states.size(-1));
    return torch.addmm(theta.get(VanillaRnn.C), rows, theta.get(VanillaRnn.W).t());
  }

  /**
   * Gradients of a loss by all parameters, after {@link #states} without drift.
   *
   * @param dz gradient by the logits, as rows: of the last step, or of all steps
   */
  Map<String, Tensor> gradients(Tensor dz) {
    long steps = h.size(0);
    long samples = h.size(1);
    boolean all = dz.size(0) != samples || steps == 1;
    Tensor read = all ? h.view(steps * samples, -1) : h.select(0, steps - 1);
    Map<String, Tensor> found = new LinkedHashMap<>();
    found.put(VanillaRnn.W, dz.t().mm(read));
    found.put(VanillaRnn.C, dz.sum(0));
    Tensor outside = dz.mm(theta.get(VanillaRnn.W));
    Tensor da = throughTime(all ? outside.view(steps, samples, -1) : null, outside);
    Tensor rows = da.view(steps * samples, -1);
    found.put(VanillaRnn.U, rows.t().mm(x));
    found.put(VanillaRnn.V, recurrent(da));
    if (theta.containsKey(VanillaRnn.B)) {
      found.put(VanillaRnn.B, rows.sum(0));
    }
    if (unit instanceof GammaOps gamma) {
      gamma.gradients(found);
    }
    return found;
  }

  /**
   * @param each gradient from outside by the states of each step; null when only the last is read
   */
  private Tensor throughTime(Tensor each, Tensor last) {
    Tensor da = a.new_empty(a.size(0), a.size(1), a.size(2));
    Tensor v = theta.get(VanillaRnn.V);
    long end = a.size(0) - 1;
    Tensor dh = each == null ? last : each.select(0, end);
    for (long t = end; t >= 0; t--) {
      Tensor at = da.select(0, t);
      unit.backward(a.select(0, t), h.select(0, t), dh, at);
      if (t > 0) {
        dh = each == null ? at.mm(v) : torch.addmm(each.select(0, t - 1), at, v);
      }
    }
    return da;
  }

  /** {@code sum over t of da_t^T h_(t-1)}. */
  private Tensor recurrent(Tensor da) {
    long steps = a.size(0);
    long samples = a.size(1);
    long hidden = a.size(2);
    Tensor sum = before == null ? da.new_zeros(hidden, hidden) : da.select(0, 0).t().mm(before);
    if (steps > 1) {
      Tensor later = da.narrow(0, 1, steps - 1).view((steps - 1) * samples, hidden);
      sum.addmm_(later.t(), h.narrow(0, 0, steps - 1).view((steps - 1) * samples, hidden));
    }
    return sum;
  }

  /** Of the last step that was computed. */
  Tensor lastState() {
    return h.select(0, h.size(0) - 1);
  }
}
