// SPDX-License-Identifier: Apache-2.0
package org.merganser.analysis.recurrent;

/**
 * Where a network with orthogonal recurrent weights can grow: the shapes (n, s) of {@code gamma(x;
 * n, s) = (1-s) softplus(n x)/n + s sigma(n x)} whose largest slope is above 1.
 *
 * <pre>
 *   sup gamma' = 1 - s                          for s &lt;= 1/(n+1)
 *              = (1 + s (n-1))^2 / (4 n s)      else
 *   sup gamma' &gt; 1   exactly for   n &gt; 4  and  s &gt; 1 / (sqrt(n) - 1)^2
 * </pre>
 */
public final class ExplodingRegion {
  private ExplodingRegion() {}

  /**
   * sup gamma' over x.
   *
   * @param gain n &gt; 0
   * @param saturation s in [0, 1]
   */
  public static double maxSlope(double gain, double saturation) {
    if (!(gain > 0) || !(saturation >= 0 && saturation <= 1)) {
      throw new IllegalArgumentException(
          "the slope bound is of gain n > 0 and saturation s in [0, 1], not of n = %s, s = %s"
              .formatted(gain, saturation));
    }
    if (saturation <= 1 / (gain + 1)) {
      return 1 - saturation;
    }
    double root = 1 + saturation * (gain - 1);
    return root * root / (4 * gain * saturation);
  }

  /**
   * The saturation above which slopes exceed 1, {@code 1 / (sqrt(n) - 1)^2}; infinite for gains
   * that have none ({@code n <= 4}, where the curve would leave [0, 1]).
   */
  public static double boundary(double gain) {
    if (!(gain > 0)) {
      throw new IllegalArgumentException("a gain is above 0, not " + gain);
    }
    double root = Math.sqrt(gain) - 1;
    return gain > 4 ? 1 / (root * root) : Double.POSITIVE_INFINITY;
  }
}
