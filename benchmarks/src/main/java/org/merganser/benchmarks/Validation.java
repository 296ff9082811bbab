// SPDX-License-Identifier: Apache-2.0
package org.merganser.benchmarks;

/** Nothing is timed unless it is right. */
final class Validation {
  private Validation() {}

  /**
   * @throws IllegalStateException unless {@code error <= tolerance}; NaN is an error
   */
  static void require(String what, double error, double tolerance) {
    if (!(error <= tolerance)) {
      throw new IllegalStateException(what + " is off by " + error + ", allowed " + tolerance);
    }
  }

  /** That {@code found} is {@code expected} to {@code tolerance}. */
  static void requireElement(
      String what, long index, double found, double expected, double tolerance) {
    if (!(Math.abs(found - expected) <= tolerance)) {
      throw new IllegalStateException(
          what + ": element " + index + " is " + found + ", expected " + expected);
    }
  }
}
