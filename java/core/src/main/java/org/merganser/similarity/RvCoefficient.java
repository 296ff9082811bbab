// SPDX-License-Identifier: Apache-2.0
package org.merganser.similarity;

import org.merganser.compute.Workspace;
import org.merganser.linalg.Matrix;
import org.merganser.method.Setting;
import org.merganser.method.Settings;
import org.merganser.similarity.HsicSums.Form;

/**
 * The RV coefficient, another name of biased linear CKA ({@link LinearCka}), and its modified form
 * RV2, the same of centred Gram matrices whose diagonals are set to 0 afterwards: a correction for
 * many more features than samples, other than the debiased CKA.
 *
 * <pre>
 *   RV2 = (|X^T Y|^2 - sum r t) / sqrt((|X^T X|^2 - sum r^2) (|Y^T Y|^2 - sum t^2))
 * </pre>
 *
 * with {@code r, t} the squared norms of the centred samples. RV2 may be negative.
 *
 * <p>Source: Robert and Escoufier 1976; Smilde et al. 2009, "Matrix correlations for
 * high-dimensional data: the modified RV-coefficient".
 */
public final class RvCoefficient extends PairedMeasure {
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
  private final boolean modified;

  private RvCoefficient(Options options, boolean modified) {
    this.options = options;
    this.modified = modified;
  }

  /** RV. */
  public static RvCoefficient plain(Options options) {
    return new RvCoefficient(options, false);
  }

  /** RV2. */
  public static RvCoefficient modified(Options options) {
    return new RvCoefficient(options, true);
  }

  @Override
  public String id() {
    return modified ? "rv2" : "rv";
  }

  @Override
  public String summary() {
    return modified
        ? "cosine between Gram matrices without their diagonals"
        : "the RV coefficient, which is cka-linear";
  }

  @Override
  public Options options() {
    return options;
  }

  @Override
  public double least() {
    return modified ? -1 : 0;
  }

  @Override
  Finding compare(Pair pair, Workspace ws) {
    Form form = modified ? Form.OFF_DIAGONAL : Form.BIASED;
    Matrix x = pair.x().centred();
    Matrix y = pair.y().centred();
    double cosine = HsicSums.linear(x, y, form, options.route(), ws).cosine();
    return Finding.of(cosine, HsicSums.route(options.route(), x, y));
  }
}
