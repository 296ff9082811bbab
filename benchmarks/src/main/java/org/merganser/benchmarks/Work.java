// SPDX-License-Identifier: Apache-2.0
package org.merganser.benchmarks;

import org.openjdk.jmh.annotations.AuxCounters;
import org.openjdk.jmh.annotations.Level;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;

/** Work done in an iteration, reported per second. */
@State(Scope.Thread)
@AuxCounters(AuxCounters.Type.OPERATIONS)
public class Work {
  /** Billions of floating-point operations. */
  public double gflop;

  @Setup(Level.Iteration)
  public void reset() {
    gflop = 0;
  }
}
