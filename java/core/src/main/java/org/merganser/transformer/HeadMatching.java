// SPDX-License-Identifier: Apache-2.0
package org.merganser.transformer;

import java.util.ArrayList;
import java.util.List;
import org.merganser.compute.Workspace;

/**
 * Which KV head of the source becomes which of the target, and how: every head of the one is fitted
 * to every head of the other ({@link GroupFit}), and an assignment takes the fits that add up to
 * most. No query head leaves its group.
 */
final class HeadMatching {
  private HeadMatching() {}

  /**
   * @param previous of an earlier sweep, a start that is only left for something better; null for
   *     none
   */
  static List<HeadSymmetry> match(
      HeadProducts products, GroupFit.Freedom freedom, List<HeadSymmetry> previous, Workspace ws) {
    int heads = products.keyValueHeads();
    GroupFit[][] fits = new GroupFit[heads][heads];
    double[][] values = new double[heads][heads];
    for (int t = 0; t < heads; t++) {
      for (int s = 0; s < heads; s++) {
        if (s != t && !freedom.order()) {
          values[t][s] = Double.NEGATIVE_INFINITY;
          continue;
        }
        fits[t][s] = new GroupFit(products, t, s, freedom).fit(null, ws);
        if (previous != null && previous.get(t).source() == s) {
          GroupFit again = new GroupFit(products, t, s, freedom).fit(previous.get(t).queries(), ws);
          fits[t][s] = again.value() > fits[t][s].value() ? again : fits[t][s];
        }
        values[t][s] = fits[t][s].value();
      }
    }
    int[] sources = freedom.order() ? Matchings.best(values, ws) : identity(heads);
    List<HeadSymmetry> found = new ArrayList<>();
    for (int t = 0; t < heads; t++) {
      found.add(fits[t][sources[t]].found(sources[t]));
    }
    return found;
  }

  private static int[] identity(int n) {
    return java.util.stream.IntStream.range(0, n).toArray();
  }
}
