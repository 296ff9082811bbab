// SPDX-License-Identifier: Apache-2.0
package org.merganser.benchmarks;

import java.util.Arrays;
import java.util.SplittableRandom;
import org.merganser.compute.Memory;
import org.merganser.internal.kernel.Block;
import org.merganser.internal.kernel.MagnitudeRanks;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.TearDown;

/**
 * The magnitude that a fifth of Gaussian values reach. {@code kth}: of F32 values; {@code
 * kthDifference}: of differences to a base, formed on the fly. {@code limit}: one read of the
 * values. Peers on a preallocated copy of the bits, on one thread: {@code partition}, quickselect;
 * {@code sort}, a full sort.
 */
public class MagnitudeBenchmark extends KernelBenchmark {
  @Param("33554432")
  int n;

  private Memory values;
  private Memory base;
  private int[] bits;
  private int[] differences;
  private int[] copy;

  @Setup
  public void setUp() {
    open();
    SplittableRandom random = new SplittableRandom(1);
    values = Memory.allocate(4L * n);
    base = Memory.allocate(4L * n);
    bits = new int[n];
    differences = new int[n];
    copy = new int[n];
    for (int i = 0; i < n; i++) {
      float x = (float) random.nextGaussian();
      values.putFloat(4L * i, x);
      float y = (float) (x + 1e-2 * random.nextGaussian());
      base.putFloat(4L * i, y);
      bits[i] = Float.floatToRawIntBits(Math.abs(x));
      differences[i] = Float.floatToRawIntBits(Math.abs(x - y));
    }
    validate();
  }

  @TearDown
  public void tearDown() {
    values.close();
    base.close();
    ws.close();
  }

  @Benchmark
  public double kth() {
    Work.bytes(4L * n);
    return MagnitudeRanks.of(kernels, Buffers.F32, n, Block.of(values), null, n / 5).value();
  }

  @Benchmark
  public double kthDifference() {
    Work.bytes(8L * n);
    return MagnitudeRanks.of(kernels, Buffers.F32, n, Block.of(values), Block.of(base), n / 5)
        .value();
  }

  @Benchmark
  public void limit() {
    Work.bytes(4L * n);
    kernels.merge().bandwidth(4L * n, new Block[] {Block.of(values)}, new Block[0]);
  }

  @Benchmark
  public double sort() {
    Work.bytes(4L * n);
    System.arraycopy(bits, 0, copy, 0, n);
    Arrays.sort(copy);
    return Float.intBitsToFloat(copy[n - n / 5]);
  }

  @Benchmark
  public double partition() {
    Work.bytes(4L * n);
    return partition(bits);
  }

  /** All ways find the same bits. */
  private void validate() {
    Validation.requireElement("k-th by partition", n / 5, kth(), partition(), 0);
    Validation.requireElement("k-th by sort", n / 5, kth(), sort(), 0);
    double expected = partition(differences);
    Validation.requireElement("k-th difference", n / 5, kthDifference(), expected, 0);
  }

  private double partition(int[] from) {
    System.arraycopy(from, 0, copy, 0, n);
    int rank = n - n / 5; // in increasing order
    int low = 0;
    int high = n - 1;
    while (low < high) {
      int pivot = copy[low + (high - low) / 2];
      int i = low - 1;
      int j = high + 1;
      while (true) {
        do {
          i++;
        } while (copy[i] < pivot);
        do {
          j--;
        } while (copy[j] > pivot);
        if (i >= j) {
          break;
        }
        int swapped = copy[i];
        copy[i] = copy[j];
        copy[j] = swapped;
      }
      if (rank <= j) {
        high = j;
      } else {
        low = j + 1;
      }
    }
    return Float.intBitsToFloat(copy[rank]);
  }
}
