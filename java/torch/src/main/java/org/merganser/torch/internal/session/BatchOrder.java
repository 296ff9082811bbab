// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch.internal.session;

import java.util.Arrays;
import org.merganser.internal.Seeds;

/**
 * Batches drawn without replacement: each epoch has its own random order, which depends on the seed
 * and the epoch only; the last batch of an epoch may be smaller.
 */
public final class BatchOrder {
  private final int samples;
  private final int batchSize;
  private final long seed;
  private long epoch = -1;
  private int[] order;

  public BatchOrder(int samples, int batchSize, long seed) {
    this.samples = samples;
    this.batchSize = batchSize;
    this.seed = seed;
  }

  /** Batches of an epoch. */
  public int batches() {
    return (samples + batchSize - 1) / batchSize;
  }

  /** Samples of the batch of a step, from 0. */
  public int[] batch(long step) {
    long wanted = step / batches();
    if (wanted != epoch) {
      epoch = wanted;
      order = Seeds.order(samples, seed, "order/" + wanted);
    }
    int from = (int) (step % batches()) * batchSize;
    return Arrays.copyOfRange(order, from, Math.min(samples, from + batchSize));
  }
}
