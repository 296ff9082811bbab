// SPDX-License-Identifier: Apache-2.0
package org.merganser.internal.kernel;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.merganser.testing.Work.WS;

import java.util.Arrays;
import java.util.Comparator;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.merganser.compute.DType;
import org.merganser.error.NumericalException;
import org.merganser.internal.kernel.MergeKernels.Threshold;
import org.merganser.linalg.Tensor;

/** Against a sort: ranks of two series in parts of any size, with many equal magnitudes or none. */
class MagnitudeRanksTest {
  private static final int SIZE = 300_001;

  @ParameterizedTest
  @CsvSource({
    "F32, 1000000, 0",
    "F32, 7, 16",
    "F32, 4097, 1",
    "BF16, 65536, 0",
    "F16, 100003, 3",
    "F64, 65537, 0",
    "F64, 1000000, 2",
    "BF16, 300001, 1000"
  })
  void ranksAreThoseOfASort(DType dtype, int part, int distinct) {
    int size = part < 100 ? 3001 : SIZE;
    SplittableRandom random = new SplittableRandom(part);
    double[][] values = new double[3][size];
    for (double[] each : values) {
      Arrays.setAll(
          each,
          i -> distinct == 0 ? random.nextDouble() - .5 : random.nextInt(-distinct, distinct) / 8.);
    }
    long[][] ranks = {{size / 5, 1, size / 2, size}, {}, {size - 1}};
    try (Tensor x = Tensor.of(dtype, values[0], WS);
        Tensor y = Tensor.of(dtype, values[1], WS);
        Tensor base = Tensor.of(dtype, values[2], WS);
        MagnitudeRanks found =
            new MagnitudeRanks(Kernels.of(WS), dtype == DType.F64, size, ranks)) {
      Tensor[] series = {x, y, y};
      Tensor[] bases = {base, base, null};
      int passes = 0;
      while (found.wantsPass()) {
        for (long from = 0; from < size && !found.hasEnough(); from += part) {
          for (int s = 0; s < series.length; s++) {
            add(found, s, from, Math.min(size, from + part), series[s], bases[s]);
          }
        }
        found.endPass();
        passes++;
      }
      assertThat(passes).isLessThanOrEqualTo(7);
      for (int s = 0; s < series.length; s++) {
        check(found.of(s), ranks[s], magnitudes(series[s], bases[s]));
      }
    }
  }

  private static void add(
      MagnitudeRanks found, int index, long from, long to, Tensor x, Tensor base) {
    try (Tensor part = x.rows(from, to);
        Tensor other = (base == null ? x : base).rows(from, to)) {
      Block less = base == null ? null : Block.of(other);
      found.add(index, from, x.dtype().code(), to - from, Block.of(part), less);
    }
  }

  private static double[] magnitudes(Tensor x, Tensor base) {
    double[] all = values(x);
    double[] less = base == null ? new double[all.length] : values(base);
    for (int i = 0; i < all.length; i++) {
      all[i] =
          Math.abs(x.dtype() == DType.F64 ? all[i] - less[i] : (float) all[i] - (float) less[i]);
    }
    return all;
  }

  private static double[] values(Tensor tensor) {
    try (Tensor host = tensor.toHost(WS)) {
      return host.toDoubleArray();
    }
  }

  private static void check(Threshold[] found, long[] ranks, double[] magnitudes) {
    Integer[] order = IntStream.range(0, magnitudes.length).boxed().toArray(Integer[]::new);
    Arrays.sort(order, Comparator.comparingDouble(i -> -magnitudes[i]));
    for (int r = 0; r < ranks.length; r++) {
      int last = order[(int) ranks[r] - 1];
      assertThat(found[r].value()).isEqualTo(magnitudes[last]);
      boolean isLast =
          ranks[r] == order.length || magnitudes[order[(int) ranks[r]]] < magnitudes[last];
      if (isLast) {
        assertThat(found[r].last()).isGreaterThanOrEqualTo(last);
      } else {
        assertThat(found[r].last()).isEqualTo(last);
      }
    }
  }

  /** Infinities have a rank; NaN have none, above a threshold or at it. */
  @ParameterizedTest
  @CsvSource({"F64, 1000", "F64, 300001", "F32, 1000", "F32, 300001", "F16, 1000", "BF16, 300001"})
  void nanAreRefused(DType dtype, int size) {
    double[] values = new double[size];
    values[7] = Double.NEGATIVE_INFINITY;
    try (Tensor finite = Tensor.of(dtype, values, WS)) {
      Threshold largest = of(finite, 1);
      assertThat(largest.value()).isInfinite();
      assertThat(of(finite, size).value()).isZero();
    }
    values[size - 1] = Double.NaN;
    try (Tensor broken = Tensor.of(dtype, values, WS)) {
      assertThatThrownBy(() -> of(broken, 5))
          .isInstanceOf(NumericalException.class)
          .hasMessage("1 magnitudes to be ranked are NaN");
    }
  }

  /** A rank that no longer exists in the second pass, or a value that does not in the last one. */
  @Test
  void numbersThatChangeAreNoticed() {
    try (Tensor x = Tensor.of(DType.F32, new double[] {1, 2, 2, 3}, WS);
        Tensor other = Tensor.zeros(DType.F32, 4);
        MagnitudeRanks found = new MagnitudeRanks(Kernels.of(WS), false, 4, new long[][] {{2}})) {
      add(found, 0, 0, 4, x, null);
      found.endPass();
      add(found, 0, 0, 4, other, null);
      assertThatThrownBy(found::endPass)
          .isInstanceOf(NumericalException.class)
          .hasMessage("the numbers to be ranked changed while they were read");
    }
  }

  private static Threshold of(Tensor x, long rank) {
    return MagnitudeRanks.of(Kernels.of(WS), x.dtype().code(), x.size(), Block.of(x), null, rank);
  }
}
