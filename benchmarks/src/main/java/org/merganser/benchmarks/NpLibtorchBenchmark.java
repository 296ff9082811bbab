// SPDX-License-Identifier: Apache-2.0
package org.merganser.benchmarks;

import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.merganser.compute.Memory;
import org.merganser.internal.kernel.Block;
import org.merganser.internal.kernel.NpState;
import org.merganser.torch.TorchNatives;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.TearDown;

/**
 * The fused step of NP Merge (sigmoid, Adam, two models, F32) against the same step as tensor
 * operations of libtorch over preallocated tensors, and against the memory limit: the same arrays
 * (6 read, 4 written) at the bandwidth of non-temporal stores.
 */
public class NpLibtorchBenchmark extends KernelBenchmark {
  private static final double RATE = 1e-3;
  private static final double BETA1 = 0.9;
  private static final double BETA2 = 0.999;

  @Param("16777216")
  int n;

  private NpState np;
  private Memory[] arrays;
  private Tensor[] torchArrays;
  private int step;

  /** Both take three steps from the same start, and must agree. */
  @Setup
  public void setUp() {
    open();
    TorchNatives.load();
    torch.set_num_threads(threads);
    arrays = new Memory[10];
    for (int k = 0; k < arrays.length; k++) {
      arrays[k] = k < 3 ? Buffers.uniform(n, k) : Buffers.zeros(4L * n);
    }
    np =
        kernels.np(
            new NpState.Options(0, 0, 0, 2, Buffers.F32, BETA1, BETA2, 1e-8, 0, 0, 15),
            new long[] {n},
            new long[] {1},
            new Block[] {Block.of(arrays[0]), Block.of(arrays[1])},
            null);
    try (PointerScope scope = new PointerScope()) {
      torchArrays = new Tensor[9];
      for (int k = 0; k < torchArrays.length; k++) {
        torchArrays[k] = torch.empty(n);
        for (int i = 0; k < 3 && i < n; i++) {
          torchArrays[k].data_ptr_float().put(i, arrays[k].getFloat(4L * i));
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
      float ours = arrays[9].getFloat(4L * i);
      float theirs = torchArrays[8].data_ptr_float().get(i);
      if (!(Math.abs(ours - theirs) <= 2e-6)) {
        throw new IllegalStateException("theta " + i + ": " + ours + ", libtorch " + theirs);
      }
    }
  }

  @TearDown
  public void tearDown() {
    np.close();
    Buffers.close(arrays);
    for (Tensor each : torchArrays) {
      each.close();
    }
    ws.close();
  }

  @Benchmark
  public void fused() {
    Work.bytes(40.0 * n);
    np.step(RATE, new Block[] {Block.of(arrays[2])}, new Block[] {Block.of(arrays[9])});
  }

  @Benchmark
  public void limit() {
    Buffers.bandwidth(kernels, 4L * n, arrays, 6);
  }

  /** a, c, g, z, m, v, two temporaries, theta; nothing is allocated but the handles. */
  @Benchmark
  @SuppressWarnings("try")
  public void unfused() {
    Work.bytes(40.0 * n);
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
