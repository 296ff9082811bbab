// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch.internal.session;

import java.util.Arrays;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import org.merganser.internal.Seeds;
import org.merganser.torch.Examples;

/** Some samples of labelled data, by their numbers. */
public final class Samples {
  private final Examples data;
  private final int[] numbers;

  public Samples(Examples data, int... numbers) {
    this.data = data;
    this.numbers = numbers;
  }

  public static Samples all(Examples data) {
    return new Samples(data, IntStream.range(0, data.size()).toArray());
  }

  /**
   * A part of the samples drawn at random, the rest being left; both are in order.
   *
   * @param fraction of them, in [0, 1): 0 for none, else one at least
   */
  public static Split split(Examples data, double fraction, long seed) {
    int n = data.size();
    int held = (int) Math.round(fraction * n);
    if (fraction > 0) {
      held = Math.max(1, Math.min(held, n - 1));
    }
    boolean[] isHeld = new boolean[n];
    SplittableRandom random = Seeds.stream(seed, "held-out");
    for (int left = held; left > 0; ) {
      int sample = random.nextInt(n);
      if (!isHeld[sample]) {
        isHeld[sample] = true;
        left--;
      }
    }
    return new Split(
        new Samples(data, IntStream.range(0, n).filter(i -> !isHeld[i]).toArray()),
        new Samples(data, IntStream.range(0, n).filter(i -> isHeld[i]).toArray()));
  }

  /**
   * @param train samples that a step may see, in order
   * @param heldOut samples that it may not see, in order
   */
  public record Split(Samples train, Samples heldOut) {}

  public Examples data() {
    return data;
  }

  public int size() {
    return numbers.length;
  }

  /** Numbers of the samples from one position to another. */
  public int[] range(int from, int to) {
    return Arrays.copyOfRange(numbers, from, to);
  }

  /** Numbers of the samples at some positions. */
  int[] at(int... positions) {
    return Arrays.stream(positions).map(i -> numbers[i]).toArray();
  }

  /** Classes of samples, by their numbers. */
  long[] labels(int... which) {
    return Arrays.stream(which).mapToLong(data::label).toArray();
  }
}
