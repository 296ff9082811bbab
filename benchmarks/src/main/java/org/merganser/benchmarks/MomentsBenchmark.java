// SPDX-License-Identifier: Apache-2.0
package org.merganser.benchmarks;

import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.TimeUnit;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.openblas.global.openblas;
import org.bytedeco.openblas.presets.openblas_nolapack;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.linalg.Matrix;
import org.merganser.linalg.Tensor;
import org.merganser.stats.MomentAccumulator;
import org.merganser.stats.NonFinite;
import org.merganser.stats.Precision;
import org.merganser.stats.SpaceMoments;
import org.merganser.stats.StatisticsRequest;
import org.merganser.stats.StatisticsRequest.Part;
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
 * Moments of two F32 streams of d features: both own blocks and the cross block.
 *
 * <ul>
 *   <li>{@code blocks} and {@code blocksF64}: one update; MIXED and F64.
 *   <li>{@code images}: the same samples as [images x features x positions].
 *   <li>{@code variances}: means and variances alone.
 *   <li>{@code concatenated}: the surrogate peer, raw second moments of the concatenated streams by
 *       one full product in F32; nothing is centred or checked.
 *   <li>{@code syrk}, {@code gemm}: 4096 samples of one block, the measure of the machine.
 * </ul>
 *
 * {@code gflop} counts 4 d^2 a sample for the blocks and for the peer, which does 8 d^2.
 */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MILLISECONDS)
@Fork(value = 1)
@Warmup(iterations = 2, time = 1)
@Measurement(iterations = 5, time = 1)
public class MomentsBenchmark {
  private static final int POSITIONS = 1000;
  private static final int CHUNK = 4096;

  @Param({"512", "1024", "2048"})
  int d;

  @Param({"50000"})
  int samples;

  @Param({"1"})
  int threads;

  private Workspace ws;
  private List<Tensor> rows;
  private List<Tensor> images;
  private FloatPointer concatenated;
  private FloatPointer product;

  @Setup
  public void setUp() {
    ws = Workspace.builder().threads(threads).open();
    SplittableRandom random = new SplittableRandom(1);
    int images = samples / POSITIONS;
    Tensor x = Tensor.allocate(DType.F32, images * (long) POSITIONS, d);
    Tensor y = Tensor.allocate(DType.F32, images * (long) POSITIONS, d);
    for (long i = 0; i < x.size(); i++) {
      double value = random.nextGaussian() + 1;
      x.set(i, value);
      y.set(i, 0.5 * value + random.nextGaussian());
    }
    rows = List.of(x, y);
    this.images = List.of(planes(x, images), planes(y, images));
    concatenated = new FloatPointer(2L * x.size());
    for (long i = 0; i < x.dim(0); i++) {
      for (long f = 0; f < d; f++) {
        concatenated.put(2 * i * d + f, (float) x.get(i * d + f));
        concatenated.put((2 * i + 1) * d + f, (float) y.get(i * d + f));
      }
    }
    product = new FloatPointer(4L * d * d);
    openblas_nolapack.blas_set_num_threads(threads);
    validate();
  }

  @TearDown
  public void tearDown() {
    concatenated.close();
    product.close();
    ws.close();
  }

  @Benchmark
  public void blocks(Work work) {
    update(rows, Precision.MIXED, work);
  }

  @Benchmark
  public void blocksF64(Work work) {
    update(rows, Precision.F64, work);
  }

  @Benchmark
  public void images(Work work) {
    update(images, Precision.MIXED, work);
  }

  @Benchmark
  public void variances() {
    try (MomentAccumulator accumulator = accumulator(StatisticsRequest.of(), Precision.MIXED)) {
      accumulator.update(rows);
    }
  }

  @Benchmark
  public float concatenated(Work work) {
    work.gflop += 4e-9 * d * d * rows.get(0).dim(0);
    return fullProduct();
  }

  @Benchmark
  public float syrk(Work work) {
    work.gflop += 1e-9 * d * d * CHUNK;
    openblas.cblas_ssyrk(
        openblas.CblasRowMajor,
        openblas.CblasLower,
        openblas.CblasTrans,
        d,
        CHUNK,
        1,
        concatenated,
        2 * d,
        0,
        product,
        d);
    return product.get(0);
  }

  @Benchmark
  public float gemm(Work work) {
    work.gflop += 2e-9 * d * d * CHUNK;
    openblas.cblas_sgemm(
        openblas.CblasRowMajor,
        openblas.CblasTrans,
        openblas.CblasNoTrans,
        d,
        d,
        CHUNK,
        1,
        concatenated,
        2 * d,
        concatenated,
        2 * d,
        0,
        product,
        d);
    return product.get(0);
  }

  private void update(List<Tensor> batch, Precision precision, Work work) {
    work.gflop += 4e-9 * d * d * rows.get(0).dim(0);
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
    int width = 2 * d;
    openblas.cblas_sgemm(
        openblas.CblasRowMajor,
        openblas.CblasTrans,
        openblas.CblasNoTrans,
        width,
        width,
        (int) rows.get(0).dim(0),
        1,
        concatenated,
        width,
        concatenated,
        width,
        0,
        product,
        width);
    return product.get(0);
  }

  /** MIXED against F64, images against rows to the bit, and the peer against both. */
  private void validate() {
    SpaceMoments mixed = moments(rows, Precision.MIXED);
    SpaceMoments exact = moments(rows, Precision.F64);
    SpaceMoments other = moments(images, Precision.MIXED);
    fullProduct();
    double count = rows.get(0).dim(0);
    for (int[] pair : new int[][] {{0, 0}, {0, 1}, {1, 1}}) {
      try (Matrix a = mixed.covariance(pair[0], pair[1]);
          Matrix b = exact.covariance(pair[0], pair[1]);
          Matrix c = other.covariance(pair[0], pair[1])) {
        require("MIXED", Correlated.distance(a, b), 1e-5);
        require("images", Correlated.distance(c, a), 0);
        double[] meanX = exact.mean(pair[0]);
        double[] meanY = exact.mean(pair[1]);
        for (int i = 0; i < d; i += 37) {
          for (int j = 0; j < d; j++) {
            float raw = product.get((pair[0] * d + i) * 2L * d + pair[1] * d + j);
            double peer = raw / count - meanX[i] * meanY[j];
            require("concatenated", Math.abs(peer - b.get(i, j)), 1e-3);
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

  private static void require(String what, double error, double tolerance) {
    if (!(error <= tolerance)) {
      throw new IllegalStateException(what + " is off by " + error + ", allowed " + tolerance);
    }
  }

  /** [samples x features] as [images x features x positions]. */
  private Tensor planes(Tensor packed, int images) {
    Tensor result = Tensor.allocate(DType.F32, images, d, POSITIONS);
    for (long m = 0; m < packed.dim(0); m++) {
      for (long f = 0; f < d; f++) {
        long at = (m / POSITIONS * d + f) * POSITIONS + m % POSITIONS;
        result.set(at, packed.get(m * d + f));
      }
    }
    return result;
  }
}
