// SPDX-License-Identifier: Apache-2.0
package org.merganser.stats;

import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;

/**
 * Which blocks of moments an aligner needs for each space. Means and variances are always kept.
 *
 * @param parts kinds of blocks
 */
public record StatisticsRequest(Set<Part> parts) {
  /** Kinds of blocks. */
  public enum Part {
    /** Own block of every model. */
    OWN,
    /** Blocks of the reference (model 0) with every other model. */
    REFERENCE_CROSS,
    /** Blocks of every model with every other. */
    ALL_CROSS
  }

  /** Means and variances only. */
  public static final StatisticsRequest NONE = new StatisticsRequest(Set.of());

  /** Two models of a block, {@code i <= j}. */
  public record Pair(int i, int j) {}

  public StatisticsRequest {
    parts = Set.copyOf(parts);
  }

  public static StatisticsRequest of(Part... parts) {
    return new StatisticsRequest(Set.of(parts));
  }

  /** What serves both. */
  public StatisticsRequest and(StatisticsRequest other) {
    Set<Part> all = EnumSet.noneOf(Part.class);
    all.addAll(parts);
    all.addAll(other.parts);
    return new StatisticsRequest(all);
  }

  /** The blocks for a number of models, in a fixed order. */
  public List<Pair> pairs(int models) {
    List<Pair> pairs = new ArrayList<>();
    for (int i = 0; i < models; i++) {
      for (int j = i; j < models; j++) {
        boolean wanted =
            i == j
                ? parts.contains(Part.OWN)
                : parts.contains(Part.ALL_CROSS) || i == 0 && parts.contains(Part.REFERENCE_CROSS);
        if (wanted) {
          pairs.add(new Pair(i, j));
        }
      }
    }
    return pairs;
  }
}
