// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch.recurrent;

import java.util.SplittableRandom;

/** Distributions of the initial weights; each depends on a stream of the seed only. */
public enum RnnInit {
  /**
   * Rotations by {@code theta ~ U(-pi, 0)} of pairs of units, {@code [[cos, sin], [-sin, cos]]}:
   * the exponential of a block-diagonal skew matrix (Henaff et al. 2016). An odd unit keeps itself.
   */
  HENAFF,
  /**
   * The same by {@code theta ~ U(0, pi/2)}: the Cayley map of the blocks with {@code -tan(theta/2)}
   * (Helfrich et al. 2018).
   */
  CAYLEY,
  /** Orthogonal, of the Haar measure: Gram-Schmidt of Gaussian rows. */
  ORTHOGONAL,
  /** Normal with variance 2/(in + out) (Glorot and Bengio 2010). */
  XAVIER,
  /** Normal with variance 2/in (He et al. 2015). */
  KAIMING,
  /** Normal with variance 1/in. */
  GAUSSIAN;

  /** Whether it makes square matrices only. */
  boolean isSquare() {
    return this == HENAFF || this == CAYLEY || this == ORTHOGONAL;
  }

  /** Row-major [out x in]. */
  double[] matrix(int out, int in, SplittableRandom random) {
    return switch (this) {
      case HENAFF -> rotations(out, random, -Math.PI, 0);
      case CAYLEY -> rotations(out, random, 0, Math.PI / 2);
      case ORTHOGONAL -> orthogonal(out, random);
      case XAVIER -> normal(out * in, Math.sqrt(2.0 / (in + out)), random);
      case KAIMING -> normal(out * in, Math.sqrt(2.0 / in), random);
      case GAUSSIAN -> normal(out * in, Math.sqrt(1.0 / in), random);
    };
  }

  private static double[] normal(int count, double sd, SplittableRandom random) {
    double[] values = new double[count];
    for (int i = 0; i < count; i++) {
      values[i] = sd * random.nextGaussian();
    }
    return values;
  }

  private static double[] rotations(int n, SplittableRandom random, double from, double to) {
    double[] angles = new double[n / 2];
    for (int i = 0; i < angles.length; i++) {
      angles[i] = from + (to - from) * random.nextDouble();
    }
    return rotations(n, angles);
  }

  /** A rotation by each angle, of units 2i and 2i + 1. */
  static double[] rotations(int n, double... angles) {
    double[] v = new double[n * n];
    if (n % 2 == 1) {
      v[n * n - 1] = 1;
    }
    for (int i = 0; i < angles.length; i++) {
      int at = 2 * i * (n + 1);
      v[at] = Math.cos(angles[i]);
      v[at + 1] = Math.sin(angles[i]);
      v[at + n] = -v[at + 1];
      v[at + n + 1] = v[at];
    }
    return v;
  }

  private static double[] orthogonal(int n, SplittableRandom random) {
    double[] q = normal(n * n, 1, random);
    for (int i = 0; i < n; i++) {
      // Twice is enough (Kahan and Parlett).
      for (int pass = 0; pass < 2; pass++) {
        for (int j = 0; j < i; j++) {
          subtract(q, i * n, j * n, dot(q, i * n, j * n, n), n);
        }
      }
      double norm = Math.sqrt(dot(q, i * n, i * n, n));
      for (int k = i * n; k < (i + 1) * n; k++) {
        q[k] /= norm;
      }
    }
    return q;
  }

  private static double dot(double[] q, int a, int b, int n) {
    double sum = 0;
    for (int k = 0; k < n; k++) {
      sum += q[a + k] * q[b + k];
    }
    return sum;
  }

  private static void subtract(double[] q, int from, int what, double times, int n) {
    for (int k = 0; k < n; k++) {
      q[from + k] -= times * q[what + k];
    }
  }
}
