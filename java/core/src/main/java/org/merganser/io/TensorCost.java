// SPDX-License-Identifier: Apache-2.0
package org.merganser.io;

/**
 * What it takes to make one tensor of a checkpoint: told before anything is read, by {@link
 * Checkpoint#cost}.
 *
 * @param method id of what merges it; empty where it is read as it is
 * @param passes how often its inputs are read
 * @param reads bytes that are read from files or memory, all passes together
 * @param memory bytes that are held meanwhile, beside what it is read into
 */
public record TensorCost(String method, int passes, long reads, long memory) {

  /** Of a tensor that is read as it is. */
  public static TensorCost stored(long bytes) {
    return new TensorCost("", 1, bytes, 0);
  }

  /**
   * That of one more input.
   *
   * @param tile bytes of it that are held
   */
  public TensorCost plus(TensorCost input, long tile) {
    return new TensorCost(
        method.isEmpty() ? input.method : method,
        Math.max(passes, input.passes),
        reads + input.reads,
        memory + tile + input.memory);
  }

  /** When the inputs are read several times by a method that holds something itself. */
  public TensorCost by(String name, int times, long held) {
    return new TensorCost(name, passes * times, reads * times, memory + held);
  }
}
