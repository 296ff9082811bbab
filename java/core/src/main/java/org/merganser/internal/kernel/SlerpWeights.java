// SPDX-License-Identifier: Apache-2.0
package org.merganser.internal.kernel;

/** Weights of two vectors x and y in their spherical interpolation. */
public final class SlerpWeights {
  private static final double PARALLEL = 0.9995;
  private static final double NO_NORM = 1e-8;

  private SlerpWeights() {}

  /**
   * With c = x.y / (|x| |y|), where a norm of at most 1e-8 counts as 1, and w = acos c: {sin((1-t)
   * w) / sin w, sin(t w) / sin w}, and {1-t, t} when |c| &gt; 0.9995. The same bits on every
   * machine.
   *
   * @param dots {x.y, x.x, y.y}, see {@link Kernels#dotProducts}
   * @param t any number; 0 gives x and 1 gives y
   */
  public static double[] at(double[] dots, double t) {
    if (dots.length != 3) {
      throw new IllegalArgumentException("dots: expected 3 numbers, got " + dots.length);
    }
    double c = dots[0] / norm(dots[1]) / norm(dots[2]);
    if (!Double.isFinite(c) || !Double.isFinite(t)) {
      throw new IllegalArgumentException("the cosine is " + c + " and t is " + t);
    }
    if (Math.abs(c) > PARALLEL) {
      return new double[] {1 - t, t};
    }
    double angle = StrictMath.acos(c);
    double sine = StrictMath.sin(angle);
    return new double[] {StrictMath.sin((1 - t) * angle) / sine, StrictMath.sin(t * angle) / sine};
  }

  private static double norm(double square) {
    double root = Math.sqrt(square);
    return root <= NO_NORM ? 1 : root;
  }
}
