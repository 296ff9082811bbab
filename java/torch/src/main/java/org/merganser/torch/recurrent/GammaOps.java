// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch.recurrent;

import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.function.DoubleUnaryOperator;
import org.merganser.activation.AdaptiveActivation;
import org.merganser.activation.ShapeParams;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.internal.Opened;
import org.merganser.linalg.Tensor;
import org.merganser.torch.internal.Bridge;
import org.merganser.torch.recurrent.RecurrentUnit.Constraint;
import org.merganser.torch.recurrent.RecurrentUnit.Gamma;

/**
 * Units of {@link AdaptiveActivation} by its kernels. The few values of n and s, and what a
 * constraint makes of them, are on the heap.
 */
final class GammaOps implements UnitOps, AutoCloseable {
  private final boolean sigmoid;
  private final double[] storedN;
  private final double[] storedS;
  private final double[] dn;
  private final double[] ds;
  private final ShapeParams shape;
  private final Tensor sumN;
  private final Tensor sumS;
  private final Workspace ws;

  /**
   * @param theta with n and s, or what gives them
   * @param learns whether gradients by n and s are wanted
   * @param ws computes on the CPU
   * @throws RnnTraining.Diverged naming the first unit whose n or s is none
   */
  GammaOps(
      Gamma gamma, Map<String, org.bytedeco.pytorch.Tensor> theta, boolean learns, Workspace ws) {
    this.ws = ws;
    this.sigmoid = gamma.constraint() == Constraint.SIGMOID;
    Tensor n = Bridge.view(theta.get(VanillaRnn.N));
    Tensor s = Bridge.view(theta.get(VanillaRnn.S));
    this.storedN = n.toDoubleArray();
    this.storedS = s.toDoubleArray();
    int count = storedN.length;
    this.dn = new double[count];
    this.ds = new double[count];
    try (Opened opened = new Opened()) {
      n = opened.add(sigmoid ? mapped(n, GammaOps::softplus) : n.copy());
      s = opened.add(sigmoid ? mapped(s, GammaOps::logistic) : s.copy());
      require("gain n", n, true);
      require("saturation s", s, false);
      this.sumN = learns ? opened.add(Tensor.allocate(DType.F64, count)) : null;
      this.sumS = learns ? opened.add(Tensor.allocate(DType.F64, count)) : null;
      opened.release();
    }
    // What keeps n from 0 is the constraint; without one any n but 0 is as the authors have it.
    this.shape =
        gamma.mode() == RecurrentUnit.Mode.HOMOGENEOUS
            ? new ShapeParams.Uniform(n, s, true)
            : new ShapeParams.PerUnit(n, s, true);
  }

  private static Tensor mapped(Tensor stored, DoubleUnaryOperator function) {
    Tensor mapped = stored.copy();
    for (long i = 0; i < stored.size(); i++) {
      mapped.set(i, function.applyAsDouble(stored.get(i)));
    }
    return mapped;
  }

  private static double softplus(double p) {
    return Math.max(p, 0) + Math.log1p(Math.exp(-Math.abs(p)));
  }

  private static double logistic(double q) {
    return 1 / (1 + Math.exp(-q));
  }

  private static void require(String what, Tensor values, boolean notZero) {
    for (long i = 0; i < values.size(); i++) {
      double value = values.get(i);
      if (!Double.isFinite(value) || notZero && value == 0) {
        throw new RnnTraining.Diverged("the " + what + " of unit " + i + " is " + value);
      }
    }
  }

  /** n as the function takes it. */
  List<Double> gain() {
    return Arrays.stream(shape.n().toDoubleArray()).boxed().toList();
  }

  /** s as the function takes it. */
  List<Double> saturation() {
    return Arrays.stream(shape.s().toDoubleArray()).boxed().toList();
  }

  @Override
  public void forward(Steps a, Steps h, long step) {
    AdaptiveActivation.forward(a.ours(step), shape, h.ours(step), ws);
  }

  @Override
  public void backward(Steps a, Steps h, Steps d, long step) {
    Tensor at = d.ours(step);
    AdaptiveActivation.backward(a.ours(step), at, shape, at, sumN, sumS, ws);
    if (sumN != null) {
      add(sumN, dn);
      add(sumS, ds);
    }
  }

  private static void add(Tensor step, double... sum) {
    double[] values = step.toDoubleArray();
    for (int i = 0; i < sum.length; i++) {
      sum[i] += values[i];
    }
  }

  /** Gradients by what the checkpoint holds, of all steps that {@link #backward} was called for. */
  void gradients(
      Map<String, org.bytedeco.pytorch.Tensor> into, org.bytedeco.pytorch.Tensor beside) {
    if (sumN == null) {
      return;
    }
    double[] byN = dn.clone();
    double[] byS = ds.clone();
    for (int i = 0; sigmoid && i < byN.length; i++) {
      byN[i] *= logistic(storedN[i]);
      byS[i] *= logistic(storedS[i]) * logistic(-storedS[i]);
    }
    into.put(VanillaRnn.N, Bridge.beside(beside, byN, byN.length));
    into.put(VanillaRnn.S, Bridge.beside(beside, byS, byS.length));
  }

  @Override
  public void close() {
    shape.n().close();
    shape.s().close();
    if (sumN != null) {
      sumN.close();
      sumS.close();
    }
  }
}
