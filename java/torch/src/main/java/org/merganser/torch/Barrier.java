// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch;

/**
 * How much worse models between two endpoints get than the straight line between them says:
 *
 * <pre>
 *   barrier = max over l of  L(theta_l) - ((1-l) L_0 + l L_1)
 * </pre>
 *
 * L the loss; for accuracies, where more is better, the sign is turned. Both endpoints lie on the
 * line, so it is never below 0 (Frankle et al. 2020).
 *
 * @param height in nats or as a part of 1
 * @param lambda where it is highest; the first of equals
 */
public record Barrier(double height, double lambda) {

  /**
   * From losses.
   *
   * @param lambdas increasing, from 0 to 1
   * @param losses at each of them
   */
  public static Barrier ofLoss(double[] lambdas, double[] losses) {
    return of(lambdas, losses, 1);
  }

  /** From accuracies. */
  public static Barrier ofAccuracy(double[] lambdas, double[] accuracies) {
    return of(lambdas, accuracies, -1);
  }

  private static Barrier of(double[] lambdas, double[] values, int sign) {
    int last = lambdas.length - 1;
    if (values.length != lambdas.length || last < 1 || lambdas[0] != 0 || lambdas[last] != 1) {
      throw new IllegalArgumentException(
          "a path needs a value for each lambda, from 0 to 1; there are "
              + lambdas.length
              + " lambdas and "
              + values.length
              + " values");
    }
    double height = 0;
    double where = 0;
    for (int i = 0; i <= last; i++) {
      if (Double.isNaN(values[i]) || i > 0 && !(lambdas[i] > lambdas[i - 1])) {
        throw new IllegalArgumentException(
            "value " + values[i] + " at lambda " + lambdas[i] + ", point " + i + " of a path");
      }
      // The endpoints lie on the line; rounding must not say otherwise.
      double line = (1 - lambdas[i]) * values[0] + lambdas[i] * values[last];
      double above = i == 0 || i == last ? 0 : sign * (values[i] - line);
      if (above > height) {
        height = above;
        where = lambdas[i];
      }
    }
    return new Barrier(height, where);
  }
}
