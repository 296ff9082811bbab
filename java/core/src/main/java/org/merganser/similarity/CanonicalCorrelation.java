// SPDX-License-Identifier: Apache-2.0
package org.merganser.similarity;

import java.util.Set;
import org.merganser.compute.Workspace;
import org.merganser.linalg.Matrix;
import org.merganser.stats.NonFinite;
import org.merganser.stats.SpaceMoments;

/**
 * Canonical correlations {@code rho_1 >= rho_2 >= ...} of two representations, summed up in one
 * number. With thin decompositions of the centred sides, {@code X = U_x S_x V_x^T}, they are the
 * singular values of {@code U_x^T U_y}; ranks are r_x and r_y.
 *
 * <pre>
 *   cca-mean             sum rho / min(r_x, r_y)
 *   cca-r2               sum rho^2 / min(r_x, r_y)
 *   eigenspace-overlap   sum rho^2 / max(r_x, r_y)
 * </pre>
 *
 * They do not tell apart what an invertible map turns into each other: with as many features as
 * samples, everything is alike. At least {@code r_x + r_y - (n - 1)} correlations are 1 whatever
 * the data; the result has their number, and a warning where there are any. Cost O(n(p^2 + q^2)).
 *
 * <p>Source: Hotelling 1936; Raghu et al. 2017 for the mean; May et al. 2019 for the overlap.
 */
public final class CanonicalCorrelation extends PairedMeasure {
  private enum Summary {
    MEAN("cca-mean", "mean canonical correlation"),
    SQUARES("cca-r2", "mean squared canonical correlation"),
    OVERLAP("eigenspace-overlap", "squared canonical correlations over the larger rank");

    private final String id;
    private final String text;

    Summary(String id, String text) {
      this.id = id;
      this.text = text;
    }
  }

  private final Summary summary;

  private CanonicalCorrelation(Summary summary) {
    this.summary = summary;
  }

  /** {@code cca-mean}. */
  public static CanonicalCorrelation mean() {
    return new CanonicalCorrelation(Summary.MEAN);
  }

  /** {@code cca-r2}. */
  public static CanonicalCorrelation squares() {
    return new CanonicalCorrelation(Summary.SQUARES);
  }

  /** {@code eigenspace-overlap}. */
  public static CanonicalCorrelation overlap() {
    return new CanonicalCorrelation(Summary.OVERLAP);
  }

  /**
   * The correlations themselves, largest first; errors as of {@code between}.
   *
   * @param x [n x p]
   * @param y [n x q]
   */
  public static double[] correlations(Matrix x, Matrix y, Workspace ws) {
    try (Pair pair = Pair.of(mean(), x, y, NonFinite.FAIL, ws);
        Basis left = Basis.of(pair.x(), ws);
        Basis right = Basis.of(pair.y(), ws)) {
      return Correlations.of(left, left.rank(), right, right.rank(), pair.samples(), ws).values();
    }
  }

  /**
   * The same from moments, where there are no activations any more. They have half the digits:
   * covariances are squares.
   *
   * @param moments with the own blocks of both models and the one between them
   * @param i a model
   * @param j another, {@code i <= j}
   * @param gamma regulariser of both covariances in mean variances, which pulls correlations
   *     towards 0; 0 for none
   * @return as many as features of the narrower model, largest first, 0 beyond the rank
   * @throws org.merganser.error.NumericalException where all features of one are constant
   */
  public static double[] correlations(
      SpaceMoments moments, int i, int j, double gamma, Workspace ws) {
    return Correlations.ofMoments(moments, i, j, gamma, ws);
  }

  @Override
  public String id() {
    return summary.id;
  }

  @Override
  public String summary() {
    return summary.text;
  }

  @Override
  public Set<Invariance> invariances(Side side) {
    return AFFINE_MAPS;
  }

  @Override
  Finding compare(Pair pair, Workspace ws) {
    try (Basis x = Basis.of(pair.x(), ws);
        Basis y = Basis.of(pair.y(), ws)) {
      Correlations found = Correlations.of(x, x.rank(), y, y.rank(), pair.samples(), ws);
      int smaller = Math.min(x.rank(), y.rank());
      double value =
          switch (summary) {
            case MEAN -> found.sum() / smaller;
            case SQUARES -> found.sumOfSquares() / smaller;
            case OVERLAP -> found.sumOfSquares() / Math.max(x.rank(), y.rank());
          };
      return found.finding(value, pair.samples());
    }
  }
}
