// SPDX-License-Identifier: Apache-2.0
package org.merganser.benchmarks;

import java.util.SplittableRandom;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.global.torch;
import org.merganser.activation.AdaptiveActivation;
import org.merganser.activation.ShapeParams;
import org.merganser.compute.DType;
import org.merganser.compute.Memory;
import org.merganser.linalg.Tensor;
import org.merganser.torch.TorchNatives;
import org.merganser.torch.internal.Bridge;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.TearDown;

/**
 * Activations that learn their shape, one n and s: {@code forward} and {@code backward} with the
 * sums by n and s, of arrays in the second-level cache (64 rows) or in memory (16384 rows).
 *
 * <p>Peers: the same by operations of libtorch over preallocated tensors, {@code chainForward}
 * softplus, sigmoid, products and a sum in 5 passes, {@code chainBackward} the formulas written out
 * in 16. Limits: the bandwidth of memory with non-temporal stores, of arrays that lie there, 1 read
 * and 1 written, 2 read and 1 written.
 */
public class AdaptiveActivationBenchmark extends KernelBenchmark {
  private static final int UNITS = 512;
  private static final long LIMIT_BYTES = 64L << 20;
  private static final double N = 2.5;
  private static final double S = 0.25;
  private static final int OURS = 4; // a, g, result, gradient by a
  private static final int TEMPORARIES = 4;

  @Param({"64", "16384"})
  int rows;

  @Param({"F32", "F64"})
  DType dtype;

  private Tensor[] ours;
  private ShapeParams shape;
  private Tensor dn;
  private Tensor ds;
  private Memory[] limits;
  private org.bytedeco.pytorch.Tensor[] theirs;
  private double[] sums;

  /** Both ways must agree. */
  @Setup
  public void setUp() {
    open();
    TorchNatives.load();
    torch.set_num_threads(threads);
    SplittableRandom random = new SplittableRandom(1);
    ours =
        IntStream.range(0, OURS + TEMPORARIES)
            .mapToObj(k -> Tensor.zeros(dtype, rows, UNITS))
            .toArray(Tensor[]::new);
    for (int k = 0; k < 2; k++) {
      for (long i = 0; i < ours[k].size(); i++) {
        ours[k].set(i, 3 * (2 * random.nextDouble() - 1));
      }
    }
    shape = ShapeParams.Uniform.of(dtype, N, S);
    dn = Tensor.zeros(DType.F64, 1);
    ds = Tensor.zeros(DType.F64, 1);
    limits = IntStream.range(0, 3).mapToObj(k -> Buffers.zeros(LIMIT_BYTES)).toArray(Memory[]::new);
    try (PointerScope scope = new PointerScope()) {
      theirs =
          Stream.of(ours)
              .map(Bridge::share)
              .map(each -> (org.bytedeco.pytorch.Tensor) each.retainReference())
              .toArray(org.bytedeco.pytorch.Tensor[]::new);
    }
    validate();
  }

  private void validate() {
    chainForward();
    try (Tensor value = ours[OURS].copy()) {
      forward();
      requireClose("value", value, ours[2]);
    }
    chainBackward();
    try (Tensor slope = ours[OURS].copy()) {
      backward();
      requireClose("slope", slope, ours[3]);
    }
    double size = 10.0 * ours[0].size();
    if (!(Math.abs(sums[0] - dn.get(0)) <= 1e-6 * size
        && Math.abs(sums[1] - ds.get(0)) <= 1e-6 * size)) {
      throw new IllegalStateException(
          "sums " + dn.get(0) + " and " + ds.get(0) + ", libtorch " + sums[0] + " and " + sums[1]);
    }
  }

  private static void requireClose(String what, Tensor theirs, Tensor ours) {
    for (long i = 0; i < ours.size(); i += 97) {
      if (!(Math.abs(ours.get(i) - theirs.get(i)) <= 1e-5)) {
        throw new IllegalStateException(
            what + " " + i + ": " + ours.get(i) + ", libtorch " + theirs.get(i));
      }
    }
  }

  @TearDown
  public void tearDown() {
    for (org.bytedeco.pytorch.Tensor each : theirs) {
      each.close();
    }
    Stream.of(ours).forEach(Tensor::close);
    Buffers.close(limits);
    ws.close();
  }

  @Benchmark
  public void forward() {
    Work.bytes(2 * ours[0].bytes());
    AdaptiveActivation.forward(ours[0], shape, ours[2], ws);
  }

  @Benchmark
  public void backward() {
    Work.bytes(3 * ours[0].bytes());
    AdaptiveActivation.backward(ours[0], ours[1], shape, ours[3], dn, ds, ws);
  }

  @Benchmark
  public void limitForward() {
    Buffers.bandwidth(kernels, LIMIT_BYTES, new Memory[] {limits[0], limits[2]}, 1);
  }

  @Benchmark
  public void limitBackward() {
    Buffers.bandwidth(kernels, LIMIT_BYTES, limits, 2);
  }

  @Benchmark
  @SuppressWarnings("try")
  public void chainForward() {
    Work.bytes(2 * ours[0].bytes());
    try (PointerScope scope = new PointerScope();
        NoGradGuard guard = new NoGradGuard()) {
      org.bytedeco.pytorch.Tensor out = theirs[OURS];
      org.bytedeco.pytorch.Tensor sigma = theirs[OURS + 1];
      torch.mul_out(sigma, theirs[0], new Scalar(N));
      torch.softplus_out(out, sigma, new Scalar(1.0), new Scalar(20.0));
      sigma.sigmoid_();
      out.mul_(new Scalar((1 - S) / N)).add_(sigma, new Scalar(S));
    }
  }

  /** With u = n x: the slopes as one writes them, the one by n without its stable form. */
  @Benchmark
  @SuppressWarnings("try")
  public void chainBackward() {
    Work.bytes(3 * ours[0].bytes());
    try (PointerScope scope = new PointerScope();
        NoGradGuard guard = new NoGradGuard()) {
      org.bytedeco.pytorch.Tensor x = theirs[0];
      org.bytedeco.pytorch.Tensor g = theirs[1];
      org.bytedeco.pytorch.Tensor out = theirs[OURS];
      org.bytedeco.pytorch.Tensor sigma = theirs[OURS + 1];
      org.bytedeco.pytorch.Tensor softplus = theirs[OURS + 2];
      org.bytedeco.pytorch.Tensor q = theirs[OURS + 3];
      torch.mul_out(q, x, new Scalar(N));
      torch.softplus_out(softplus, q, new Scalar(1.0), new Scalar(20.0));
      softplus.mul_(new Scalar(1 / N));
      torch.sigmoid_out(sigma, q);
      torch.mul_out(q, sigma, sigma);
      q.neg_().add_(sigma);
      // by x: g ((1 - s) sigma + s n q)
      torch.mul_out(out, q, new Scalar(S * N));
      out.add_(sigma, new Scalar(1 - S)).mul_(g);
      // by n: g x ((1 - s) / n sigma + s q) - g (1 - s) / n softplus / n; by s: g (sigma - softplus
      // / n)
      q.mul_(new Scalar(S)).add_(sigma, new Scalar((1 - S) / N)).mul_(x);
      q.add_(softplus, new Scalar(-(1 - S) / N)).mul_(g);
      sigma.sub_(softplus).mul_(g);
      sums = new double[] {q.sum().item_double(), sigma.sum().item_double()};
    }
  }
}
