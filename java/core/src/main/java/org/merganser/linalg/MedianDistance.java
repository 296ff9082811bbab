// SPDX-License-Identifier: Apache-2.0
package org.merganser.linalg;

import java.util.Arrays;
import java.util.SplittableRandom;
import java.util.stream.LongStream;
import org.merganser.compute.Workspace;
import org.merganser.error.NumericalException;
import org.merganser.internal.Opened;
import org.merganser.internal.Seeds;
import org.merganser.internal.kernel.Kernels;
import org.merganser.internal.kernel.MagnitudeRanks;
import org.merganser.internal.kernel.MergeKernels.Threshold;
import org.merganser.internal.kernel.TensorKernels.Axis;
import org.merganser.linalg.Gram.Median;
import org.merganser.linalg.Gram.MedianRule;

/**
 * Medians of squared distances. A symmetric matrix has each pair twice and n zeros, the smallest,
 * so that ranks of pairs are ranks of its elements and nothing needs to be packed.
 */
final class MedianDistance {
  private static final long MOST_SAMPLES = 8192;
  private static final int DRAWN = 1 << 22;

  private MedianDistance() {}

  static Median of(Matrix d, long n, MedianRule rule, Workspace ws) {
    return of(d, n, rule, MOST_SAMPLES, DRAWN, ws);
  }

  /**
   * @param most samples of which all pairs are taken
   * @param draws pairs that are taken of more
   */
  static Median of(Matrix d, long n, MedianRule rule, long most, int draws, Workspace ws) {
    if (n < 2) {
      throw new IllegalArgumentException("a median distance needs 2 samples or more, not " + n);
    }
    boolean sampled = n > most;
    try (Opened opened = new Opened()) {
      Tensor values = sampled ? opened.add(drawn(d, n, rule, draws, ws)) : d.asTensor();
      long count = values.size();
      Kernels kernels = Kernels.of(ws);
      // Of elements; each pair of a whole matrix has two.
      long twice = sampled ? 1 : 2;
      long pairs =
          switch (rule) {
            case OFF_DIAGONAL -> sampled ? count : n * (n - 1) / 2;
            case ALL -> count;
            case LOWER_NONZERO ->
                (count
                        - MagnitudeRanks.zeros(
                            kernels, values.dtype().code(), count, values.block()))
                    / twice;
          };
      double median = pairs == 0 ? 0 : middle(kernels, values, ranks(rule, pairs, twice));
      if (median == 0) {
        throw new NumericalException(
            "the median squared distance of "
                + n
                + " samples is 0: half of the pairs or more are equal; give a bandwidth, or leave"
                + " out samples that are there twice");
      }
      return new Median(median, pairs, sampled);
    }
  }

  /** Of elements, 1 for the largest: one in the middle, or two. */
  private static long[] ranks(MedianRule rule, long pairs, long twice) {
    if (rule == MedianRule.LOWER_NONZERO) {
      // Of all elements that are not 0; both of a pair have its value.
      long elements = twice * pairs;
      return new long[] {elements - (elements - 1) / 2};
    }
    long each = rule == MedianRule.ALL ? 1 : twice;
    LongStream middle =
        pairs % 2 == 1 ? LongStream.of((pairs + 1) / 2) : LongStream.of(pairs / 2, pairs / 2 + 1);
    return middle.map(rank -> each * (rank - 1) + 1).toArray();
  }

  private static double middle(Kernels kernels, Tensor values, long[] ranks) {
    long count = values.size();
    try (MagnitudeRanks search = new MagnitudeRanks(kernels, true, count, new long[][] {ranks})) {
      while (search.wantsPass()) {
        search.add(0, 0, values.dtype().code(), count, values.block(), null);
        search.endPass();
      }
      return Arrays.stream(search.of(0)).mapToDouble(Threshold::value).average().getAsDouble();
    }
  }

  private static Tensor drawn(Matrix d, long n, MedianRule rule, int draws, Workspace ws) {
    SplittableRandom random = Seeds.stream(n, "pairs of the median distance");
    long[] index = new long[draws];
    for (int k = 0; k < draws; k++) {
      long i = random.nextLong(n);
      long j = random.nextLong(rule == MedianRule.ALL ? n : n - 1);
      index[k] = i * n + (rule != MedianRule.ALL && j >= i ? j + 1 : j);
    }
    Tensor from = d.asTensor();
    try (Opened opened = new Opened()) {
      Tensor values = opened.add(Tensor.allocate(d.dtype(), new long[] {draws}, ws));
      Axis axis = new Axis(1, from.size(), 1, draws, from.size());
      Kernels.of(ws)
          .tensors()
          .applyGather(d.dtype().code(), axis, index, null, from.block(), values.block());
      opened.release();
      return values;
    }
  }
}
