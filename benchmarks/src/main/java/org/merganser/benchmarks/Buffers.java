// SPDX-License-Identifier: Apache-2.0
package org.merganser.benchmarks;

import java.util.SplittableRandom;
import org.merganser.compute.DType;
import org.merganser.compute.Memory;
import org.merganser.internal.kernel.Block;
import org.merganser.internal.kernel.Kernels;

/** Arrays whose pages are all touched. */
final class Buffers {
  static final int F32 = DType.F32.code();

  private Buffers() {}

  /** F32 values of a uniform distribution in (-1, 1). */
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

  /** Blocks of {@code arrays[from..to)}. */
  static Block[] blocks(Memory[] arrays, int from, int to) {
    Block[] result = new Block[to - from];
    for (int k = from; k < to; k++) {
      result[k - from] = Block.of(arrays[k]);
    }
    return result;
  }

  /**
   * The limit of a kernel that reads {@code arrays[0..reads)} and writes the others: the bandwidth
   * of the same mix, its stores non-temporal.
   */
  static void bandwidth(Kernels kernels, long bytes, Memory[] arrays, int reads) {
    Work.bytes((double) bytes * arrays.length);
    kernels
        .merge()
        .bandwidth(bytes, blocks(arrays, 0, reads), blocks(arrays, reads, arrays.length));
  }

  static void close(Memory[] arrays) {
    for (Memory each : arrays) {
      each.close();
    }
  }
}
