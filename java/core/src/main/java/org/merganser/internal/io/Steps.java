// SPDX-License-Identifier: Apache-2.0
package org.merganser.internal.io;

/**
 * The steps by which files get their names, or lose them. A test ends its process between any two,
 * as {@code kill -9} would, and looks at what is there; otherwise nothing happens.
 */
public final class Steps {
  private static volatile Runnable between = () -> {};

  private Steps() {}

  /** A step is done. */
  public static void done() {
    between.run();
  }

  /** For tests: what is run after each step. */
  static void observe(Runnable action) {
    between = action;
  }
}
