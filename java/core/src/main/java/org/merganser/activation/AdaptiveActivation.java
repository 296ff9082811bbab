// SPDX-License-Identifier: Apache-2.0
package org.merganser.activation;

import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.error.ShapeException;
import org.merganser.internal.Opened;
import org.merganser.internal.kernel.ActivationKernels;
import org.merganser.internal.kernel.ActivationKernels.Shaped;
import org.merganser.internal.kernel.Block;
import org.merganser.internal.kernel.Kernels;
import org.merganser.linalg.Tensor;

/**
 * The family of activations of Geadah, Kerg, Horoi, Wolf and Lajoie ("Advantages of
 * biologically-inspired adaptive neural activation in RNNs during learning", arXiv 2006.12253):
 *
 * <pre>{@code
 * gamma(x; n, s) = (1 - s) softplus(n x) / n + s sigma(n x)
 * }</pre>
 *
 * with {@code softplus(u) = ln(1 + e^u)}, {@code sigma(u) = 1 / (1 + e^-u)}, gain n and saturation
 * s. (1, 0) is softplus, (1, 1) the logistic function, (2, 1) is (1 + tanh x) / 2, and n to
 * infinity leads to ReLU (s = 0) and the step (s = 1). With {@code u = n x}, {@code q = sigma (1 -
 * sigma)} and the entropy {@code H = log1p(e^-|u|) + |u| sigma(-|u|)} of sigma,
 *
 * <pre>{@code
 * d/dx    = (1 - s) sigma + s n q
 * d/dn    = -(1 - s) H / n^2 + s x q
 * d/ds    = sigma - softplus / n
 * d2/dx2  = n q ((1 - s) + s n (1 - 2 sigma))
 * }</pre>
 *
 * where H stands for a difference that loses its digits for large u.
 *
 * <p>Arrays are [B x H], F32 or F64. F32 values and slopes by x are within 4 units in the last
 * place of the magnitudes of their terms. NaN gives NaN, and plus infinity the limit.
 */
public final class AdaptiveActivation {
  private AdaptiveActivation() {}

  /** {@code gamma(x; n, s)}; n may be any finite number but 0, here and in the slopes. */
  public static double value(double x, double n, double s) {
    requireGain(n);
    return product(1 - s, positive(x, n)) + (1 - s) / n * log1p(x, n) + s * sigma(x, n);
  }

  /** The slope by x. */
  public static double dx(double x, double n, double s) {
    requireGain(n);
    return (1 - s) * sigma(x, n) + s * n * q(x, n);
  }

  /** The slope by n. */
  public static double dn(double x, double n, double s) {
    requireGain(n);
    double entropy = log1p(x, n) + product(far(x, n), Math.abs(n * x));
    return s * product(q(x, n), x) - (1 - s) * entropy / (n * n);
  }

  /** The slope by s. */
  public static double ds(double x, double n, double s) {
    requireGain(n);
    return sigma(x, n) - (positive(x, n) + log1p(x, n) / n);
  }

  /** The second derivative by x. */
  public static double dxx(double x, double n, double s) {
    requireGain(n);
    // 1 - 2 sigma = -tanh(u / 2)
    return n * q(x, n) * ((1 - s) - s * n * StrictMath.tanh(n * x / 2));
  }

  /**
   * The supremum of the slope over x: for n &gt; 0 and 0 &lt;= s &lt;= 1 it is {@code 1 - s} where
   * {@code s <= 1 / (n + 1)}, approached for large x, else {@code (1 + s (n - 1))^2 / (4 n s)}. It
   * is above 1 where n &gt; 4 and {@code s > 1 / (sqrt(n) - 1)^2}.
   */
  public static double maxSlope(double n, double s) {
    requireGain(n);
    // A parabola in sigma, from 0 to 1 - s, with its vertex at `at`.
    double steep = s * n;
    double at = (1 - s + steep) / (2 * steep);
    boolean inside = steep > 0 && at > 0 && at < 1;
    return inside ? steep * at * at : Math.max(0, 1 - s);
  }

  private static double e(double x, double n) {
    return StrictMath.exp(-Math.abs(n * x));
  }

  private static double log1p(double x, double n) {
    return StrictMath.log1p(e(x, n));
  }

  /** sigma(-|u|) */
  private static double far(double x, double n) {
    return e(x, n) / (1 + e(x, n));
  }

  private static double sigma(double x, double n) {
    return n * x >= 0 ? 1 / (1 + e(x, n)) : far(x, n);
  }

  private static double q(double x, double n) {
    return far(x, n) / (1 + e(x, n));
  }

  /** max(u, 0) / n */
  private static double positive(double x, double n) {
    return n * x < 0 ? 0 : x;
  }

  /** 0 where a is 0, whatever b. */
  private static double product(double a, double b) {
    return a == 0 && !Double.isNaN(b) ? 0 : a * b;
  }

  private static void requireGain(double n) {
    if (n == 0 || !Double.isFinite(n)) {
      throw new IllegalArgumentException("n must be finite and not 0, not " + n);
    }
  }

  /** {@code gamma(a; n, s)} of every element, a new tensor where the Workspace computes. */
  public static Tensor forward(Tensor a, ShapeParams shape, Workspace ws) {
    requireActivations(a);
    try (Opened opened = new Opened()) {
      Tensor out = opened.add(Tensor.allocate(a.dtype(), a.shape(), ws));
      forward(a, shape, out, ws);
      opened.release();
      return out;
    }
  }

  /**
   * {@code gamma(a; n, s)} into {@code out}, which may be {@code a} unless a backward pass follows.
   *
   * @throws ShapeException when shapes or types do not fit, or nothing is there
   * @throws IllegalArgumentException naming the first n or s that is refused; nothing is written
   */
  public static void forward(Tensor a, ShapeParams shape, Tensor out, Workspace ws) {
    Shaped shaped = shaped(a, shape);
    out.require("the result", a.dtype(), a.shape());
    kernels(ws).forward(shaped, Block.of(a), Block.of(out));
  }

  /**
   * The derivatives of {@code sum_ij g_ij gamma(a_ij; n, s)}: by a into {@code da}, which may be
   * {@code g}; by n and s into {@code dn} and {@code ds}, of the shape of n and s: F64 sums over
   * what shares an n, of the type of {@code a} for {@link ShapeParams.PerElement}. Sums are formed
   * in F64 in an order that depends on B and H only.
   *
   * @param g derivatives of a loss by the results, [B x H]
   * @param dn null, with {@code ds}, when n and s do not learn
   * @throws ShapeException when shapes or types do not fit, or nothing is there
   * @throws IllegalArgumentException naming the first n or s that is refused; nothing is written
   */
  public static void backward(
      Tensor a, Tensor g, ShapeParams shape, Tensor da, Tensor dn, Tensor ds, Workspace ws) {
    Shaped shaped = shaped(a, shape);
    g.require("the gradient", a.dtype(), a.shape());
    da.require("the gradient by a", a.dtype(), a.shape());
    if ((dn == null) != (ds == null)) {
      throw new IllegalArgumentException(
          "one of dn and ds is null: give both, or neither when n and s do not learn");
    }
    if (dn != null) {
      DType sums = shape instanceof ShapeParams.PerElement ? a.dtype() : DType.F64;
      dn.require("the gradient by n", sums, shape.n().shape());
      ds.require("the gradient by s", sums, shape.s().shape());
    }
    kernels(ws)
        .backward(
            shaped,
            Block.of(a),
            Block.of(g),
            Block.of(da),
            dn == null ? null : Block.of(dn),
            ds == null ? null : Block.of(ds));
  }

  private static Shaped shaped(Tensor a, ShapeParams shape) {
    requireActivations(a);
    require("n", shape.n(), a, shape);
    require("s", shape.s(), a, shape);
    return new Shaped(
        a.dtype().code(),
        code(shape),
        a.dim(0),
        a.dim(1),
        Block.of(shape.n()),
        Block.of(shape.s()),
        shape.unconstrained() ? 0 : ShapeParams.LEAST_GAIN);
  }

  private static int code(ShapeParams shape) {
    if (shape instanceof ShapeParams.Uniform) {
      return ActivationKernels.UNIFORM;
    }
    return shape instanceof ShapeParams.PerUnit
        ? ActivationKernels.PER_UNIT
        : ActivationKernels.PER_ELEMENT;
  }

  private static void requireActivations(Tensor a) {
    if (a.rank() != 2 || a.dtype() != DType.F32 && a.dtype() != DType.F64) {
      throw new ShapeException("activations are " + a + ", needed are F32 or F64 [batch, units]");
    }
    if (a.size() == 0) {
      throw new ShapeException("activations " + a + " have no elements");
    }
  }

  private static void require(String what, Tensor given, Tensor a, ShapeParams shape) {
    if (shape instanceof ShapeParams.Uniform) {
      if (given.size() != 1 || given.dtype() != a.dtype()) {
        throw new ShapeException(
            what + " is " + given + ", needed " + Tensor.describe(a.dtype(), 1) + " for all units");
      }
    } else if (shape instanceof ShapeParams.PerUnit) {
      given.require(what + " of the units", a.dtype(), a.dim(1));
    } else {
      given.require(what + " of the elements", a.dtype(), a.shape());
    }
  }

  private static ActivationKernels kernels(Workspace ws) {
    return Kernels.of(ws).activation();
  }
}
