// SPDX-License-Identifier: Apache-2.0
package org.merganser.model;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Deque;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * Orders in which layers chain: each reads as many features as the one before writes.
 *
 * <p>Widths are the vertices of a graph and layers its edges, from the width read to the width
 * written; an order of all layers is an Eulerian trail. So one is found in linear time (Hierholzer
 * 1873). A trail is the only one unless parts of it between two visits can be exchanged: a width
 * visited three times, or two widths visited in turns (Ukkonen 1992, Pevzner 1995: exchanges of
 * those two kinds lead from any trail to any other), or a closed trail, which can start anywhere.
 */
final class LayerChains {
  /** Steps of a search for orders; more would not be read by anyone. */
  private static final long BUDGET = 2_000_000;

  /** A layer, from the width it reads to the width it writes. */
  record Layer(LayerName name, long reads, long writes) {}

  /** An order, and whether the shapes admit no other. */
  record Chain(List<Layer> layers, boolean only) {}

  /** Orders found, and whether there are no others. */
  record Search(List<List<Layer>> found, boolean complete) {}

  private LayerChains() {}

  /** Whether these layers chain as they stand. */
  static boolean holds(List<Layer> layers) {
    for (int i = 1; i < layers.size(); i++) {
      if (layers.get(i - 1).writes() != layers.get(i).reads()) {
        return false;
      }
    }
    return true;
  }

  /** An order by shapes alone; empty when there is none. Linear in the number of layers. */
  static Optional<Chain> byShape(List<Layer> layers) {
    Map<Long, Deque<Layer>> readers = new HashMap<>();
    Map<Long, Integer> surplus = new HashMap<>();
    for (Layer layer : layers) {
      readers.computeIfAbsent(layer.reads(), w -> new ArrayDeque<>()).add(layer);
      surplus.merge(layer.reads(), 1, Integer::sum);
      surplus.merge(layer.writes(), -1, Integer::sum);
    }
    long start = layers.get(0).reads();
    for (Map.Entry<Long, Integer> width : surplus.entrySet()) {
      if (width.getValue() > 0) {
        start = width.getKey();
      }
    }
    // Follows unused layers until none reads on, then backs up; layers come out last first.
    Deque<Layer> walk = new ArrayDeque<>();
    Deque<Layer> trail = new ArrayDeque<>();
    long at = start;
    while (true) {
      Deque<Layer> open = readers.get(at);
      if (open != null && !open.isEmpty()) {
        walk.push(open.poll());
        at = walk.peek().writes();
      } else if (walk.isEmpty()) {
        break;
      } else {
        at = walk.peek().reads();
        trail.push(walk.pop());
      }
    }
    List<Layer> order = List.copyOf(trail);
    return order.size() == layers.size() && holds(order)
        ? Optional.of(new Chain(order, isOnly(order)))
        : Optional.empty();
  }

  private static boolean isOnly(List<Layer> order) {
    if (order.size() == 1) {
      return true;
    }
    long[] widths = new long[order.size() + 1];
    widths[0] = order.get(0).reads();
    Map<Long, Integer> visits = new HashMap<>();
    visits.put(widths[0], 1);
    for (int i = 0; i < order.size(); i++) {
      widths[i + 1] = order.get(i).writes();
      if (visits.merge(widths[i + 1], 1, Integer::sum) > 2) {
        return false;
      }
    }
    if (widths[0] == widths[order.size()]) {
      return false;
    }
    // Widths visited twice must nest like parentheses, else they are visited in turns.
    Deque<Long> open = new ArrayDeque<>();
    Map<Long, Boolean> seen = new HashMap<>();
    for (long width : widths) {
      if (visits.get(width) == 2) {
        if (seen.put(width, true) == null) {
          open.push(width);
        } else if (open.pop() != width) {
          return false;
        }
      }
    }
    return true;
  }

  /**
   * Up to {@code limit} orders that keep the layers of each group in their order; those that take
   * from earlier groups first come first. Work is bounded; past the bound the search is incomplete.
   */
  static Search orders(List<List<Layer>> groups, int limit) {
    int layers = groups.stream().mapToInt(List::size).sum();
    List<List<Layer>> found = new ArrayList<>();
    int[] used = new int[groups.size()];
    int[] choice = new int[layers];
    Layer[] path = new Layer[layers];
    Arrays.fill(choice, -1);
    int depth = 0;
    long work = 0;
    while (depth >= 0) {
      if (choice[depth] >= 0) {
        used[choice[depth]]--;
      }
      int g = choice[depth] + 1;
      while (g < used.length
          && !fits(groups.get(g), used[g], depth == 0 ? null : path[depth - 1])) {
        g++;
      }
      work += g - choice[depth];
      if (work > BUDGET) {
        return new Search(found, false);
      }
      if (g == used.length) {
        choice[depth--] = -1;
        continue;
      }
      choice[depth] = g;
      path[depth] = groups.get(g).get(used[g]++);
      if (depth + 1 < layers) {
        depth++;
      } else {
        found.add(List.of(path));
        if (found.size() == limit) {
          return new Search(found, false);
        }
      }
    }
    return new Search(found, true);
  }

  private static boolean fits(List<Layer> group, int used, Layer before) {
    return used < group.size() && (before == null || before.writes() == group.get(used).reads());
  }
}
