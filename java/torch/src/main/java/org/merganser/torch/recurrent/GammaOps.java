// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch.recurrent;

import java.util.Map;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.merganser.torch.recurrent.RecurrentUnit.Constraint;
import org.merganser.torch.recurrent.RecurrentUnit.Gamma;

/**
 * {@code gamma(a; n, s) = (1-s) softplus(u)/n + s sigmoid(u)}, {@code u = n a}, by operations of
 * libtorch. With {@code q = sigmoid'(u)} and {@code H = ln(1 + e^-|u|) + |u| sigmoid(-|u|)}:
 *
 * <pre>
 *   d/da = (1-s) sigmoid + s n q
 *   d/dn = -(1-s) H/n^2 + s a q
 *   d/ds = sigmoid - softplus/n
 * </pre>
 *
 * H in place of {@code softplus - u sigmoid}, which cancels for great u.
 */
final class GammaOps implements UnitOps {
  private final Constraint constraint;
  private final Tensor storedN;
  private final Tensor storedS;
  private final Tensor n;
  private final Tensor s;
  private final Scalar zero = new Scalar(0.0);
  private final Scalar one = new Scalar(1.0);
  private Tensor dn;
  private Tensor ds;

  /** Inside of libtorch and the caller's scope, as all it does. */
  GammaOps(Gamma gamma, Map<String, Tensor> theta) {
    this.constraint = gamma.constraint();
    this.storedN = theta.get(VanillaRnn.N);
    this.storedS = theta.get(VanillaRnn.S);
    boolean sigmoid = constraint == Constraint.SIGMOID;
    this.n = sigmoid ? softplus(storedN) : storedN;
    this.s = sigmoid ? storedS.sigmoid() : storedS;
  }

  /** n as the function takes it. */
  Tensor gain() {
    return n;
  }

  /** s as the function takes it. */
  Tensor saturation() {
    return s;
  }

  @Override
  public void forward(Steps a, Steps h, long step) {
    Tensor u = a.at(step).mul(n);
    Tensor soft = softplus(u).div(n);
    // soft + s (sigmoid - soft)
    h.at(step).copy_(soft.add(u.sigmoid().sub(soft).mul(s)));
  }

  @Override
  public void backward(Steps all, Steps h, Steps d, long step) {
    Tensor a = all.at(step);
    Tensor dh = d.at(step).clone();
    Tensor u = a.mul(n);
    Tensor e = u.abs().neg().exp();
    Tensor r = e.add(one).reciprocal();
    Tensor q = e.mul(r).mul(r);
    Tensor sigma = u.sigmoid();
    Tensor entropy = e.log1p().add(u.abs().mul(e).mul(r));
    Tensor rest = s.neg().add(one);
    Tensor sq = q.mul(s);
    d.at(step).copy_(sigma.mul(rest).add(sq.mul(n)).mul(dh));
    Tensor byN = sq.mul(a).sub(entropy.mul(rest).div(n.mul(n))).mul(dh);
    Tensor byS = sigma.sub(softplus(u).div(n)).mul(dh);
    dn = plus(dn, byN);
    ds = plus(ds, byS);
  }

  /** The sum over samples, and over units when they share the shape. */
  private Tensor plus(Tensor sum, Tensor each) {
    Tensor now = n.numel() == 1 ? each.sum().reshape(1) : each.sum(0);
    return sum == null ? now : sum.add(now);
  }

  /** Gradients by what the checkpoint holds, of all steps that {@link #backward} was called for. */
  void gradients(Map<String, Tensor> into) {
    boolean sigmoid = constraint == Constraint.SIGMOID;
    into.put(VanillaRnn.N, sigmoid ? dn.mul(storedN.sigmoid()) : dn);
    into.put(VanillaRnn.S, sigmoid ? ds.mul(s).mul(s.neg().add(one)) : ds);
  }

  /** ln(1 + e^u) without overflow and with no digit lost for small e^u. */
  private Tensor softplus(Tensor u) {
    return u.clamp_min(zero).add(u.abs().neg().exp().log1p());
  }
}
