// SPDX-License-Identifier: Apache-2.0
package org.merganser.similarity;

import java.util.Locale;
import java.util.Set;
import org.merganser.compute.Workspace;
import org.merganser.method.Setting;
import org.merganser.method.Settings;
import org.merganser.similarity.HsicSums.Form;
import org.merganser.similarity.Kernel.Bandwidth;
import org.merganser.similarity.Kernel.Rbf;

/**
 * Centred kernel alignment of Gaussian kernels.
 *
 * <pre>
 *   K_ij = exp(-|x_i - x_j|^2 / (2 s^2)),  s = t times the median distance, or fixed
 *   CKA = HSIC(K, L) / sqrt(HSIC(K, K) HSIC(L, L))
 * </pre>
 *
 * biased or debiased as {@link LinearCka}. A large t tends to linear CKA. A small one makes all
 * samples unlike each other on both sides, and the biased value of any two representations 1: read
 * it with the chance level beside it, which is in the details ({@code chance}, the mean over all
 * orders of the samples of Y). Usual t are 0.2, 0.4, 0.8 and 1. Samples that are far away no longer
 * matter where the bandwidth does not grow with them. Fails where the median distance is 0. Cost
 * {@code n^2 (p + q)}.
 *
 * <p>Source: Kornblith et al. 2019; Alvarez 2022 for the bandwidth.
 */
public final class RbfCka extends PairedMeasure {
  /** Settings. */
  public record Options(
      @Setting("biased, or 0 on average for independent representations") Estimator estimator,
      Rbf kernel) {
    public Options {
      Settings.check(Options.class, estimator, kernel);
    }

    /** Biased, with the median distance. */
    public static Options defaults() {
      return new Options(Estimator.BIASED, Rbf.defaults());
    }

    public Options withEstimator(Estimator value) {
      return new Options(value, kernel);
    }

    public Options withKernel(Rbf value) {
      return new Options(estimator, value);
    }
  }

  private static final double SATURATED = 0.5;

  private final Options options;

  private RbfCka(Options options) {
    this.options = options;
  }

  public static RbfCka of(Options options) {
    return new RbfCka(options);
  }

  /** A bandwidth of t median distances. */
  public static RbfCka medianTimes(double t) {
    return new RbfCka(Options.defaults().withKernel(new Rbf(Bandwidth.OFF_DIAGONAL, t)));
  }

  /** A bandwidth in units of the activations. */
  public static RbfCka fixed(double sigma) {
    return new RbfCka(Options.defaults().withKernel(new Rbf(Bandwidth.FIXED, sigma)));
  }

  @Override
  public String id() {
    return "cka-rbf";
  }

  @Override
  public String summary() {
    return "cosine between Gram matrices of Gaussian kernels";
  }

  @Override
  public Options options() {
    return options;
  }

  @Override
  public double least() {
    return options.estimator() == Estimator.BIASED ? 0 : -1;
  }

  @Override
  public Set<Invariance> invariances(Side side) {
    return options.kernel().bandwidth() == Bandwidth.FIXED ? ISOMETRIES : SIMILARITIES;
  }

  @Override
  public int minimumSamples() {
    return options.estimator() == Estimator.BIASED ? 2 : 4;
  }

  @Override
  Finding compare(Pair pair, Workspace ws) {
    Form form = Form.of(options.estimator());
    try (GaussianGram k = GaussianGram.of("X", pair.x().centred(), options.kernel(), form, ws);
        GaussianGram l = GaussianGram.of("Y", pair.y().centred(), options.kernel(), form, ws)) {
      HsicSums sums = HsicSums.of(k.gram(), l.gram(), form, ws);
      Finding found = new Finding(sums.cosine(), options.estimator(), Route.GRAM);
      if (options.estimator() == Estimator.BIASED) {
        addChance(found, k, l, sums, ws);
      }
      return GaussianGram.describe(found, k, l);
    }
  }

  /** {@code tr K tr L / ((n-1) |K| |L|)}, and a warning where it says nothing any more. */
  private static void addChance(
      Finding found, GaussianGram k, GaussianGram l, HsicSums sums, Workspace ws) {
    double n = k.gram().rows();
    double norms = (n - 1) * (n - 1) * Math.sqrt(sums.xx()) * Math.sqrt(sums.yy());
    double chance = k.gram().trace(ws) * l.gram().trace(ws) / (n - 1) / norms;
    found.detail("chance", chance);
    if (chance > SATURATED) {
      found.warn(
          "RBF_SATURATED",
          String.format(
              Locale.ROOT,
              "samples in any other order have %.3f on average: the bandwidth is too small for"
                  + " biased values to say anything; take a larger t or estimator=debiased",
              chance));
    }
  }
}
