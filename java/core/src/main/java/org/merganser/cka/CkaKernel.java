// SPDX-License-Identifier: Apache-2.0
package org.merganser.cka;

import org.merganser.compute.Workspace;
import org.merganser.error.NumericalException;
import org.merganser.internal.Opened;
import org.merganser.linalg.Gram;
import org.merganser.linalg.Matrix;

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
