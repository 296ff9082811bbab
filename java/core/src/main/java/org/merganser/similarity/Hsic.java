// SPDX-License-Identifier: Apache-2.0
package org.merganser.similarity;

import java.util.Set;
import org.merganser.compute.Workspace;
import org.merganser.linalg.Matrix;
import org.merganser.method.Setting;
import org.merganser.method.Settings;
import org.merganser.similarity.HsicSums.Form;
import org.merganser.similarity.Kernel.Bandwidth;
import org.merganser.similarity.Kernel.Linear;
import org.merganser.similarity.Kernel.Rbf;

/**
 * The Hilbert-Schmidt independence criterion, what CKA is a ratio of: with centred Gram matrices K
 * and L, {@code <K, L> / (n-1)^2}, or unbiased {@code <U(K), U(L)> / (n(n-3))}, which may be
 * negative.
 *
 * <p>It has a unit (that of both kernels), so values of different representations do not compare;
 * take CKA for that. Cost as of {@link LinearCka} and {@link RbfCka}.
 *
 * <p>Source: Gretton et al. 2005; Song et al. 2007 for the unbiased form; Székely and Rizzo 2014
 * for U-centring.
 */
public final class Hsic extends PairedMeasure {
  /** Settings. */
  public record Options(
      @Setting("biased, or 0 on average for independent representations") Estimator estimator,
      @Setting("how alike samples of one side are") Kernel kernel) {
    public Options {
      Settings.check(Options.class, estimator, kernel);
    }

    /** Biased, linear. */
    public static Options defaults() {
      return new Options(Estimator.BIASED, Linear.defaults());
    }

    public Options withEstimator(Estimator value) {
      return new Options(value, kernel);
    }

    public Options withKernel(Kernel value) {
      return new Options(estimator, value);
    }
  }

  private final Options options;

  private Hsic(Options options) {
    this.options = options;
  }

  public static Hsic of(Options options) {
    return new Hsic(options);
  }

  @Override
  public String id() {
    return "hsic";
  }

  @Override
  public String summary() {
    return "the Hilbert-Schmidt independence criterion, not normalised";
  }

  @Override
  public Options options() {
    return options;
  }

  @Override
  public double least() {
    return options.estimator() == Estimator.BIASED ? 0 : Double.NEGATIVE_INFINITY;
  }

  @Override
  public double greatest() {
    return Double.POSITIVE_INFINITY;
  }

  @Override
  public Set<Invariance> invariances(Side side) {
    boolean unitless = options.kernel() instanceof Rbf rbf && rbf.bandwidth() != Bandwidth.FIXED;
    return unitless ? SIMILARITIES : ISOMETRIES;
  }

  @Override
  public Set<Trait> traits() {
    return set(Trait.SYMMETRIC, Trait.IGNORES_ORDER);
  }

  @Override
  public int minimumSamples() {
    return options.estimator() == Estimator.BIASED ? 2 : 4;
  }

  @Override
  Finding compare(Pair pair, Workspace ws) {
    Form form = Form.of(options.estimator());
    Matrix x = pair.x().centred();
    Matrix y = pair.y().centred();
    if (options.kernel() instanceof Linear linear) {
      HsicSums sums = HsicSums.linear(x, y, form, linear.route(), ws);
      return new Finding(sums.xy(), options.estimator(), HsicSums.route(linear.route(), x, y));
    }
    Rbf kernel = (Rbf) options.kernel();
    try (GaussianGram k = GaussianGram.of("X", x, kernel, form, ws);
        GaussianGram l = GaussianGram.of("Y", y, kernel, form, ws)) {
      double value = HsicSums.of(k.gram(), l.gram(), form, ws).xy();
      return GaussianGram.describe(new Finding(value, options.estimator(), Route.GRAM), k, l);
    }
  }
}
