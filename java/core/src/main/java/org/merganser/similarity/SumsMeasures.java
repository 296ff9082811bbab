// SPDX-License-Identifier: Apache-2.0
package org.merganser.similarity;

import java.util.Arrays;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.IntStream;
import org.merganser.compute.Workspace;
import org.merganser.internal.Opened;
import org.merganser.linalg.LinAlg;
import org.merganser.linalg.Matrix;
import org.merganser.linalg.Svd;
import org.merganser.linalg.Tensor;

/**
 * Measures beside CKA that sums of products of features give, {@code C = sum u w^T}: those of
 * Procrustes by the nuclear norm of C or the best matching in it, matched correlations by that of C
 * over the norms of the features, those of canonical correlation and regression by bases of {@code
 * sum u u^T}. Directions are taken whose variance is above {@code p eps} times the largest:
 * products hold half the digits of the samples, and what is below is no direction.
 */
final class SumsMeasures {
  private static final Set<String> IDS =
      Set.of(
          "cca-mean",
          "cca-r2",
          "eigenspace-overlap",
          "linreg-r2",
          "matched-correlation",
          "procrustes-permutation",
          "procrustes-distance",
          "procrustes-normalised",
          "procrustes-angular");

  private SumsMeasures() {}

  static Set<String> ids() {
    return new TreeSet<>(IDS);
  }

  static double value(
      SimilarityMeasure measure, LayerSums x, LayerSums y, PairSums pair, Workspace ws) {
    String id = measure.id();
    double squareX = x.sumOfNorms();
    if (measure instanceof Procrustes procrustes) {
      double best =
          procrustes.isPermuted()
              ? MatchedFeatures.most(pair.products(), ws)
              : nuclear(pair.products(), ws);
      return procrustes.value(best, Math.sqrt(squareX), Math.sqrt(y.sumOfNorms()));
    }
    if (measure instanceof MatchedFeatures) {
      return MatchedFeatures.mean(pair.products(), norms(x, ws), norms(y, ws), ws);
    }
    try (Matrix right = whitening(y.own().products(), ws);
        Matrix half = LinAlg.multiply(pair.products(), right, ws)) {
      if (id.equals("linreg-r2")) {
        return Arrays.stream(LinAlg.rowProducts(half, half, ws)).sum() / squareX;
      }
      try (Matrix left = whitening(x.own().products(), ws);
          Matrix cosines = LinAlg.transposeMultiply(left, half, ws);
          Svd svd = Svd.of(cosines, ws)) {
        double[] rho = Arrays.stream(svd.singularValues()).map(each -> Math.min(1, each)).toArray();
        double squares = Arrays.stream(rho).map(each -> each * each).sum();
        long smaller = Math.min(left.columns(), right.columns());
        return switch (id) {
          case "cca-mean" -> Arrays.stream(rho).sum() / smaller;
          case "cca-r2" -> squares / smaller;
          default -> squares / Math.max(left.columns(), right.columns());
        };
      }
    }
  }

  /** Of the features. */
  private static double[] norms(LayerSums layer, Workspace ws) {
    int[] each = IntStream.range(0, layer.mean().length).toArray();
    return MatchedFeatures.roots(layer.own().products().entries(each, ws));
  }

  private static double nuclear(Matrix a, Workspace ws) {
    try (Svd svd = Svd.of(a, ws)) {
      return Arrays.stream(svd.singularValues()).sum();
    }
  }

  /** {@code V diag(s)^-1/2}, [p x rank], of {@code sum u u^T = V diag(s) V^T}: U^T U is I. */
  private static Matrix whitening(Matrix products, Workspace ws) {
    try (Opened opened = new Opened();
        Svd svd = Svd.of(products, ws)) {
      double[] s = svd.singularValues();
      int rank = 0;
      double least = s.length * Math.ulp(1.0) * s[0];
      while (rank < s.length && s[rank] > least) {
        rank++;
      }
      double[] scales = new double[rank];
      for (int k = 0; k < rank; k++) {
        scales[k] = 1 / Math.sqrt(s[k]);
      }
      try (Tensor rows = svd.rightTransposed().asTensor().rows(0, rank);
          Tensor scaled = rows.scaledRows(scales, ws)) {
        Matrix whitening = opened.add(LinAlg.transpose(Matrix.of(scaled), ws));
        opened.release();
        return whitening;
      }
    }
  }
}
