// SPDX-License-Identifier: Apache-2.0
package org.merganser.similarity;

import java.util.Arrays;
import java.util.Set;
import org.merganser.compute.Workspace;
import org.merganser.linalg.Assignment;
import org.merganser.linalg.LinAlg;
import org.merganser.linalg.Matrix;

/**
 * How well features match one to one: with correlations {@code C[i, j]} of feature i of X with j of
 * Y, the most of {@code sum_i C[i, pi(i)]} over matchings pi, no feature twice, divided by the
 * number of features that vary on the side with fewer of them. It is what alignment by permutations
 * maximises, and the mean of the matched correlations it reports.
 *
 * <p>Constant features correlate with nothing, 0. Cost O(n p q + p q min(p, q)).
 *
 * <p>Source: Li, Yosinski, Clune, Lipson and Hopcroft 2016, "Convergent learning: do different
 * neural networks learn the same representations?".
 */
public final class MatchedFeatures extends PairedMeasure {
  private MatchedFeatures() {}

  public static MatchedFeatures correlation() {
    return new MatchedFeatures();
  }

  @Override
  public String id() {
    return "matched-correlation";
  }

  @Override
  public String summary() {
    return "mean correlation of features that are matched one to one";
  }

  @Override
  public double least() {
    return -1;
  }

  @Override
  public Set<Invariance> invariances(Side side) {
    return set(
        Invariance.COMMON_SHIFT,
        Invariance.TRANSLATION,
        Invariance.PERMUTATION,
        Invariance.ISOTROPIC_SCALE,
        Invariance.FEATURE_SCALES);
  }

  @Override
  Finding compare(Pair pair, Workspace ws) {
    Sample x = pair.x();
    Sample y = pair.y();
    try (Matrix products = LinAlg.transposeMultiply(x.centred(), y.centred(), ws)) {
      double[] ofX = roots(x.columnNorms(ws));
      double[] ofY = roots(y.columnNorms(ws));
      return Finding.of(mean(products, ofX, ofY, ws), Route.FEATURE)
          .detail("matched", matched(ofX, ofY));
    }
  }

  /**
   * The mean of the matched correlations.
   *
   * @param products {@code X^T Y} of centred sides
   * @param ofX norms of the features; 0 for constant ones
   */
  static double mean(Matrix products, double[] ofX, double[] ofY, Workspace ws) {
    try (Matrix correlations = LinAlg.divide(products, ofX, ofY, ws)) {
      double mean = most(correlations, ws) / matched(ofX, ofY);
      return Math.max(-1, Math.min(1, mean));
    }
  }

  /** The greatest sum of one element for each row or column, whichever are fewer, none twice. */
  static double most(Matrix elements, Workspace ws) {
    if (elements.rows() <= elements.columns()) {
      return Assignment.maximise(elements, ws).value();
    }
    try (Matrix turned = LinAlg.transpose(elements, ws)) {
      return Assignment.maximise(turned, ws).value();
    }
  }

  private static long matched(double[] ofX, double[] ofY) {
    return Math.min(varying(ofX), varying(ofY));
  }

  static double[] roots(double[] squares) {
    return Arrays.stream(squares).map(Math::sqrt).toArray();
  }

  private static long varying(double[] roots) {
    return Arrays.stream(roots).filter(root -> root > 0).count();
  }
}
