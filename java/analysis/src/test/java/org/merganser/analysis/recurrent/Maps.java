// SPDX-License-Identifier: Apache-2.0
package org.merganser.analysis.recurrent;

import java.util.SplittableRandom;
import org.merganser.compute.Workspace;
import org.merganser.internal.Seeds;
import org.merganser.linalg.Matrix;

/** Maps of tests, and the Workspace that they share. */
final class Maps {
  static final Workspace WS = Workspace.builder().threads(2).seed(7).open();

  private Maps() {}

  /** x -> A x. */
  static SmoothMap linear(double[][] a) {
    return new SmoothMap() {
      @Override
      public int dimension() {
        return a.length;
      }

      @Override
      public double[] apply(double[] x) {
        double[] y = new double[a.length];
        for (int i = 0; i < a.length; i++) {
          for (int j = 0; j < a.length; j++) {
            y[i] += a[i][j] * x[j];
          }
        }
        return y;
      }

      @Override
      public double[] jacobian(double[] x) {
        double[] flat = new double[a.length * a.length];
        for (int i = 0; i < a.length; i++) {
          System.arraycopy(a[i], 0, flat, i * a.length, a.length);
        }
        return flat;
      }
    };
  }

  /** (x, y) -> (1 - 1.4 x^2 + y, 0.3 x). */
  static SmoothMap henon() {
    return new SmoothMap() {
      @Override
      public int dimension() {
        return 2;
      }

      @Override
      public double[] apply(double[] x) {
        return new double[] {1 - 1.4 * x[0] * x[0] + x[1], 0.3 * x[0]};
      }

      @Override
      public double[] jacobian(double[] x) {
        return new double[] {-2.8 * x[0], 1, 0.3, 0};
      }
    };
  }

  /** V with independent normal elements of variance gain^2 / H. */
  static Matrix random(int size, double gain, long seed) {
    SplittableRandom random = Seeds.stream(seed, "recurrent weights");
    Matrix weights = Matrix.allocate(size, size);
    for (int i = 0; i < size; i++) {
      for (int j = 0; j < size; j++) {
        weights.set(i, j, gain / Math.sqrt(size) * random.nextGaussian());
      }
    }
    return weights;
  }

  /** States of normal elements. */
  static double[][] states(int count, int size, double scale, long seed) {
    SplittableRandom random = Seeds.stream(seed, "states");
    double[][] states = new double[count][size];
    for (double[] state : states) {
      for (int i = 0; i < size; i++) {
        state[i] = scale * random.nextGaussian();
      }
    }
    return states;
  }
}
