// SPDX-License-Identifier: Apache-2.0
package org.merganser.analysis.recurrent;

import org.merganser.activation.AdaptiveActivation;

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

  /** Whether some slope is above 1. */
  public static boolean contains(double gain, double saturation) {
    return AdaptiveActivation.maxSlope(gain, saturation) > 1;
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
