// SPDX-License-Identifier: Apache-2.0
package org.merganser.merge;

import java.util.Arrays;
import java.util.List;

/** One number for each model, as options give them. */
final class Weights {
  private Weights() {}

  static List<Double> list(double... values) {
    return Arrays.stream(values).boxed().toList();
  }

  /**
   * Throws unless there are as many as models, or none.
   *
   * @param what they are, in the plural
   */
  static void require(String what, List<Double> values, int models) {
    if (!values.isEmpty() && values.size() != models) {
      throw new IllegalArgumentException(values.size() + " " + what + " for " + models + " models");
    }
  }

  /** Throws unless they can be divided by their sum; none can. */
  static void requireSum(List<Double> weights) {
    double sum = weights.stream().mapToDouble(Double::doubleValue).sum();
    if (!Double.isFinite(sum) || !weights.isEmpty() && Math.abs(sum) < 1e-8) {
      throw new IllegalArgumentException(
          "weights " + weights + " sum to " + sum + ", which cannot be normalised");
    }
  }

  /** As an array; without any, {@code each} for each. */
  static double[] of(List<Double> weights, int models, double each) {
    double[] values = new double[models];
    Arrays.fill(values, each);
    for (int k = 0; k < weights.size(); k++) {
      values[k] = weights.get(k);
    }
    return values;
  }
}
