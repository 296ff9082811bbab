// SPDX-License-Identifier: Apache-2.0
package org.merganser.error;

import java.util.ArrayList;
import java.util.List;

/**
 * Checkpoints do not fit each other or the architecture. The message lists every mismatch, of many
 * the first {@link #LISTED}.
 */
public class IncompatibleModelsException extends MerganserException {
  private static final long serialVersionUID = 1L;

  /** Mismatches that a message spells out; the rest are counted. */
  public static final int LISTED = 20;

  /** Unmodifiable; kept as an array because a list need not be serializable. */
  private final String[] problems;

  /**
   * @param what the comparison that failed, such as {@code "model B does not fit the architecture"}
   * @param problems each mismatch in one line, at least one
   */
  public IncompatibleModelsException(String what, List<String> problems) {
    this(what, problems, List.of());
  }

  /**
   * @param remedies what to do, each in one line, after the mismatches
   */
  public IncompatibleModelsException(String what, List<String> problems, List<String> remedies) {
    super(what + ":\n  " + String.join("\n  ", lines(problems, remedies)));
    this.problems = problems.toArray(String[]::new);
  }

  private static List<String> lines(List<String> problems, List<String> remedies) {
    List<String> lines = new ArrayList<>(problems.subList(0, Math.min(LISTED, problems.size())));
    if (problems.size() > LISTED) {
      lines.add("... and " + (problems.size() - LISTED) + " more");
    }
    lines.addAll(remedies);
    return lines;
  }

  /** Every mismatch found, in the order found. */
  public List<String> problems() {
    return List.of(problems);
  }
}
