// SPDX-License-Identifier: Apache-2.0
package org.merganser.lora;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.regex.Pattern;
import java.util.regex.PatternSyntaxException;
import org.merganser.error.FormatException;
import org.merganser.internal.Names;

/**
 * Values by regular expressions, as PEFT matches them: the first that fits the end of a module's
 * name, from the start or after a dot.
 */
final class LoraPattern {
  /** Longer names and expressions are no names of modules. */
  static final int LONGEST = 500;

  /** Characters that matching one name may look at: some expressions take forever. */
  private static final int MOST_STEPS = 1 << 18;

  private final String where;
  private final Map<Pattern, Double> values = new LinkedHashMap<>();

  /**
   * @param where file and key
   */
  LoraPattern(String where) {
    this.where = where;
  }

  void add(String expression, double value) {
    if (expression.length() > LONGEST) {
      throw new FormatException(
          where
              + ": an expression of "
              + expression.length()
              + " characters: "
              + Names.quote(expression));
    }
    try {
      values.put(Pattern.compile("(.*\\.)?(" + expression + ")$"), value);
    } catch (PatternSyntaxException e) {
      throw new FormatException(
          where + ": no regular expression: " + Names.quote(expression) + ": " + e.getDescription(),
          e);
    }
  }

  Optional<Double> find(String module) {
    for (Map.Entry<Pattern, Double> each : values.entrySet()) {
      if (each.getKey().matcher(new Limited(module, new int[] {MOST_STEPS})).lookingAt()) {
        return Optional.of(each.getValue());
      }
    }
    return Optional.empty();
  }

  /** A name that is looked at so often only. */
  private final class Limited implements CharSequence {
    private final CharSequence text;
    private final int[] left;

    Limited(CharSequence text, int[] left) {
      this.text = text;
      this.left = left;
    }

    @Override
    public char charAt(int index) {
      if (--left[0] < 0) {
        throw new FormatException(
            where + ": an expression that takes too long to match " + Names.quote(text.toString()));
      }
      return text.charAt(index);
    }

    @Override
    public int length() {
      return text.length();
    }

    @Override
    public CharSequence subSequence(int start, int end) {
      return new Limited(text.subSequence(start, end), left);
    }

    @Override
    public String toString() {
      return text.toString();
    }
  }
}
