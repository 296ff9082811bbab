// SPDX-License-Identifier: Apache-2.0
package org.merganser.benchmarks;

import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.merganser.compute.DType;
import org.merganser.torch.TorchNatives;
import org.merganser.torch.internal.Bridge;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.TearDown;

/**
 * {@link AdaptiveActivationBenchmark} beside operations of libtorch over preallocated tensors:
 * {@code chainForward} softplus, sigmoid, products and a sum in 5 passes, {@code chainBackward} the
 * formulas written out in 16.
 */
public class ActivationLibtorchBenchmark extends KernelBenchmark {
  private static final int TEMPORARIES = 4;
  private static final double N = ActivationArrays.N;
  private static final double S = ActivationArrays.S;

  @Param({"64", "16384"})
  int rows;

  @Param({"F32", "F64"})
  DType dtype;

  private ActivationArrays arrays;
  private org.merganser.linalg.Tensor[] temporaries;

  /** Activations, gradients, temporaries. */
  private Tensor[] theirs;

  private double byN;
  private double byS;

  /** Both ways must agree. */
  @Setup
  public void setUp() {
    open();
    TorchNatives.load();
    torch.set_num_threads(threads);
    arrays = new ActivationArrays(dtype, rows, ws);
    temporaries =
        IntStream.range(0, TEMPORARIES)
            .mapToObj(k -> org.merganser.linalg.Tensor.zeros(dtype, rows, ActivationArrays.UNITS))
            .toArray(org.merganser.linalg.Tensor[]::new);
    try (PointerScope scope = new PointerScope()) {
      theirs =
          Stream.concat(Stream.of(arrays.a, arrays.g), Stream.of(temporaries))
              .map(Bridge::share)
              .map(each -> (Tensor) each.retainReference())
              .toArray(Tensor[]::new);
    }
    chainForward();
    try (org.merganser.linalg.Tensor values = temporaries[0].copy()) {
      chainBackward();
      arrays.require("libtorch", values, temporaries[0], byN, byS);
    }
  }

  @TearDown
  public void tearDown() {
    for (Tensor each : theirs) {
      each.close();
    }
    Stream.of(temporaries).forEach(org.merganser.linalg.Tensor::close);
    arrays.close();
    ws.close();
  }

  @Benchmark
  public void forward() {
    arrays.forward();
  }

  @Benchmark
  public void backward() {
    arrays.backward();
  }

  @Benchmark
  @SuppressWarnings("try")
  public void chainForward() {
    arrays.countForward();
    try (PointerScope scope = new PointerScope();
        NoGradGuard guard = new NoGradGuard()) {
      Tensor out = theirs[2];
      Tensor sigma = theirs[3];
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
    arrays.countBackward();
    try (PointerScope scope = new PointerScope();
        NoGradGuard guard = new NoGradGuard()) {
      Tensor x = theirs[0];
      Tensor g = theirs[1];
      Tensor out = theirs[2];
      Tensor sigma = theirs[3];
      Tensor softplus = theirs[4];
      Tensor q = theirs[5];
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
      byN = q.sum().item_double();
      byS = sigma.sum().item_double();
    }
  }
}
