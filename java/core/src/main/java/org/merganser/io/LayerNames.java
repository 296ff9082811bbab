// SPDX-License-Identifier: Apache-2.0
package org.merganser.io;

import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * The layers of a model by the names of its tensors: {@code PREFIX NUMBER . REST}, where numbers go
 * from 0 on without a gap.
 *
 * @param count how many there are
 */
record LayerNames(String prefix, int count) {
  /** The first part of a name that is a number. */
  private static final Pattern NUMBERED = Pattern.compile("((?:[^.]*\\.)*?)(\\d{1,6})\\..*");

  private static final class Group {
    final TreeSet<Integer> numbers = new TreeSet<>();
    int tensors;
  }

  /**
   * The prefix with most tensors, of those with the configured number of layers where there are
   * any: a model may have other stacks, such as one of vision.
   */
  static Optional<LayerNames> find(Collection<String> names, OptionalInt configured) {
    Map<String, Group> groups = new LinkedHashMap<>();
    for (String name : names) {
      Matcher matcher = NUMBERED.matcher(name);
      if (matcher.matches()) {
        Group group = groups.computeIfAbsent(matcher.group(1), prefix -> new Group());
        group.numbers.add(Integer.valueOf(matcher.group(2)));
        group.tensors++;
      }
    }
    groups.values().removeIf(g -> g.numbers.first() != 0 || g.numbers.last() >= g.numbers.size());
    boolean fits =
        groups.values().stream().anyMatch(g -> g.numbers.size() == configured.orElse(-1));
    return groups.entrySet().stream()
        .filter(e -> !fits || e.getValue().numbers.size() == configured.orElse(-1))
        .reduce((a, b) -> b.getValue().tensors > a.getValue().tensors ? b : a)
        .map(e -> new LayerNames(e.getKey(), e.getValue().numbers.size()));
  }

  OptionalInt layer(String name) {
    Matcher matcher = NUMBERED.matcher(name);
    return matcher.matches() && matcher.group(1).equals(prefix)
        ? OptionalInt.of(Integer.parseInt(matcher.group(2)))
        : OptionalInt.empty();
  }
}
