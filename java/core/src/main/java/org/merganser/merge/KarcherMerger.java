// SPDX-License-Identifier: Apache-2.0
package org.merganser.merge;

import java.io.IOException;
import java.util.Arrays;
import org.merganser.compute.Workspace;
import org.merganser.internal.kernel.Block;
import org.merganser.internal.kernel.Kernels;
import org.merganser.io.TensorInfo;
import org.merganser.method.Setting;
import org.merganser.method.Settings;

/**
 * The Karcher mean of the models' directions on the sphere, tensor by tensor as vectors, at the
 * mean of their lengths: {@code theta = u sum_k |theta_k| / n}, where {@code u} begins as the
 * normalised mean of the unit vectors {@code e_k} and is moved along
 *
 * <pre>
 *   T = sum_k a_k w_k / sin w_k (e_k - cos w_k u),   cos w_k = e_k . u
 *   u = cos |T| u + sin |T| T / |T|
 * </pre>
 *
 * <p>until {@code |T|} is below the tolerance. {@code a_k} is the same for all vectors that are
 * longer than the tolerance; others have no direction, but their lengths count. Where none has, the
 * result is the plain mean (mergekit: 0). A vector opposite to {@code u} does not move it. Equal
 * vectors are given back.
 *
 * <p>{@code u} is a sum of the models, so iterations work on the numbers that it has for each, from
 * the dot products of all pairs, in F64; sums as in {@link LinearMerger}, rounded once. Two passes.
 *
 * <p>Source: Karcher 1977, "Riemannian center of mass and mollifier smoothing"; bounds as in
 * mergekit.
 */
public final class KarcherMerger extends TensorMerger {
  /** Settings. */
  public record Options(
      @Setting(value = "most iterations", min = 1) int iterations,
      @Setting(
              value = "length of a step, an angle or a tensor that counts as 0",
              above = 0,
              max = 1)
          double tolerance) {
    public Options {
      Settings.check(Options.class, iterations, tolerance);
    }

    /** 10 iterations, tolerance 1e-5, as in mergekit. */
    public static Options defaults() {
      return new Options(10, 1e-5);
    }

    public Options withIterations(int value) {
      return new Options(value, tolerance);
    }

    public Options withTolerance(double value) {
      return new Options(iterations, value);
    }
  }

  private final Options options;

  private KarcherMerger(Options options) {
    this.options = options;
  }

  public static KarcherMerger of(Options options) {
    return new KarcherMerger(options);
  }

  @Override
  public String id() {
    return "karcher";
  }

  @Override
  public String summary() {
    return "the mean direction of tensors on the sphere at the mean of their lengths";
  }

  @Override
  public Options options() {
    return options;
  }

  @Override
  protected Demand demand(TensorInfo info, int models) {
    return Demand.passes(2);
  }

  @Override
  protected TileFunction prepare(Group group, Workspace ws) throws IOException {
    double[] weights = weights(Gram.of(group, false, ws));
    return (tile, out, w) ->
        Kernels.of(w)
            .merge()
            .weightedSum(out.dtype().code(), out.size(), tile.blocks(), weights, Block.of(out));
  }

  private double[] weights(Gram gram) {
    int models = gram.size();
    double[] shares = new double[models];
    double length = 0;
    for (int k = 0; k < models; k++) {
      length += gram.length(k) / models;
      shares[k] = gram.length(k) > options.tolerance() * gram.unit() ? 1 : 0;
    }
    double counted = Arrays.stream(shares).sum();
    if (counted == 0 || gram.areEqual()) {
      Arrays.fill(shares, 1.0 / models);
      return shares;
    }
    for (int k = 0; k < models; k++) {
      shares[k] /= counted;
    }
    double[] mean = mean(gram, shares);
    for (int k = 0; k < models; k++) {
      mean[k] = shares[k] == 0 ? 0 : mean[k] * (length / gram.length(k));
    }
    return mean;
  }

  /** Coefficients of the unit vectors in the mean, which has length 1. */
  private double[] mean(Gram gram, double[] shares) {
    double[] mean = shares.clone();
    if (gram.lengthOfSum(mean) < options.tolerance()) {
      Arrays.fill(mean, 0);
      int first = 0;
      while (shares[first] == 0) {
        first++;
      }
      mean[first] = 1;
    }
    normalise(gram, mean);
    for (int i = 0; i < options.iterations(); i++) {
      double[] step = step(gram, shares, mean);
      double length = gram.lengthOfSum(step);
      if (length < options.tolerance()) {
        break;
      }
      double along = StrictMath.cos(length);
      double across = StrictMath.sin(length) / length;
      for (int k = 0; k < mean.length; k++) {
        mean[k] = along * mean[k] + across * step[k];
      }
      normalise(gram, mean);
    }
    return mean;
  }

  private double[] step(Gram gram, double[] shares, double[] mean) {
    double[] step = new double[mean.length];
    double back = 0;
    for (int k = 0; k < mean.length; k++) {
      double cosine = Math.max(-1, Math.min(1, gram.dot(k, mean)));
      double angle = StrictMath.acos(cosine);
      double sine = StrictMath.sin(angle);
      if (shares[k] == 0 || angle < options.tolerance() || sine < options.tolerance()) {
        continue;
      }
      double by = shares[k] * angle / sine;
      step[k] += by;
      back += by * cosine;
    }
    for (int k = 0; k < mean.length; k++) {
      step[k] -= back * mean[k];
    }
    return step;
  }

  private static void normalise(Gram gram, double[] sum) {
    double length = gram.lengthOfSum(sum);
    for (int k = 0; k < sum.length; k++) {
      sum[k] /= length;
    }
  }

  @Override
  public String toString() {
    return "the Karcher mean";
  }
}
