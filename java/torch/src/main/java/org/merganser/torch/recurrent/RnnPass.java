// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch.recurrent;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.merganser.compute.Workspace;
import org.merganser.torch.recurrent.RecurrentUnit.Gamma;
import org.merganser.torch.recurrent.RecurrentUnit.Plain;

/**
 * Forward and back-propagation through time of a batch, written out: a product of matrices and the
 * function of the units a step, all else in one product over all steps. Nothing is recorded by
 * libtorch's autograd. Inside of libtorch and the caller's scope; steps are the first axis.
 */
final class RnnPass implements AutoCloseable {
  private final Map<String, Tensor> theta;
  private final UnitOps unit;
  private Tensor x;
  private Tensor before;
  private Steps a;
  private Steps h;

  /**
   * @param shape whether gradients by n and s are wanted
   * @param ws where units with a shape are computed, on the CPU
   */
  RnnPass(VanillaRnn rnn, Map<String, Tensor> theta, boolean shape, Workspace ws) {
    this.theta = theta;
    this.unit =
        rnn.unit() instanceof Gamma gamma
            ? new GammaOps(gamma, theta, shape, ws)
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
    a = new Steps(x.new_empty(steps + drift, samples, hidden));
    h = new Steps(x.new_empty(steps + drift, samples, hidden));
    torch.mm_out(a.rows(0, steps), x, theta.get(VanillaRnn.U).t());
    if (drift > 0) {
      a.rows(steps, steps + drift).zero_();
    }
    if (theta.containsKey(VanillaRnn.B)) {
      a.all().add_(theta.get(VanillaRnn.B));
    }
    Tensor v = theta.get(VanillaRnn.V).t();
    for (long t = 0; t < steps + drift; t++) {
      Tensor last = t == 0 ? initial : h.at(t - 1);
      if (last != null) {
        a.at(t).addmm_(last, v);
      }
      unit.forward(a, h, t);
    }
    return h.all();
  }

  /** Logits of states whose last axis is that of the units, as rows. */
  Tensor logits(Tensor states) {
    Tensor rows = states.reshape(-1, states.size(-1));
    return torch.addmm(theta.get(VanillaRnn.C), rows, theta.get(VanillaRnn.W).t());
  }

  /**
   * Gradients of a loss by the parameters, after {@link #states} without drift.
   *
   * @param dz gradient by the logits, as rows: of the last step, or of all steps
   */
  Map<String, Tensor> gradients(Tensor dz) {
    long steps = h.count();
    boolean all = dz.size(0) == steps * h.samples();
    Tensor read = all ? h.rows(0, steps) : lastState();
    Map<String, Tensor> found = new LinkedHashMap<>();
    found.put(VanillaRnn.W, dz.t().mm(read));
    found.put(VanillaRnn.C, dz.sum(0));
    Steps da = throughTime(dz.mm(theta.get(VanillaRnn.W)), all);
    Tensor rows = da.rows(0, steps);
    found.put(VanillaRnn.U, rows.t().mm(x));
    found.put(VanillaRnn.V, recurrent(da));
    if (theta.containsKey(VanillaRnn.B)) {
      found.put(VanillaRnn.B, rows.sum(0));
    }
    if (unit instanceof GammaOps gamma) {
      gamma.gradients(found, x);
    }
    return found;
  }

  /**
   * Gradient by what the units are given at each step.
   *
   * @param outside gradient by states from the readout, as rows
   * @param all whether of all steps; else of the last
   */
  private Steps throughTime(Tensor outside, boolean all) {
    Steps d = new Steps(a.all().new_empty(h.count(), h.samples(), outside.size(1)));
    Tensor v = theta.get(VanillaRnn.V);
    long end = h.count() - 1;
    if (all) {
      d.rows(0, h.count()).copy_(outside);
    } else {
      d.at(end).copy_(outside);
    }
    for (long t = end; t >= 0; t--) {
      unit.backward(a, h, d, t);
      if (t > 0 && all) {
        d.at(t - 1).addmm_(d.at(t), v);
      } else if (t > 0) {
        torch.mm_out(d.at(t - 1), d.at(t), v);
      }
    }
    return d;
  }

  /** {@code sum over t of da_t^T h_(t-1)}. */
  private Tensor recurrent(Steps da) {
    long steps = da.count();
    Tensor first = da.at(0);
    Tensor sum =
        before == null ? first.new_zeros(first.size(1), first.size(1)) : first.t().mm(before);
    if (steps > 1) {
      sum.addmm_(da.rows(1, steps).t(), h.rows(0, steps - 1));
    }
    return sum;
  }

  /** Of the last step that was computed. */
  Tensor lastState() {
    return h.at(h.count() - 1);
  }

  /** n as the units have it. */
  List<Double> gains() {
    return ((GammaOps) unit).gain();
  }

  /** s as the units have it. */
  List<Double> saturations() {
    return ((GammaOps) unit).saturation();
  }

  @Override
  public void close() {
    if (unit instanceof GammaOps gamma) {
      gamma.close();
    }
  }
}
