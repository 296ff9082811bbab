// SPDX-License-Identifier: Apache-2.0
package org.merganser.benchmarks.torch;

import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.TimeUnit;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.merganser.compute.Memory;
import org.merganser.compute.Workspace;
import org.merganser.internal.kernel.NpState;
import org.merganser.torch.TorchNatives;
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
 * The fused step of NP Merge (sigmoid, Adam, two models, F32) against the same step as tensor
 * operations of libtorch over preallocated tensors, and against the memory limit: the same arrays
 * (6 read, 4 written) streamed past the caches.
 */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MILLISECONDS)
@Fork(1)
@Warmup(iterations = 2, time = 1)
@Measurement(iterations = 5, time = 1)
public class NpLibtorchBenchmark {
  private static final double RATE = 1e-3;
  private static final double BETA1 = 0.9;
  private static final double BETA2 = 0.999;

  @Param("16777216")
  int n;

  @Param("1")
  int threads;

  private Workspace ws;
  private NpState np;
  private final List<Memory> arrays = new ArrayList<>();
  private Tensor[] torchArrays;
  private int step;

  /** Both take three steps from the same start, and must agree. */
  @Setup
  public void setUp() {
    ws = Workspace.builder().threads(threads).open();
    TorchNatives.load();
    torch.set_num_threads(threads);
    for (int k = 0; k < 10; k++) {
      Memory memory = Memory.allocate(4L * n);
      SplittableRandom random = new SplittableRandom(k);
      for (int i = 0; i < n; i++) {
        memory.putFloat(4L * i, k < 3 ? (float) (2 * random.nextDouble() - 1) : 0);
      }
      arrays.add(memory);
    }
    np =
        ws.kernels()
            .np(
                new NpState.Options(0, 0, 0, 2, 1, BETA1, BETA2, 1e-8, 0, 0, 15),
                new long[] {n},
                new long[] {1},
                new long[] {arrays.get(0).address(), arrays.get(1).address()},
                null);
    try (PointerScope scope = new PointerScope()) {
      torchArrays = new Tensor[9];
      for (int k = 0; k < torchArrays.length; k++) {
        torchArrays[k] = torch.empty(n);
        for (int i = 0; k < 3 && i < n; i++) {
          torchArrays[k].data_ptr_float().put(i, arrays.get(k).getFloat(4L * i));
        }
        if (k >= 3) {
          torchArrays[k].zero_();
        }
        torchArrays[k].retainReference();
      }
    }
    for (int t = 0; t < 3; t++) {
      fused();
      unfused();
    }
    for (int i = 0; i < n; i += 97) {
      float ours = arrays.get(9).getFloat(4L * i);
      float theirs = torchArrays[8].data_ptr_float().get(i);
      if (!(Math.abs(ours - theirs) <= 2e-6)) {
        throw new IllegalStateException("theta " + i + ": " + ours + ", libtorch " + theirs);
      }
    }
  }

  @TearDown
  public void tearDown() {
    np.close();
    arrays.forEach(Memory::close);
    for (Tensor each : torchArrays) {
      each.close();
    }
    ws.close();
  }

  @Benchmark
  public void fused() {
    np.step(RATE, new long[] {arrays.get(2).address()}, new long[] {arrays.get(9).address()});
  }

  @Benchmark
  public void limit() {
    long[] in = arrays.subList(0, 6).stream().mapToLong(Memory::address).toArray();
    long[] out = arrays.subList(6, 10).stream().mapToLong(Memory::address).toArray();
    ws.kernels().stream(4L * n, in, out);
  }

  /** a, c, g, z, m, v, two temporaries, theta; nothing is allocated but the handles. */
  @Benchmark
  @SuppressWarnings("try")
  public void unfused() {
    step++;
    try (PointerScope scope = new PointerScope();
        NoGradGuard guard = new NoGradGuard()) {
      Tensor a = torchArrays[0];
      Tensor c = torchArrays[1];
      Tensor g = torchArrays[2];
      Tensor z = torchArrays[3];
      Tensor m = torchArrays[4];
      Tensor v = torchArrays[5];
      Tensor s = torchArrays[6];
      Tensor q = torchArrays[7];
      Tensor theta = torchArrays[8];
      torch.sigmoid_out(s, z);
      torch.sub_out(q, a, c);
      q.mul_(g).mul_(s);
      s.neg_().add_(new Scalar(1.0));
      q.mul_(s);
      m.mul_(new Scalar(BETA1)).add_(q, new Scalar(1 - BETA1));
      v.mul_(new Scalar(BETA2)).addcmul_(q, q, new Scalar(1 - BETA2));
      torch.sqrt_out(q, v);
      q.mul_(new Scalar(1 / Math.sqrt(1 - Math.pow(BETA2, step)))).add_(new Scalar(1e-8));
      z.addcdiv_(m, q, new Scalar(-RATE / (1 - Math.pow(BETA1, step))));
      z.clamp_(
          new org.bytedeco.pytorch.ScalarOptional(new Scalar(-15.0)),
          new org.bytedeco.pytorch.ScalarOptional(new Scalar(15.0)));
      torch.sigmoid_out(s, z);
      torch.lerp_out(theta, c, a, s);
    }
  }
}
