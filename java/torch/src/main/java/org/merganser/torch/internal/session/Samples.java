// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch.internal.session;

import java.util.Arrays;
import java.util.Collection;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import java.util.stream.LongStream;
import org.bytedeco.pytorch.LongOptional;
import org.bytedeco.pytorch.Tensor;
import org.merganser.internal.Seeds;
import org.merganser.torch.Examples;
import org.merganser.torch.internal.Bridge;

/**
 * Some samples of labelled data, by their numbers, and the classes that come into question for
 * them.
 */
public final class Samples {
  private final Examples data;
  private final int[] numbers;
  private final long[] classes;

  /** Of all classes. */
  public Samples(Examples data, int... numbers) {
    this(data, numbers, LongStream.range(0, data.classes()).toArray());
  }

  private Samples(Examples data, int[] numbers, long... classes) {
    this.data = data;
    this.numbers = numbers;
    this.classes = classes;
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

  /** The same, of some classes; of all when there are none. */
  public Samples among(Collection<Integer> some) {
    return some.isEmpty()
        ? this
        : new Samples(data, numbers, some.stream().mapToLong(Integer::longValue).toArray());
  }

  /**
   * The class of the largest output in each row, of those that come into question.
   *
   * @param outputs [samples x classes]
   */
  Tensor decided(Tensor outputs) {
    if (classes.length == data.classes()) {
      return outputs.argmax(new LongOptional(1), false);
    }
    Tensor some = Bridge.beside(outputs, classes);
    Tensor places = outputs.index_select(1, some).argmax(new LongOptional(1), false);
    return some.index_select(0, places);
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
