// SPDX-License-Identifier: Apache-2.0
package org.merganser.benchmarks;

import java.util.function.IntToDoubleFunction;
import org.merganser.compute.DType;
import org.merganser.linalg.Tensor;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.TearDown;

/**
 * Activations that learn their shape, one n and s: {@code forward} and {@code backward} with the
 * sums by n and s, of arrays in the second-level cache (64 rows) or in memory (16384 rows).
 *
 * <p>Peers, F32 on one thread: {@code plainForward} and {@code plainBackward}, one pass for each
 * operation over preallocated arrays; {@link ActivationLibtorchBenchmark} has those of libtorch.
 * Limits: the bandwidth of memory with non-temporal stores, of arrays that lie there, 1 read and 1
 * written, 2 read and 1 written.
 */
public class AdaptiveActivationBenchmark extends KernelBenchmark {
  private static final double N = ActivationArrays.N;
  private static final double S = ActivationArrays.S;

  @Param({"64", "16384"})
  int rows;

  @Param({"F32", "F64"})
  DType dtype;

  private ActivationArrays arrays;
  private float[] x;
  private float[] g;
  private float[] out;
  private float[] sigma;
  private float[] softplus;
  private float[] q;
  private double byN;
  private double byS;

  /** Both ways must agree. */
  @Setup
  public void setUp() {
    open();
    arrays = new ActivationArrays(dtype, rows, ws);
    if (dtype == DType.F32) {
      x = arrays.a.toFloatArray();
      g = arrays.g.toFloatArray();
      out = new float[x.length];
      sigma = new float[x.length];
      softplus = new float[x.length];
      q = new float[x.length];
      validate();
    }
  }

  private void validate() {
    plainForward();
    try (Tensor values = Tensor.of(out.clone(), rows, ActivationArrays.UNITS)) {
      plainBackward();
      try (Tensor slopes = Tensor.of(out, rows, ActivationArrays.UNITS)) {
        arrays.require("plain", values, slopes, byN, byS);
      }
    }
  }

  @TearDown
  public void tearDown() {
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
  public void limitForward() {
    arrays.limitForward();
  }

  @Benchmark
  public void limitBackward() {
    arrays.limitBackward();
  }

  @Benchmark
  public void plainForward() {
    requireF32();
    arrays.countForward();
    softplusAndSigma();
    for (int i = 0; i < x.length; i++) {
      out[i] = (float) ((1 - S) / N) * softplus[i];
    }
    for (int i = 0; i < x.length; i++) {
      out[i] += (float) S * sigma[i];
    }
  }

  /** Of n x. */
  private void softplusAndSigma() {
    for (int i = 0; i < x.length; i++) {
      q[i] = (float) N * x[i];
    }
    for (int i = 0; i < x.length; i++) {
      softplus[i] = (float) (Math.max(q[i], 0) + Math.log1p(Math.exp(-Math.abs(q[i]))));
    }
    for (int i = 0; i < x.length; i++) {
      sigma[i] = (float) (1 / (1 + Math.exp(-q[i])));
    }
  }

  /** The slopes as one writes them, that by n without its stable form. */
  @Benchmark
  public void plainBackward() {
    requireF32();
    arrays.countBackward();
    softplusAndSigma();
    for (int i = 0; i < x.length; i++) {
      q[i] = sigma[i] - sigma[i] * sigma[i];
    }
    for (int i = 0; i < x.length; i++) {
      out[i] = (float) (1 - S) * sigma[i] + (float) (S * N) * q[i];
    }
    for (int i = 0; i < x.length; i++) {
      out[i] *= g[i];
    }
    byN = sum(i -> g[i] * ((1 - S) / N * (x[i] * sigma[i] - softplus[i] / N) + S * x[i] * q[i]));
    byS = sum(i -> g[i] * (sigma[i] - softplus[i] / N));
  }

  private double sum(IntToDoubleFunction term) {
    double sum = 0;
    for (int i = 0; i < x.length; i++) {
      sum += term.applyAsDouble(i);
    }
    return sum;
  }

  private void requireF32() {
    if (dtype != DType.F32) {
      throw new IllegalStateException("plain passes are of F32, not " + dtype);
    }
  }
}
