// SPDX-License-Identifier: Apache-2.0
package org.merganser.benchmarks;

import java.util.SplittableRandom;
import java.util.concurrent.TimeUnit;
import org.merganser.compute.Memory;
import org.merganser.compute.Workspace;
import org.merganser.internal.kernel.Kernels;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/**
 * The magnitude that a fifth of Gaussian values reach. {@code kth}: of F32 values; {@code
 * kthDifference}: of differences to a base, formed on the fly. {@code limit}: one read of the
 * values. {@code partition}: quickselect on a preallocated copy of the bits, on one thread.
 */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MILLISECONDS)
@Fork(value = 1)
@Warmup(iterations = 2, time = 1)
@Measurement(iterations = 5, time = 1)
public class MagnitudeBenchmark {
  private static final int F32 = 1;

  @Param("33554432")
  int n;

  @Param({"1"})
  int threads;

  private Workspace ws;
  private Kernels kernels;
  private Memory values;
  private Memory base;
  private int[] bits;
  private int[] copy;

  @Setup
  public void setUp() {
    ws = Workspace.builder().threads(threads).open();
    kernels = ws.kernels();
    SplittableRandom random = new SplittableRandom(1);
    values = Memory.allocate(4L * n);
    base = Memory.allocate(4L * n);
    bits = new int[n];
    copy = new int[n];
    for (int i = 0; i < n; i++) {
      float x = (float) random.nextGaussian();
      values.putFloat(4L * i, x);
      base.putFloat(4L * i, (float) (x + 1e-2 * random.nextGaussian()));
      bits[i] = Float.floatToRawIntBits(Math.abs(x));
    }
    Traffic.require(kth(new Traffic()) == partition(new Traffic()), "the two ways disagree");
  }

  @TearDown
  public void tearDown() {
    values.close();
    base.close();
    ws.close();
  }

  @Benchmark
  public double kth(Traffic traffic) {
    traffic.add(4L * n);
    return kernels.kthMagnitude(F32, n, values.address(), 0, n / 5).value();
  }

  @Benchmark
  public double kthDifference(Traffic traffic) {
    traffic.add(8L * n);
    return kernels.kthMagnitude(F32, n, values.address(), base.address(), n / 5).value();
  }

  @Benchmark
  public void limit(Traffic traffic) {
    traffic.add(4L * n);
    kernels.stream(4L * n, new long[] {values.address()}, new long[0]);
  }

  @Benchmark
  public double partition(Traffic traffic) {
    traffic.add(4L * n);
    System.arraycopy(bits, 0, copy, 0, n);
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
