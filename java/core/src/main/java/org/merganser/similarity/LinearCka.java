// SPDX-License-Identifier: Apache-2.0
package org.merganser.similarity;

import org.merganser.compute.Workspace;
import org.merganser.linalg.Matrix;
import org.merganser.method.Setting;
import org.merganser.method.Settings;
import org.merganser.similarity.HsicSums.Form;

/**
 * Centred kernel alignment of linear kernels: the cosine between the Gram matrices of both sides.
 *
 * <pre>
 *   X, Y less their means;  K = X X^T, L = Y Y^T
 *   CKA = &lt;K, L&gt; / (|K| |L|) = |X^T Y|^2 / (|X^T X| |Y^T Y|)
 * </pre>
 *
 * The debiased form takes {@code HSIC_u = <U(K), U(L)> / (n(n-3))} in all three places, U-centring
 * of Székely and Rizzo: near 0 for independent representations, where the biased one rises with the
 * number of features over that of samples. As a ratio it is not unbiased itself, and it may be
 * negative.
 *
 * <p>Moved far enough, some of the samples alone decide the biased value, whatever the others do,
 * and so does one outlier. Cost {@code n (p+q)^2} through features, {@code n^2 (p+q)} through
 * samples. Fails where one side is constant, and, debiased, where one sample alone differs.
 *
 * <p>Source: Kornblith, Norouzi, Lee and Hinton 2019; Song et al. 2007 and Nguyen et al. 2021 for
 * the debiased form.
 */
public final class LinearCka extends PairedMeasure {
  /** Settings. */
  public record Options(
      @Setting("products of features, or of samples where these are fewer") Route route) {
    public Options {
      Settings.check(Options.class, route);
    }

    /** The cheaper route. */
    public static Options defaults() {
      return new Options(Route.AUTO);
    }

    public Options withRoute(Route value) {
      return new Options(value);
    }
  }

  private final Options options;
  private final Estimator estimator;

  private LinearCka(Options options, Estimator estimator) {
    this.options = options;
    this.estimator = estimator;
  }

  public static LinearCka biased() {
    return biased(Options.defaults());
  }

  public static LinearCka biased(Options options) {
    return new LinearCka(options, Estimator.BIASED);
  }

  public static LinearCka debiased() {
    return debiased(Options.defaults());
  }

  public static LinearCka debiased(Options options) {
    return new LinearCka(options, Estimator.DEBIASED);
  }

  @Override
  public String id() {
    return estimator == Estimator.BIASED ? "cka-linear" : "cka-linear-debiased";
  }

  @Override
  public String summary() {
    return "cosine between Gram matrices"
        + (estimator == Estimator.BIASED ? "" : ", 0 on average for independent activations");
  }

  @Override
  public Options options() {
    return options;
  }

  @Override
  public double least() {
    return estimator == Estimator.BIASED ? 0 : -1;
  }

  @Override
  public int minimumSamples() {
    return estimator == Estimator.BIASED ? 2 : 4;
  }

  @Override
  Finding compare(Pair pair, Workspace ws) {
    Matrix x = pair.x().centred();
    Matrix y = pair.y().centred();
    double cosine = HsicSums.linear(x, y, Form.of(estimator), options.route(), ws).cosine();
    return new Finding(cosine, estimator, HsicSums.route(options.route(), x, y));
  }
}
