// SPDX-License-Identifier: Apache-2.0
package org.merganser.symmetry;

import java.util.Arrays;
import java.util.SplittableRandom;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.error.ShapeException;
import org.merganser.linalg.LinAlg;
import org.merganser.linalg.Matrix;

/** What maps of the residual stream must be. */
final class Rotations {
  /** Of norms and of images of vectors, relative. */
  static final double TOLERANCE = 1e-6;

  private Rotations() {}

  /**
   * Throws unless R^T R v = v for a random vector of signs v, which almost no other matrix passes:
   * two products instead of d.
   */
  static void requireOrthogonal(Matrix r) {
    if (r.rows() != r.columns() || r.dtype() != DType.F64) {
      throw new ShapeException("residual: a square F64 matrix is needed, not a " + r);
    }
    int d = (int) r.rows();
    SplittableRandom random = new SplittableRandom(d);
    double[] v = random.ints(d, 0, 2).mapToDouble(bit -> 2 * bit - 1).toArray();
    double[] image = times(r, v);
    double[] back = new double[d];
    for (int i = 0; i < d; i++) {
      double[] row = r.row(i);
      for (int j = 0; j < d; j++) {
        back[j] += row[j] * image[i];
      }
    }
    for (int j = 0; j < d; j++) {
      if (!(Math.abs(back[j] - v[j]) <= TOLERANCE * Math.sqrt(d))) {
        throw new IllegalArgumentException(
            "residual: the %s is not orthogonal; of R'R v = v for a vector v of signs, element %d"
                    .formatted(r, j)
                + " is off by "
                + Math.abs(back[j] - v[j]));
      }
    }
  }

  /**
   * A product of orthogonal matrices on the host, one step of Newton and Schulz ({@code R <- 3/2 R
   * - 1/2 R R'R}) nearer to them where rounding has added up.
   */
  static Matrix orthogonal(Matrix r, Workspace ws) {
    try (Matrix square = LinAlg.transposeMultiply(r, r, ws)) {
      if (!(LinAlg.distanceToIdentity(square, ws) > TOLERANCE)) {
        return r.toHost(ws);
      }
      Matrix half = r.toHost(ws);
      try (Matrix cube = LinAlg.multiply(r, square, ws);
          Matrix host = cube.toHost(ws)) {
        for (long i = 0; i < r.rows(); i++) {
          for (long j = 0; j < r.columns(); j++) {
            half.set(i, j, 1.5 * half.get(i, j) - 0.5 * host.get(i, j));
          }
        }
      }
      return half;
    }
  }

  static boolean isIdentity(Matrix r) {
    for (long i = 0; i < r.rows(); i++) {
      for (long j = 0; j < r.columns(); j++) {
        if (r.get(i, j) != (i == j ? 1 : 0)) {
          return false;
        }
      }
    }
    return true;
  }

  /** R v. */
  static double[] times(Matrix r, double[] v) {
    double[] image = new double[v.length];
    for (int i = 0; i < image.length; i++) {
      double[] row = r.row(i);
      for (int j = 0; j < v.length; j++) {
        image[i] += row[j] * v[j];
      }
    }
    return image;
  }

  /** Whether R 1 is 1 or -1, so that R keeps means. */
  static boolean keepsMeans(Matrix r) {
    double[] ones = new double[(int) r.columns()];
    Arrays.fill(ones, 1);
    double[] image = times(r, ones);
    for (double each : image) {
      if (!(Math.abs(each - Math.signum(image[0])) <= TOLERANCE)) {
        return false;
      }
    }
    return true;
  }
}
