// SPDX-License-Identifier: Apache-2.0
package org.merganser.io;

import java.util.Collection;
import java.util.Comparator;
import java.util.stream.Collectors;

/** Messages about names that are not there. */
public final class Names {
  private static final int SHOWN = 3;

  private Names() {}

  /** Such as {@code no tensor 'fc1.wieght' (nearest: fc1.weight, fc2.weight)}. */
  public static String missing(String name, Collection<String> known) {
    if (known.isEmpty()) {
      return "no tensor '" + name + "' (there are none at all)";
    }
    String nearest =
        known.stream()
            .sorted(
                Comparator.comparingInt((String k) -> distance(name, k))
                    .thenComparing(Comparator.naturalOrder()))
            .limit(SHOWN)
            .collect(Collectors.joining(", "));
    return "no tensor '" + name + "' (nearest of " + known.size() + ": " + nearest + ")";
  }

  /** Levenshtein distance: insertions, deletions and substitutions. */
  static int distance(String a, String b) {
    int[] row = new int[b.length() + 1];
    for (int j = 0; j <= b.length(); j++) {
      row[j] = j;
    }
    for (int i = 1; i <= a.length(); i++) {
      int diagonal = row[0];
      row[0] = i;
      for (int j = 1; j <= b.length(); j++) {
        int substitute = diagonal + (a.charAt(i - 1) == b.charAt(j - 1) ? 0 : 1);
        diagonal = row[j];
        row[j] = Math.min(substitute, 1 + Math.min(row[j], row[j - 1]));
      }
    }
    return row[b.length()];
  }
}
