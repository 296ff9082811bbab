// SPDX-License-Identifier: Apache-2.0
package org.merganser.benchmarks;

/**
 * The work that operations had to do since an iteration began: bytes to move or floating-point
 * operations, as the benchmark counts them. {@link Meter} divides it by time. One thread calls.
 */
final class Work {
  private static double amount;
  private static String unit;

  private Work() {}

  static void reset() {
    amount = 0;
    unit = "";
  }

  static void bytes(double count) {
    amount += 1e-9 * count;
    unit = "GB/s";
  }

  static void flops(double count) {
    amount += 1e-9 * count;
    unit = "GFLOP/s";
  }

  /** In units of 10^9. */
  static double amount() {
    return amount;
  }

  /** Of the amount per second; empty when nothing was counted. */
  static String unit() {
    return unit;
  }
}
