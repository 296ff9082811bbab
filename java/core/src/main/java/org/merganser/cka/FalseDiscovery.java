// SPDX-License-Identifier: Apache-2.0
package org.merganser.cka;

import java.util.Arrays;
import java.util.Comparator;
import java.util.stream.IntStream;

/** Rates of false discovery of many tests (Benjamini and Hochberg 1995). */
final class FalseDiscovery {
  private FalseDiscovery() {}

  /** {@code q_(k) = min over m >= k of p_(m) M / m} of M sorted p-values; NaN stays and is none. */
  static double[] rates(double[] p) {
    int[] order =
        IntStream.range(0, p.length)
            .filter(k -> !Double.isNaN(p[k]))
            .boxed()
            .sorted(Comparator.comparingDouble(k -> p[k]))
            .mapToInt(Integer::intValue)
            .toArray();
    double[] rates = new double[p.length];
    Arrays.fill(rates, Double.NaN);
    double least = 1;
    for (int m = order.length; m > 0; m--) {
      least = Math.min(least, p[order[m - 1]] * ((double) order.length / m));
      rates[order[m - 1]] = least;
    }
    return rates;
  }
}
