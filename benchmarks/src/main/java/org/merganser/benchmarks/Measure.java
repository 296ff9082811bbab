// SPDX-License-Identifier: Apache-2.0
package org.merganser.benchmarks;

import java.util.Map;

/** Where scores come from. */
interface Measure {

  /** Forks, iterations and their length. No fork: in this process. */
  record Effort(int forks, int warmups, int iterations, int milliseconds) {}

  /**
   * @param benchmark {@code Class.method} without the package
   * @throws BenchmarkFailure when it does not run to its end
   */
  Score of(String benchmark, Map<String, String> parameters, Effort effort);
}
