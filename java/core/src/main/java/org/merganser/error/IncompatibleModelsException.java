// SPDX-License-Identifier: Apache-2.0
package org.merganser.error;

import java.util.List;

/** Checkpoints do not fit each other or the architecture. The message lists every mismatch. */
public class IncompatibleModelsException extends MerganserException {
  private static final long serialVersionUID = 1L;

  /** Unmodifiable; kept as an array because a list need not be serializable. */
  private final String[] problems;

  /**
   * @param what the comparison that failed, such as {@code "model B does not fit the architecture"}
   * @param problems each mismatch in one line, at least one
   */
  public IncompatibleModelsException(String what, List<String> problems) {
    super(what + ":\n  " + String.join("\n  ", problems));
    this.problems = problems.toArray(String[]::new);
  }

  /** Every mismatch found, in the order found. */
  public List<String> problems() {
    return List.of(problems);
  }
}
