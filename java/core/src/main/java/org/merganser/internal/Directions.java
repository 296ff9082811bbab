// SPDX-License-Identifier: Apache-2.0
package org.merganser.internal;

import java.util.Arrays;
import java.util.SplittableRandom;

/** Random directions of length 1, evenly over all. */
public final class Directions {
  private Directions() {}

  /** Of p numbers. */
  public static double[] random(int p, long seed) {
    SplittableRandom random = Seeds.stream(seed, "direction");
    double[] v = new double[p];
    Arrays.setAll(v, j -> random.nextGaussian());
    normalise(v);
    return v;
  }

  /** Where reports on CKA move samples that nobody gave a direction for. */
  public static double[] moved(int p, long seed) {
    return random(p, seedOfMoved(seed));
  }

  /** Of {@link #random} there. */
  public static long seedOfMoved(long seed) {
    return Seeds.derive(seed, "cka direction");
  }

  /** To length 1, in place. */
  public static void normalise(double[] v) {
    double square = 0;
    for (double each : v) {
      square += each * each;
    }
    double length = Math.sqrt(square);
    for (int j = 0; j < v.length; j++) {
      v[j] /= length;
    }
  }
}
