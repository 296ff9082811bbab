// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import java.util.SplittableRandom;
import java.util.stream.IntStream;
import org.merganser.internal.Seeds;
import org.merganser.linalg.Matrix;
import org.merganser.linalg.Tensor;

/**
 * Samples drawn from two cubes of side 1, as many from each, their centres {@value #APART} apart
 * along the first feature.
 *
 * @param samples of each cube
 */
record Cubes(int samples, int features, long seed) {
  static final double APART = 1.1;

  /** F64 [2 samples x features], those of the first cube first. */
  Matrix draw() {
    SplittableRandom random = Seeds.stream(seed, "cubes");
    double[] values = random.doubles((long) 2 * samples * features).toArray();
    for (int i = samples; i < 2 * samples; i++) {
      values[i * features] += APART;
    }
    return Matrix.of(Tensor.of(values, 2L * samples, features));
  }

  /** The samples of the second cube. */
  int[] second() {
    return IntStream.range(samples, 2 * samples).toArray();
  }

  /** A random direction of length 1. */
  double[] direction() {
    SplittableRandom random = Seeds.stream(seed, "cubes/direction");
    double[] v = new double[features];
    double squares = 0;
    for (int f = 0; f < features; f++) {
      v[f] = random.nextGaussian();
      squares += v[f] * v[f];
    }
    double length = Math.sqrt(squares);
    for (int f = 0; f < features; f++) {
      v[f] /= length;
    }
    return v;
  }

  /** A copy of samples, some of them moved by {@code c v}. */
  static Matrix moved(Matrix x, int[] subset, double[] v, double c) {
    Matrix y = x.copy();
    for (int sample : subset) {
      double[] row = y.row(sample);
      for (int f = 0; f < row.length; f++) {
        row[f] += c * v[f];
      }
      y.setRow(sample, row);
    }
    return y;
  }

  /** A square matrix with normal entries of mean {@code ratio} and deviation 1. */
  Matrix map(double ratio) {
    SplittableRandom random = Seeds.stream(seed, "cubes/map/" + ratio);
    double[] m = new double[features * features];
    for (int i = 0; i < m.length; i++) {
      m[i] = ratio + random.nextGaussian();
    }
    return Matrix.of(Tensor.of(m, features, features));
  }

  /**
   * Linear CKA of very many samples with themselves, the second cube moved to infinity: {@code
   * d^2/4 / sqrt((p-1) s^2 + (s + d^2/4)^2)} with d the distance of the centres and s = 1/12 the
   * variance of a feature in a cube.
   */
  static double limit(int features) {
    double between = APART * APART / 4;
    double within = 1.0 / 12;
    double along = within + between;
    return between / Math.sqrt((features - 1) * within * within + along * along);
  }
}
