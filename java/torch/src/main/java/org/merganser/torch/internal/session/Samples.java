// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch.internal.session;

import java.util.Arrays;
import java.util.stream.IntStream;
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
