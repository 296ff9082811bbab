// SPDX-License-Identifier: Apache-2.0
package org.merganser.similarity;

import java.util.Set;
import org.merganser.compute.Workspace;
import org.merganser.linalg.LinAlg;
import org.merganser.linalg.Matrix;
import org.merganser.linalg.Svd;
import org.merganser.linalg.Tensor;
import org.merganser.method.Setting;
import org.merganser.method.Settings;

/**
 * Canonical correlations weighted by how much of one side their variates account for.
 *
 * <pre>
 *   h_i = U_x u_i the canonical variates of X,  a_i = sum_j |h_i . x_j| over its features
 *   value = sum a_i rho_i / sum a_i
 * </pre>
 *
 * The weights are those of X, of Y, or of the side of lower rank (X where they are equal), as
 * published. The side without the weights may be mapped by anything invertible; the other keeps the
 * order of its features and one factor only, as sums of magnitudes are not those of rotated
 * features. Where correlations tie, their variates are any basis, and so the weights: a warning
 * says so. Cost O(n(p^2 + q^2)).
 *
 * <p>Source: Morcos, Raghu and Bengio 2018, "Insights on representational similarity in neural
 * networks with canonical correlation".
 */
public final class Pwcca extends PairedMeasure {
  private static final double TIE = 1e-9;

  /** Which side weights the correlations. */
  public enum Weights {
    LOWER_RANK,
    X,
    Y
  }

  /** Settings. */
  public record Options(
      @Setting("the side whose features weight the correlations") Weights weights) {
    public Options {
      Settings.check(Options.class, weights);
    }

    /** As published. */
    public static Options defaults() {
      return new Options(Weights.LOWER_RANK);
    }

    public Options withWeights(Weights value) {
      return new Options(value);
    }
  }

  private final Options options;

  private Pwcca(Options options) {
    this.options = options;
  }

  public static Pwcca of(Options options) {
    return new Pwcca(options);
  }

  public static Pwcca weightsFrom(Weights side) {
    return new Pwcca(new Options(side));
  }

  @Override
  public String id() {
    return "pwcca";
  }

  @Override
  public String summary() {
    return "canonical correlations weighted by what they account for";
  }

  @Override
  public Options options() {
    return options;
  }

  @Override
  public Set<Invariance> invariances(Side side) {
    boolean weightless = options.weights() == (side == Side.X ? Weights.Y : Weights.X);
    return weightless
        ? AFFINE_MAPS
        : set(
            Invariance.COMMON_SHIFT,
            Invariance.TRANSLATION,
            Invariance.PERMUTATION,
            Invariance.ISOTROPIC_SCALE);
  }

  @Override
  public Set<Trait> traits() {
    return set(Trait.NORMALISED, Trait.IGNORES_ORDER);
  }

  @Override
  Finding compare(Pair pair, Workspace ws) {
    try (Basis x = Basis.of(pair.x(), ws);
        Basis y = Basis.of(pair.y(), ws)) {
      boolean ofX =
          switch (options.weights()) {
            case X -> true;
            case Y -> false;
            case LOWER_RANK -> x.rank() <= y.rank();
          };
      Basis weighting = ofX ? x : y;
      Basis other = ofX ? y : x;
      return compare(weighting, other, ofX, pair.samples(), ws);
    }
  }

  /**
   * @param x the side that weights
   * @param ofX whether that is X
   */
  private static Finding compare(Basis x, Basis y, boolean ofX, int samples, Workspace ws) {
    try (Matrix cosines = Basis.overlap(x, x.rank(), y, y.rank(), ws);
        Svd svd = Svd.of(cosines, ws)) {
      int dimsX = ofX ? x.rank() : y.rank();
      int dimsY = ofX ? y.rank() : x.rank();
      Correlations found = Correlations.of(svd, dimsX, dimsY, samples);
      double[] rho = found.values();
      double[] weights = weights(x, svd.left(), ws);
      double sum = 0;
      double all = 0;
      for (int i = 0; i < rho.length; i++) {
        sum += weights[i] * rho[i];
        all += weights[i];
      }
      Finding finding = found.finding(sum / all, samples);
      finding.detail("weights-of-x", ofX ? 1 : 0);
      warnOfTies(rho, finding);
      return finding;
    }
  }

  /** {@code h_i^T X = u_i^T S V^T}, the magnitudes summed: X itself is not needed again. */
  private static double[] weights(Basis x, Matrix variates, Workspace ws) {
    int r = x.rank();
    double[] s = java.util.Arrays.copyOf(x.singularValues(), r);
    try (Matrix v = x.rightVectors(r);
        Tensor scaled = v.asTensor().scaledRows(s, ws);
        Matrix products = LinAlg.transposeMultiply(variates, Matrix.of(scaled), ws);
        Matrix host = products.toHost(ws)) {
      double[] weights = new double[Math.toIntExact(host.rows())];
      for (int i = 0; i < weights.length; i++) {
        for (double each : host.row(i)) {
          weights[i] += Math.abs(each);
        }
      }
      return weights;
    }
  }

  private static void warnOfTies(double[] rho, Finding finding) {
    int ties = 0;
    for (int i = 1; i < rho.length; i++) {
      ties += rho[i - 1] - rho[i] <= TIE ? 1 : 0;
    }
    if (ties > 0 && rho[0] - rho[rho.length - 1] > TIE) {
      finding.warn(
          "PWCCA_TIES",
          (ties + 1)
              + " or more canonical correlations are equal: their weights depend on the basis that"
              + " was found for them, and so does the value; take cca-mean");
    }
  }
}
