// SPDX-License-Identifier: Apache-2.0
package org.merganser.benchmarks;

import java.util.List;
import java.util.SplittableRandom;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.openblas.global.openblas;
import org.merganser.compute.DType;
import org.merganser.linalg.Matrix;
import org.merganser.linalg.Tensor;
import org.merganser.stats.MomentAccumulator;
import org.merganser.stats.NonFinite;
import org.merganser.stats.Precision;
import org.merganser.stats.SpaceMoments;
import org.merganser.stats.StatisticsRequest;
import org.merganser.stats.StatisticsRequest.Part;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.TearDown;

/**
 * Moments of two F32 series of d features: both own blocks and the cross block.
 *
 * <ul>
 *   <li>{@code blocks} and {@code blocksF64}: one update; MIXED and F64.
 *   <li>{@code images}: the same samples as [images x features x positions].
 *   <li>{@code variances}: means and variances alone.
 *   <li>{@code concatenated}: the surrogate peer, raw second moments of the concatenated series by
 *       one full product in F32; nothing is centred or checked.
 *   <li>{@code limit}: the two SYRK and the product that the blocks need, on chunks of 4096
 *       samples; nothing else.
 * </ul>
 *
 * The work is counted as 4 d^2 operations a sample for all, though the peer does 8 d^2; that of
 * {@code variances} as one read.
 */
public class MomentsBenchmark extends KernelBenchmark {
  private static final int POSITIONS = 1000;
  private static final int CHUNK = 4096;

  @Param({"512", "1024", "2048"})
  int d;

  @Param({"50000"})
  int samples;

  private List<Tensor> rows;
  private List<Tensor> images;
  private FloatPointer concatenated;
  private FloatPointer product;
  private int count;

  @Setup
  public void setUp() {
    open();
    SplittableRandom random = new SplittableRandom(1);
    count = samples / POSITIONS * POSITIONS;
    Tensor x = Tensor.allocate(DType.F32, count, d);
    Tensor y = Tensor.allocate(DType.F32, count, d);
    for (long i = 0; i < x.size(); i++) {
      double value = random.nextGaussian() + 1;
      x.set(i, value);
      y.set(i, 0.5 * value + random.nextGaussian());
    }
    rows = List.of(x, y);
    images = List.of(planes(x), planes(y));
    concatenated = new FloatPointer(2L * x.size());
    for (long i = 0; i < count; i++) {
      for (long f = 0; f < d; f++) {
        concatenated.put(2 * i * d + f, (float) x.get(i * d + f));
        concatenated.put((2 * i + 1) * d + f, (float) y.get(i * d + f));
      }
    }
    product = new FloatPointer(4L * d * d);
    validate();
  }

  @TearDown
  public void tearDown() {
    concatenated.close();
    product.close();
    ws.close();
  }

  @Benchmark
  public void blocks() {
    update(rows, Precision.MIXED);
  }

  @Benchmark
  public void blocksF64() {
    update(rows, Precision.F64);
  }

  @Benchmark
  public void images() {
    update(images, Precision.MIXED);
  }

  @Benchmark
  public void variances() {
    Work.bytes(8.0 * d * count);
    try (MomentAccumulator accumulator = accumulator(StatisticsRequest.of(), Precision.MIXED)) {
      accumulator.update(rows);
    }
  }

  @Benchmark
  public float concatenated() {
    Work.flops(blockFlops());
    return fullProduct();
  }

  @Benchmark
  public float limit() {
    Work.flops(blockFlops());
    for (int from = 0; from < count; from += CHUNK) {
      int size = Math.min(CHUNK, count - from);
      syrk(from, size, 0);
      syrk(from, size, d);
      product(d, size, from, d);
    }
    return product.get(0);
  }

  private void update(List<Tensor> batch, Precision precision) {
    Work.flops(blockFlops());
    try (MomentAccumulator accumulator =
        accumulator(StatisticsRequest.of(Part.OWN, Part.REFERENCE_CROSS), precision)) {
      accumulator.update(batch);
    }
  }

  private MomentAccumulator accumulator(StatisticsRequest request, Precision precision) {
    return new MomentAccumulator(
        "benchmark", new long[] {d, d}, request, precision, NonFinite.FAIL, ws);
  }

  private float fullProduct() {
    product(2 * d, count, 0, 0);
    return product.get(0);
  }

  private double blockFlops() {
    return 4.0 * d * d * count;
  }

  /** The own block of the series that begins at {@code column}, lower triangle. */
  private void syrk(int from, int size, int column) {
    openblas.cblas_ssyrk(
        openblas.CblasRowMajor,
        openblas.CblasLower,
        openblas.CblasTrans,
        d,
        size,
        1,
        concatenated.getPointer(2L * d * from + column),
        2 * d,
        0,
        product,
        d);
  }

  /** {@code X^T Y}, X the first {@code width} features and Y as many from {@code column} on. */
  private void product(int width, int size, int from, int column) {
    FloatPointer x = concatenated.getPointer(2L * d * from);
    FloatPointer y = concatenated.getPointer(2L * d * from + column);
    openblas.cblas_sgemm(
        openblas.CblasRowMajor,
        openblas.CblasTrans,
        openblas.CblasNoTrans,
        width,
        width,
        size,
        1,
        x,
        2 * d,
        y,
        2 * d,
        0,
        product,
        width);
  }

  /** MIXED against F64, images against rows to the bit, and the peer against both. */
  private void validate() {
    SpaceMoments mixed = moments(rows, Precision.MIXED);
    SpaceMoments exact = moments(rows, Precision.F64);
    SpaceMoments other = moments(images, Precision.MIXED);
    fullProduct();
    for (int[] pair : new int[][] {{0, 0}, {0, 1}, {1, 1}}) {
      try (Matrix a = mixed.covariance(pair[0], pair[1], ws);
          Matrix b = exact.covariance(pair[0], pair[1], ws);
          Matrix c = other.covariance(pair[0], pair[1], ws)) {
        Validation.require("MIXED", Correlated.distance(a, b), 1e-5);
        Validation.require("images", Correlated.distance(c, a), 0);
        double[] meanX = exact.mean(pair[0]);
        double[] meanY = exact.mean(pair[1]);
        for (int i = 0; i < d; i += 37) {
          for (int j = 0; j < d; j++) {
            float raw = product.get((pair[0] * d + i) * 2L * d + pair[1] * d + j);
            double peer = raw / count - meanX[i] * meanY[j];
            Validation.require("concatenated", Math.abs(peer - b.get(i, j)), 1e-3);
          }
        }
      }
    }
  }

  private SpaceMoments moments(List<Tensor> batch, Precision precision) {
    try (MomentAccumulator accumulator =
        accumulator(StatisticsRequest.of(Part.OWN, Part.REFERENCE_CROSS), precision)) {
      accumulator.update(batch);
      return accumulator.moments();
    }
  }

  /** [samples x features] as [images x features x positions]. */
  private Tensor planes(Tensor packed) {
    Tensor result = Tensor.allocate(DType.F32, count / POSITIONS, d, POSITIONS);
    for (long m = 0; m < packed.dim(0); m++) {
      for (long f = 0; f < d; f++) {
        long at = (m / POSITIONS * d + f) * POSITIONS + m % POSITIONS;
        result.set(at, packed.get(m * d + f));
      }
    }
    return result;
  }
}
