// SPDX-License-Identifier: Apache-2.0
package org.merganser.benchmarks;

/**
 * The best iterations of a benchmark: milliseconds of CPU and of wall time an operation, and the
 * benchmark's work in {@code unit} at each of the two.
 */
record Score(double cpu, double wall, double cpuRate, double wallRate, String unit) {

  /** The better of both by either clock. */
  Score best(Score other) {
    return new Score(
        Math.min(cpu, other.cpu),
        Math.min(wall, other.wall),
        Math.max(cpuRate, other.cpuRate),
        Math.max(wallRate, other.wallRate),
        unit);
  }
}
