// SPDX-License-Identifier: Apache-2.0
package org.merganser.cka;

import java.util.Arrays;
import org.merganser.cka.CkaSensitivity.RbfLimit;
import org.merganser.compute.Workspace;
import org.merganser.internal.Opened;
import org.merganser.linalg.Gram;
import org.merganser.linalg.LinAlg;
import org.merganser.linalg.Matrix;
import org.merganser.linalg.Tensor;

/** RBF CKA where a subset was moved to infinity. */
final class RbfTranslation {
  /** Of more, medians of distances are of pairs that are drawn. */
  private static final int MOST_SAMPLES = 8192;

  private RbfTranslation() {}

  static RbfLimit limit(Matrix x, int[] subset, double t, boolean frozen, Workspace ws) {
    CkaKernel.requireBandwidth(t);
    if (x.rows() > MOST_SAMPLES) {
      throw new IllegalArgumentException(
          "an RBF limit takes the distances of all pairs of samples, of %d at most, and there are %d;"
                  .formatted(MOST_SAMPLES, x.rows())
              + " draw some of them");
    }
    boolean[] inside = Subsets.inside(subset, x.rows());
    try (Matrix centred = Samples.centred("X", x, ws);
        Matrix d = Gram.squaredDistances(centred, ws);
        Opened opened = new Opened()) {
      double own = Gram.medianSquaredDistance(d, Gram.MedianRule.OFF_DIAGONAL, ws).value();
      double moved = frozen ? own : median(d, inside, ws);
      boolean grows = Double.isInfinite(moved);
      Matrix other = opened.add(grows ? membership(inside, ws) : blanked(d, inside, t, moved, ws));
      Matrix k = opened.add(d.on(ws));
      Gram.rbf(k, 1 / (2 * t * t * own), ws);
      Gram.centre(k, ws);
      Gram.centre(other, ws);
      double cka = GramPair.Products.of(k, other, ws).cka();
      return new RbfLimit(cka, grows, t * Math.sqrt(own), t * Math.sqrt(moved));
    }
  }

  /** The kernel with a bandwidth of its own, 0 between both sides. */
  private static Matrix blanked(Matrix d, boolean[] inside, double t, double median, Workspace ws) {
    double[] in = Subsets.indicator(inside);
    double[] out = Arrays.stream(in).map(each -> 1 - each).toArray();
    try (Matrix kernel = d.on(ws)) {
      Gram.rbf(kernel, 1 / (2 * t * t * median), ws);
      // A division by 0 is 0 there.
      try (Matrix among = LinAlg.divide(kernel, in, in, ws);
          Matrix others = LinAlg.divide(kernel, out, out, ws)) {
        return LinAlg.add(among, others, ws);
      }
    }
  }

  /** {@code 1_S 1_S^T}. */
  private static Matrix membership(boolean[] inside, Workspace ws) {
    try (Tensor s = Tensor.of(Subsets.indicator(inside), inside.length, 1)) {
      return LinAlg.multiplyTransposed(Matrix.of(s), Matrix.of(s), ws);
    }
  }

  /** The median of squared distances once those between both sides are infinite. */
  private static double median(Matrix d, boolean[] inside, Workspace ws) {
    int n = inside.length;
    double[] among = new double[n * (n - 1) / 2];
    int count = 0;
    try (Matrix here = d.toHost(ws)) {
      double[] all = here.asTensor().toDoubleArray();
      for (int i = 0; i < n; i++) {
        for (int j = i + 1; j < n; j++) {
          if (inside[i] == inside[j]) {
            among[count++] = all[i * n + j];
          }
        }
      }
    }
    int middle = among.length / 2;
    if (middle >= count) {
      return Double.POSITIVE_INFINITY;
    }
    Arrays.sort(among, 0, count);
    return among.length % 2 == 1 ? among[middle] : (among[middle - 1] + among[middle]) / 2;
  }
}
