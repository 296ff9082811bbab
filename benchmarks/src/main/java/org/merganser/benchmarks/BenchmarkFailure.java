// SPDX-License-Identifier: Apache-2.0
package org.merganser.benchmarks;

/** A benchmark that did not run to its end; most often its result was wrong. */
final class BenchmarkFailure extends RuntimeException {
  private static final long serialVersionUID = 1;

  BenchmarkFailure(String message, Throwable cause) {
    super(message, cause);
  }
}
