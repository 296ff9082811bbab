// SPDX-License-Identifier: Apache-2.0
package org.merganser.internal;

import java.util.Collection;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.function.IntPredicate;
import java.util.stream.Collectors;
import org.merganser.error.IncompatibleModelsException;

/** Messages about names, which come from files and so may be anything. */
public final class Names {
  private static final int SHOWN = 3;

  /** Characters of a long name that are shown at its beginning and end. */
  private static final int HEAD = 120;

  private static final int TAIL = 40;

  /** Names looked at, characters of each, and steps of one search: about a millisecond in all. */
  private static final int LOOKED_AT = 2_000;

  private static final int COMPARED = 200;
  private static final long STEPS = 250_000;

  /** What prefixes end with. */
  private static final String SEPARATORS = "._/:-";

  private Names() {}

  /**
   * A name in quotes, safe to print: control characters, what turns the direction of text, and lone
   * surrogates become {@code \}{@code uXXXX}; a long name is cut in the middle.
   */
  public static String quote(String name) {
    return "'" + cut(name) + "'";
  }

  /** The same without quotes. */
  public static String cut(String name) {
    String cut = name;
    if (name.length() > HEAD + TAIL + 40) {
      cut =
          name.substring(0, HEAD)
              + "...("
              + name.length()
              + " characters)..."
              + name.substring(name.length() - TAIL);
    }
    return escape(cut, Names::isUnsafe);
  }

  /** The first of them in quotes, and how many more there are. */
  public static String some(Collection<String> names) {
    String first = names.stream().limit(SHOWN).map(Names::quote).collect(Collectors.joining(", "));
    return names.size() <= SHOWN ? first : first + " and " + (names.size() - SHOWN) + " more";
  }

  /** Text whose characters of one kind are written as {@code \}{@code uXXXX}. */
  public static String escape(String text, IntPredicate kind) {
    StringBuilder escaped = new StringBuilder(text.length());
    text.codePoints()
        .forEach(
            c -> {
              if (kind.test(c)) {
                Character.toString(c).chars().forEach(u -> escaped.append("\\u%04x".formatted(u)));
              } else {
                escaped.appendCodePoint(c);
              }
            });
    return escaped.toString();
  }

  /** What moves a cursor, turns or hides text, or is half a character. */
  public static boolean isUnsafe(int codePoint) {
    return switch (Character.getType(codePoint)) {
      case Character.CONTROL,
          Character.FORMAT,
          Character.SURROGATE,
          Character.LINE_SEPARATOR,
          Character.PARAGRAPH_SEPARATOR ->
          true;
      default -> false;
    };
  }

  /** Whether a string is text: half a character cannot be written as UTF-8. */
  public static boolean isText(String name) {
    return name.codePoints().noneMatch(c -> Character.getType(c) == Character.SURROGATE);
  }

  /** Such as {@code no tensor 'fc1.wieght' (nearest of 2: fc1.weight, fc2.weight)}. */
  public static String missing(String name, Collection<String> known) {
    if (known.isEmpty()) {
      return "no tensor " + quote(name) + " (there are none at all)";
    }
    String nearest =
        nearest(name, known).stream().map(Names::cut).collect(Collectors.joining(", "));
    return "no tensor " + quote(name) + " (nearest of " + known.size() + ": " + nearest + ")";
  }

  /**
   * The same for one of many problems: beyond the {@link IncompatibleModelsException#LISTED} first
   * ones nobody reads which names are near, so they are not looked for.
   *
   * @param before problems found so far
   */
  public static String missing(String name, Collection<String> known, int before) {
    return before < IncompatibleModelsException.LISTED
        ? missing(name, known)
        : "no tensor " + quote(name);
  }

  /** The end of a message about an unknown key: the nearest one, if near, and all there are. */
  public static String instead(String name, Collection<String> known) {
    String cut = ends(name);
    return known.stream()
            .filter(
                k -> distance(cut, k) <= Math.max(1, (Math.min(cut.length(), k.length()) + 1) / 3))
            .min(Comparator.comparingInt(k -> distance(cut, k)))
            .map(near -> "did you mean " + near + "? ")
            .orElse("")
        + "there are "
        + known.stream().sorted().collect(Collectors.joining(", "));
  }

  /** Nearest names of a bounded number, by their first characters: the work is bounded as well. */
  private static List<String> nearest(String name, Collection<String> known) {
    String wanted = ends(name);
    record Near(String name, int distance) {}
    List<String> candidates = known.stream().limit(LOOKED_AT).toList();
    long steps = 0;
    for (String candidate : candidates) {
      steps += (long) wanted.length() * Math.min(candidate.length(), COMPARED);
    }
    if (steps > STEPS) {
      int kept = (int) Math.max(SHOWN, STEPS / ((wanted.length() + 1L) * COMPARED));
      candidates =
          candidates.stream()
              .map(k -> new Near(k, -shared(wanted, ends(k))))
              .sorted(Comparator.comparingInt(Near::distance).thenComparing(Near::name))
              .limit(kept)
              .map(Near::name)
              .toList();
    }
    return candidates.stream()
        .map(k -> new Near(k, distance(wanted, ends(k))))
        .sorted(Comparator.comparingInt(Near::distance).thenComparing(Near::name))
        .limit(SHOWN)
        .map(Near::name)
        .toList();
  }

  private static String ends(String name) {
    // The end tells parameters of a layer apart, the beginning layers.
    return name.length() <= COMPARED
        ? name
        : name.substring(0, COMPARED / 2) + name.substring(name.length() - COMPARED / 2);
  }

  /** Length of what two names begin and end with. */
  private static int shared(String a, String b) {
    int most = Math.min(a.length(), b.length());
    int head = 0;
    while (head < most && a.charAt(head) == b.charAt(head)) {
      head++;
    }
    int tail = 0;
    while (tail < most - head
        && a.charAt(a.length() - 1 - tail) == b.charAt(b.length() - 1 - tail)) {
      tail++;
    }
    return head + tail;
  }

  /**
   * Prefixes that explain why the names of two models differ: without them they are the same, or
   * three of four are. Empty when there are none.
   */
  public static List<String> prefixes(Collection<String> names, Collection<String> others) {
    Optional<String> one = prefix(names, others).or(() -> prefix(others, names));
    if (one.isPresent()) {
      return List.of(one.get());
    }
    String mine = common(names);
    String theirs = common(others);
    while (!mine.isEmpty() && last(mine).equals(last(theirs))) {
      String shared = last(mine);
      mine = mine.substring(0, mine.length() - shared.length());
      theirs = theirs.substring(0, theirs.length() - shared.length());
    }
    if (mine.isEmpty() || theirs.isEmpty()) {
      return List.of();
    }
    List<String> both = List.of(mine, theirs);
    Set<String> known = new HashSet<>();
    others.forEach(n -> known.add(without(both, n)));
    return fits(both, names, known) ? both : List.of();
  }

  /** A prefix of {@code names} without which they are in {@code others}. */
  private static Optional<String> prefix(Collection<String> names, Collection<String> others) {
    Set<String> known = new HashSet<>(others);
    int tries = 4;
    for (String name : names.stream().filter(n -> !known.contains(n)).limit(8).toList()) {
      for (int end = 1; end < Math.min(name.length(), COMPARED); end++) {
        if (SEPARATORS.indexOf(name.charAt(end - 1)) >= 0 && known.contains(name.substring(end))) {
          String prefix = name.substring(0, end);
          if (fits(List.of(prefix), names, known)) {
            return Optional.of(prefix);
          }
          if (--tries == 0) {
            return Optional.empty();
          }
        }
      }
    }
    return Optional.empty();
  }

  /** What all names begin with, up to a dot. */
  private static String common(Collection<String> names) {
    String common = names.stream().findFirst().orElse("");
    for (String name : names) {
      int most = Math.min(common.length(), name.length());
      int length = 0;
      while (length < most && common.charAt(length) == name.charAt(length)) {
        length++;
      }
      common = common.substring(0, length);
    }
    return common.substring(0, common.lastIndexOf('.') + 1);
  }

  /** The last part of a prefix that ends with a dot. */
  private static String last(String prefix) {
    return prefix.isEmpty()
        ? ""
        : prefix.substring(prefix.lastIndexOf('.', prefix.length() - 2) + 1);
  }

  private static boolean fits(List<String> prefixes, Collection<String> names, Set<String> known) {
    long fitting = 0;
    for (String name : names) {
      if (known.contains(without(prefixes, name))) {
        fitting++;
      }
    }
    return fitting > 0 && 4 * fitting >= 3L * Math.max(names.size(), known.size());
  }

  /** The name without the first of the prefixes that it begins with. */
  public static String without(List<String> prefixes, String name) {
    for (String prefix : prefixes) {
      if (name.startsWith(prefix)) {
        return name.substring(prefix.length());
      }
    }
    return name;
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
