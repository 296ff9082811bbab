// SPDX-License-Identifier: Apache-2.0
package org.merganser.benchmarks;

import java.util.SplittableRandom;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.merganser.activation.AdaptiveActivation;
import org.merganser.activation.ShapeParams;
import org.merganser.compute.DType;
import org.merganser.compute.Memory;
import org.merganser.compute.Workspace;
import org.merganser.internal.kernel.Kernels;
import org.merganser.linalg.Tensor;

/** Activations with one n and s, gradients and results, and the kernels on them. */
final class ActivationArrays implements AutoCloseable {
  static final int UNITS = 512;
  static final double N = 2.5;
  static final double S = 0.25;
  private static final long LIMIT_BYTES = 64L << 20;

  /** Activations, gradients by values; values, gradients by activations. */
  final Tensor a;

  final Tensor g;
  final Tensor value;
  final Tensor da;
  final Tensor dn = Tensor.zeros(DType.F64, 1);
  final Tensor ds = Tensor.zeros(DType.F64, 1);
  private final ShapeParams shape;
  private final Memory[] limits;
  private final Workspace ws;
  private final Kernels kernels;

  ActivationArrays(DType dtype, int rows, Workspace ws) {
    this.ws = ws;
    this.kernels = Kernels.of(ws);
    SplittableRandom random = new SplittableRandom(1);
    a = drawn(dtype, rows, random);
    g = drawn(dtype, rows, random);
    value = Tensor.zeros(dtype, rows, UNITS);
    da = Tensor.zeros(dtype, rows, UNITS);
    shape = ShapeParams.Uniform.of(dtype, N, S);
    limits = IntStream.range(0, 3).mapToObj(k -> Buffers.zeros(LIMIT_BYTES)).toArray(Memory[]::new);
  }

  private static Tensor drawn(DType dtype, int rows, SplittableRandom random) {
    Tensor drawn = Tensor.zeros(dtype, rows, UNITS);
    for (long i = 0; i < drawn.size(); i++) {
      drawn.set(i, 3 * (2 * random.nextDouble() - 1));
    }
    return drawn;
  }

  /** Bytes that are read and written by {@link #forward}. */
  void countForward() {
    Work.bytes(2 * a.bytes());
  }

  /** Bytes that are read and written by {@link #backward}. */
  void countBackward() {
    Work.bytes(3 * a.bytes());
  }

  void forward() {
    countForward();
    AdaptiveActivation.forward(a, shape, value, ws);
  }

  void backward() {
    countBackward();
    AdaptiveActivation.backward(a, g, shape, da, dn, ds, ws);
  }

  /** 1 array read and 1 written, of memory. */
  void limitForward() {
    Buffers.bandwidth(kernels, LIMIT_BYTES, new Memory[] {limits[0], limits[2]}, 1);
  }

  /** 2 arrays read and 1 written. */
  void limitBackward() {
    Buffers.bandwidth(kernels, LIMIT_BYTES, limits, 2);
  }

  /** That the kernels found values and slopes of another way, and its sums by n and s. */
  void require(String way, Tensor values, Tensor slopes, double byN, double byS) {
    forward();
    backward();
    for (long i = 0; i < a.size(); i += 97) {
      Validation.requireElement("value, " + way, i, value.get(i), values.get(i), 1e-5);
      Validation.requireElement("slope, " + way, i, da.get(i), slopes.get(i), 1e-5);
    }
    double tolerance = 1e-5 * a.size();
    Validation.requireElement("sum by n, " + way, 0, dn.get(0), byN, tolerance);
    Validation.requireElement("sum by s, " + way, 0, ds.get(0), byS, tolerance);
  }

  @Override
  public void close() {
    Stream.of(a, g, value, da, dn, ds, shape.n(), shape.s()).forEach(Tensor::close);
    Buffers.close(limits);
  }
}
