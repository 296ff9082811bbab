// SPDX-License-Identifier: Apache-2.0
package org.merganser.symmetry;

import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;
import org.merganser.compute.Workspace;

/**
 * Which KV head of the source becomes which of the target, and how: every head of the one is fitted
 * to every head of the other ({@link GroupFit}), and an assignment takes the fits that add up to
 * most. No query head leaves its group.
 */
final class HeadMatching {
  private final HeadProducts products;
  private final GroupFit.Freedom freedom;
  private final List<HeadSymmetry> previous;
  private final Workspace ws;

  private HeadMatching(
      HeadProducts products, GroupFit.Freedom freedom, List<HeadSymmetry> previous, Workspace ws) {
    this.products = products;
    this.freedom = freedom;
    this.previous = previous;
    this.ws = ws;
  }

  /**
   * @param previous of an earlier sweep, a start that is only left for something better; null for
   *     none
   */
  static List<HeadSymmetry> match(
      HeadProducts products, GroupFit.Freedom freedom, List<HeadSymmetry> previous, Workspace ws) {
    HeadMatching matching = new HeadMatching(products, freedom, previous, ws);
    int heads = products.keyValueHeads();
    int[] sources = IntStream.range(0, heads).toArray();
    if (freedom.order() && heads > 1) {
      double[][] values = new double[heads][heads];
      for (int t = 0; t < heads; t++) {
        for (int s = 0; s < heads; s++) {
          values[t][s] = matching.fit(t, s).value();
        }
      }
      sources = Matchings.best(values, ws);
    }
    List<HeadSymmetry> found = new ArrayList<>();
    for (int t = 0; t < heads; t++) {
      found.add(matching.fit(t, sources[t]).found(sources[t]));
    }
    return found;
  }

  /** Not kept for all pairs: each has a few square matrices for each pair of query heads. */
  private GroupFit fit(int target, int source) {
    GroupFit fit = new GroupFit(products, target, source, freedom).fit(null, ws);
    if (previous == null || previous.get(target).source() != source) {
      return fit;
    }
    GroupFit again = new GroupFit(products, target, source, freedom).fit(previous.get(target), ws);
    return again.value() > fit.value() ? again : fit;
  }
}
