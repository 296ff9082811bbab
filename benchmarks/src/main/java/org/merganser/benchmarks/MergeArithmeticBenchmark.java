// SPDX-License-Identifier: Apache-2.0
package org.merganser.benchmarks;

import java.util.concurrent.TimeUnit;
import org.merganser.compute.Memory;
import org.merganser.compute.Workspace;
import org.merganser.internal.kernel.Kernels;
import org.merganser.internal.kernel.Kernels.Task;
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
 * Merging in memory: {@code linear} of two models; {@code taskArithmetic}, {@code ties} and {@code
 * dare} of a base and three. Limits: {@code limitLinear} reads 2 arrays and writes 1, {@code
 * limitTask} reads 4 and writes 1, past the caches. Peers, with the same threads and preallocated
 * F32 arrays: {@code plainLinear} and {@code plainTask} convert, combine two arrays at a time and
 * convert back.
 */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MILLISECONDS)
@Fork(value = 1)
@Warmup(iterations = 2, time = 1)
@Measurement(iterations = 5, time = 1)
public class MergeArithmeticBenchmark {
  private static final int F32 = 1;

  @Param("33554432")
  int n;

  /** 3 BF16, 2 F16, 1 F32. */
  @Param({"3", "1"})
  int dtype;

  @Param({"1"})
  int threads;

  private Workspace ws;
  private Kernels kernels;
  private Memory[] arrays;
  private Memory[] wide;
  private Memory out;
  private long size;

  @Setup
  public void setUp() {
    ws = Workspace.builder().threads(threads).open();
    kernels = ws.kernels();
    size = dtype == F32 ? 4 : 2;
    arrays = new Memory[4];
    wide = new Memory[3];
    for (int k = 0; k < 4; k++) {
      try (Memory values = Traffic.uniform(n, k)) {
        arrays[k] = Memory.allocate(size * n);
        kernels.convert(F32, dtype, n, values.address(), arrays[k].address());
      }
    }
    for (int k = 0; k < wide.length; k++) {
      wide[k] = Traffic.zeros(4L * n);
    }
    out = Traffic.zeros(size * n);
    validate();
  }

  @TearDown
  public void tearDown() {
    for (Memory each : arrays) {
      each.close();
    }
    for (Memory each : wide) {
      each.close();
    }
    out.close();
    ws.close();
  }

  @Benchmark
  public void linear(Traffic traffic) {
    traffic.add(3 * size * n);
    kernels.weightedSum(dtype, n, addresses(0, 2), new double[] {0.5, 0.5}, out.address());
  }

  @Benchmark
  public void taskArithmetic(Traffic traffic) {
    traffic.add(5 * size * n);
    merge(Task.weighted(0.3), false);
  }

  @Benchmark
  public void ties(Traffic traffic) {
    traffic.add(5 * size * n);
    merge(Task.magnitude(0.3, new Kernels.Threshold(0.8, n)), true);
  }

  @Benchmark
  public void dare(Traffic traffic) {
    traffic.add(5 * size * n);
    merge(Task.random(0.3, 4, 42, 0, 1L << 30), false);
  }

  @Benchmark
  public void limitLinear(Traffic traffic) {
    traffic.add(3 * size * n);
    kernels.stream(size * n, addresses(0, 2), new long[] {out.address()});
  }

  @Benchmark
  public void limitTask(Traffic traffic) {
    traffic.add(5 * size * n);
    kernels.stream(size * n, addresses(0, 4), new long[] {out.address()});
  }

  @Benchmark
  public void plainLinear(Traffic traffic) {
    traffic.add(3 * size * n);
    kernels.convert(dtype, F32, n, arrays[0].address(), wide[0].address());
    kernels.convert(dtype, F32, n, arrays[1].address(), wide[1].address());
    combine(0, 0.5, 1, 0.5, 0);
    kernels.convert(F32, dtype, n, wide[0].address(), out.address());
  }

  @Benchmark
  public void plainTask(Traffic traffic) {
    traffic.add(5 * size * n);
    kernels.convert(dtype, F32, n, arrays[0].address(), wide[0].address());
    wide[2].clear();
    for (int k = 1; k < 4; k++) {
      kernels.convert(dtype, F32, n, arrays[k].address(), wide[1].address());
      combine(1, 1, 0, -1, 1);
      combine(2, 1, 1, 0.3, 2);
    }
    combine(0, 1, 2, 1, 2);
    kernels.convert(F32, dtype, n, wide[2].address(), out.address());
  }

  private void combine(int x, double wx, int y, double wy, int to) {
    long[] in = {wide[x].address(), wide[y].address()};
    kernels.weightedSum(F32, n, in, new double[] {wx, wy}, wide[to].address());
  }

  private void merge(Task task, boolean elect) {
    Task[] tasks = {task, task, task};
    kernels.taskMerge(
        dtype, 0, n, arrays[0].address(), addresses(1, 4), tasks, elect, elect, 1, out.address());
  }

  private long[] addresses(int from, int to) {
    long[] result = new long[to - from];
    for (int k = from; k < to; k++) {
      result[k - from] = arrays[k].address();
    }
    return result;
  }

  /** Fused and plain forms must agree to a rounding of the type before anything is timed. */
  private void validate() {
    compare(() -> linear(new Traffic()), () -> plainLinear(new Traffic()), "linear");
    compare(() -> taskArithmetic(new Traffic()), () -> plainTask(new Traffic()), "task");
  }

  private void compare(Runnable fused, Runnable plain, String name) {
    try (Memory expected = Memory.allocate(4L * n);
        Memory found = Memory.allocate(4L * n)) {
      plain.run();
      kernels.convert(dtype, F32, n, out.address(), expected.address());
      fused.run();
      kernels.convert(dtype, F32, n, out.address(), found.address());
      double unit = dtype == F32 ? 0x1p-22 : dtype == 2 ? 0x1p-10 : 0x1p-7;
      for (long i = 0; i < n; i++) {
        float x = expected.getFloat(4 * i);
        float y = found.getFloat(4 * i);
        Traffic.require(
            Math.abs(x - y) <= unit * (Math.abs(x) + 1e-3),
            name + ": element " + i + " is " + y + ", expected " + x);
      }
    }
  }
}
