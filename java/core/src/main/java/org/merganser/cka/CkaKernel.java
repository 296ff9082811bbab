// SPDX-License-Identifier: Apache-2.0
package org.merganser.cka;

import org.merganser.compute.Workspace;
import org.merganser.error.NumericalException;
import org.merganser.internal.Opened;
import org.merganser.linalg.Gram;
import org.merganser.linalg.Matrix;
import org.merganser.linalg.Tensor;

/**
 * The kernel of a report.
 *
 * @param t bandwidth in medians of the distances; NaN for the linear kernel
 */
record CkaKernel(double t) {
  static final CkaKernel LINEAR = new CkaKernel(Double.NaN);

  boolean isLinear() {
    return Double.isNaN(t);
  }

  /** {@code exp(-|x - y|^2 / (2 t^2 m^2))} of squared distances, in place; returns gamma. */
  double apply(String name, Matrix distances, Workspace ws) {
    double median;
    try {
      median = Gram.medianSquaredDistance(distances, Gram.MedianRule.OFF_DIAGONAL, ws).value();
    } catch (NumericalException e) {
      throw new NumericalException(name + ": " + e.getMessage(), e);
    }
    double gamma = 1 / (2 * t * t * median);
    Gram.rbf(distances, gamma, ws);
    return gamma;
  }

  /** The centred Gram of samples, new. */
  Matrix centred(String name, Matrix samples, Workspace ws) {
    if (isLinear()) {
      return Gram.linear(samples, ws);
    }
    try (Opened opened = new Opened()) {
      Matrix gram = opened.add(Gram.squaredDistances(samples, ws));
      apply(name, gram, ws);
      Gram.centre(gram, ws);
      opened.release();
      return gram;
    }
  }

  /** The centred Gram, new, from the linear one. */
  Matrix ofLinear(String name, Matrix linear, Workspace ws) {
    if (isLinear()) {
      return linear.on(ws);
    }
    try (Opened opened = new Opened()) {
      Matrix gram = opened.add(distances(linear, ws));
      apply(name, gram, ws);
      Gram.centre(gram, ws);
      opened.release();
      return gram;
    }
  }

  /** {@code K_ii + K_jj - 2 K_ij}, at least 0. */
  private static Matrix distances(Matrix linear, Workspace ws) {
    double[] own = GramPair.diagonal(linear, ws);
    int n = own.length;
    try (Opened opened = new Opened()) {
      Matrix distances = opened.add(Matrix.allocate(n, n, ws));
      GramRowPairs.each(
          linear,
          linear,
          ws,
          (first, rows, same) -> {
            for (int at = 0; at < rows.length; at++) {
              int i = first + at / n;
              int j = at % n;
              rows[at] = i == j ? 0 : Math.max(0, own[i] + own[j] - 2 * rows[at]);
            }
            long count = rows.length / n;
            try (Tensor block = Tensor.of(rows, count, n);
                Tensor to = distances.asTensor().rows(first, first + count)) {
              to.copyFrom(block, ws);
            }
          });
      opened.release();
      return distances;
    }
  }

  static double requireBandwidth(double t) {
    if (!(t > 0) || Double.isInfinite(t)) {
      throw new IllegalArgumentException("the bandwidth t is " + t + "; give a number above 0");
    }
    return t;
  }

  @Override
  public String toString() {
    return isLinear() ? "linear" : "rbf(" + t + ")";
  }
}
