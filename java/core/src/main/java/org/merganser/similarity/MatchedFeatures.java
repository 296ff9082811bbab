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
    boolean wide = pair.x().columns() <= pair.y().columns();
    Sample rows = wide ? pair.x() : pair.y();
    Sample columns = wide ? pair.y() : pair.x();
    double[] ofRows = roots(rows, ws);
    double[] ofColumns = roots(columns, ws);
    try (Matrix products = LinAlg.transposeMultiply(rows.centred(), columns.centred(), ws);
        Matrix correlations = LinAlg.divide(products, ofRows, ofColumns, ws)) {
      double sum = Assignment.maximise(correlations, ws).value();
      long matched = Math.min(varying(ofRows), varying(ofColumns));
      double mean = Math.max(-1, Math.min(1, sum / matched));
      return Finding.of(mean, Route.FEATURE).detail("matched", matched);
    }
  }

  private static double[] roots(Sample side, Workspace ws) {
    return Arrays.stream(side.columnNorms(ws)).map(Math::sqrt).toArray();
  }

  private static long varying(double[] roots) {
    return Arrays.stream(roots).filter(root -> root > 0).count();
  }
}
