// SPDX-License-Identifier: Apache-2.0
package org.merganser.benchmarks;

import java.util.SplittableRandom;
import org.merganser.compute.Memory;
import org.openjdk.jmh.annotations.AuxCounters;
import org.openjdk.jmh.annotations.Level;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;

/**
 * Bytes that an operation has to read and write, as {@code gb} per second. A kernel's share of the
 * limit is its figure over that of the benchmark {@code limit...} of the same run.
 */
@State(Scope.Thread)
@AuxCounters(AuxCounters.Type.OPERATIONS)
public class Traffic {
  /** 10^9 bytes; per second in the output. */
  public double gb;

  @Setup(Level.Iteration)
  public void reset() {
    gb = 0;
  }

  void add(long bytes) {
    gb += 1e-9 * bytes;
  }

  /** F32 values of a uniform distribution in (-1, 1), every page touched. */
  static Memory uniform(long count, long seed) {
    SplittableRandom random = new SplittableRandom(seed);
    Memory memory = Memory.allocate(4 * count);
    for (long i = 0; i < count; i++) {
      memory.putFloat(4 * i, (float) (2 * random.nextDouble() - 1));
    }
    return memory;
  }

  static Memory zeros(long bytes) {
    Memory memory = Memory.allocate(bytes);
    memory.clear();
    return memory;
  }

  static void require(boolean right, String what) {
    if (!right) {
      throw new IllegalStateException(what);
    }
  }
}
