// SPDX-License-Identifier: Apache-2.0
package org.merganser.cka;

import java.util.Arrays;
import java.util.SplittableRandom;
import org.merganser.compute.Workspace;
import org.merganser.internal.Seeds;
import org.merganser.linalg.Matrix;

/** The largest eigenvalue of a positive semidefinite matrix. */
final class Spectrum {
  private static final int MOST_STEPS = 100;
  private static final double ENOUGH = 1e-6;

  private Spectrum() {}

  /**
   * By powers: a lower bound, near the eigenvalue where another step adds less than 1e-6 of it. It
   * is compared with shares of the trace, not printed to digits.
   */
  static double largest(Matrix gram, Workspace ws) {
    int n = Math.toIntExact(gram.rows());
    SplittableRandom random = Seeds.stream(n, "largest eigenvalue");
    double[] v = new double[n];
    Arrays.setAll(v, i -> random.nextGaussian());
    double value = 0;
    for (int step = 0; step < MOST_STEPS; step++) {
      double length = Math.sqrt(Translation.dot(v, v));
      for (int i = 0; i < n; i++) {
        v[i] /= length;
      }
      double[] next = Vectors.times(gram, v, ws);
      double now = Math.sqrt(Translation.dot(next, next));
      v = next;
      if (now - value <= ENOUGH * now) {
        return now;
      }
      value = now;
    }
    return value;
  }
}
