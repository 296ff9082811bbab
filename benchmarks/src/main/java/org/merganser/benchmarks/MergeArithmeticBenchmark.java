// SPDX-License-Identifier: Apache-2.0
package org.merganser.benchmarks;

import org.merganser.compute.DType;
import org.merganser.compute.Memory;
import org.merganser.internal.kernel.Block;
import org.merganser.internal.kernel.MergeKernels.Mix;
import org.merganser.internal.kernel.MergeKernels.Task;
import org.merganser.internal.kernel.MergeKernels.Threshold;
import org.merganser.internal.kernel.SlerpWeights;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.TearDown;

/**
 * Merging in memory: {@code linear} and {@code slerp} of two models; {@code taskArithmetic}, {@code
 * ties} and {@code dare} of a base and three.
 *
 * <p>Limits, bandwidth with non-temporal stores: {@code limitLinear} reads 2 arrays and writes 1,
 * {@code limitTask} reads 4 and writes 1, {@code limitSlerp} reads 2 and then reads 2 and writes 1.
 * Peers: {@link PlainMerge}, one pass for each operation.
 */
public class MergeArithmeticBenchmark extends KernelBenchmark {
  private static final double WEIGHT = 0.3;
  private static final double THRESHOLD = 0.8;
  private static final double T = 0.4;
  private static final double KEPT = 0.25; // by dare

  @Param("33554432")
  int n;

  /** The peers know no F16. */
  @Param({"BF16", "F32"})
  DType dtype;

  private Memory[] arrays;
  private Memory out;
  private long bytes;
  private PlainMerge plain;

  @Setup
  public void setUp() {
    open();
    bytes = dtype.bytes(n);
    arrays = new Memory[4];
    for (int k = 0; k < 4; k++) {
      try (Memory values = Buffers.uniform(n, k)) {
        arrays[k] = Memory.allocate(bytes);
        kernels
            .tensors()
            .convert(Buffers.F32, dtype.code(), n, Block.of(values), Block.of(arrays[k]));
      }
    }
    out = Buffers.zeros(bytes);
    plain = new PlainMerge(dtype, n, arrays, kernels);
    validate();
  }

  @TearDown
  public void tearDown() {
    Buffers.close(arrays);
    out.close();
    ws.close();
  }

  @Benchmark
  public void linear() {
    Work.bytes(3 * bytes);
    sum(new double[] {0.5, 0.5});
  }

  @Benchmark
  public void slerp() {
    Work.bytes(5 * bytes);
    double[] dots =
        kernels.merge().dotProducts(dtype.code(), n, Block.of(arrays[0]), Block.of(arrays[1]));
    sum(SlerpWeights.at(dots, T));
  }

  @Benchmark
  public void taskArithmetic() {
    merge(Task.weighted(WEIGHT), false);
  }

  @Benchmark
  public void ties() {
    merge(Task.magnitude(WEIGHT, new Threshold(THRESHOLD, n)), true);
  }

  @Benchmark
  public void dare() {
    merge(Task.random(WEIGHT, 1 / KEPT, 42, 0, (long) (KEPT * (1L << 32))), false);
  }

  @Benchmark
  public void limitLinear() {
    bandwidth(2, 1);
  }

  @Benchmark
  public void limitTask() {
    bandwidth(4, 1);
  }

  @Benchmark
  public void limitSlerp() {
    bandwidth(2, 0);
    bandwidth(2, 1);
  }

  @Benchmark
  public void plainLinear() {
    Work.bytes(3 * bytes);
    plain.linear(0.5f, 0.5f);
  }

  @Benchmark
  public void plainTask() {
    Work.bytes(5 * bytes);
    plain.task((float) WEIGHT);
  }

  @Benchmark
  public void plainTies() {
    Work.bytes(5 * bytes);
    plain.ties((float) WEIGHT, (float) THRESHOLD);
  }

  private void sum(double[] weights) {
    kernels
        .merge()
        .weightedSum(dtype.code(), n, Buffers.blocks(arrays, 0, 2), weights, Block.of(out));
  }

  private void merge(Task task, boolean elect) {
    Work.bytes(5 * bytes);
    kernels
        .merge()
        .taskMerge(
            dtype.code(),
            0,
            n,
            Block.of(arrays[0]),
            Buffers.blocks(arrays, 1, 4),
            new Task[] {task, task, task},
            new Mix(elect, elect, 1),
            Block.of(out));
  }

  private void bandwidth(int reads, int writes) {
    Work.bytes((double) (reads + writes) * bytes);
    Block[] to = writes == 0 ? new Block[0] : new Block[] {Block.of(out)};
    kernels.merge().bandwidth(bytes, Buffers.blocks(arrays, 0, reads), to);
  }

  /**
   * Fused and plain forms must agree to some roundings of results and of the inputs, which lie
   * within 1, before anything is timed.
   */
  private void validate() {
    compare("linear", this::linear, this::plainLinear);
    compare("task arithmetic", this::taskArithmetic, this::plainTask);
    compare("ties", this::ties, this::plainTies);
    double[] weights = plain.slerpWeights(T);
    compare("slerp", this::slerp, () -> plain.linear((float) weights[0], (float) weights[1]));
    dare();
    plain.requireDropped(widened(), WEIGHT / KEPT, KEPT, roundOff());
  }

  private void compare(String name, Runnable ours, Runnable peer) {
    peer.run();
    ours.run();
    float[] found = widened();
    for (int i = 0; i < n; i++) {
      float expected = plain.result(i);
      double tolerance = roundOff() * (Math.abs(expected) + 0.25);
      Validation.requireElement(name, i, found[i], expected, tolerance);
    }
  }

  private double roundOff() {
    return dtype == DType.F32 ? 0x1p-21 : 0x1p-7;
  }

  private float[] widened() {
    return PlainMerge.widened(dtype, n, out, kernels);
  }
}
