// SPDX-License-Identifier: Apache-2.0
package org.merganser.benchmarks;

import java.util.Arrays;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.bytedeco.openblas.presets.openblas_nolapack;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.linalg.Cca;
import org.merganser.linalg.LinAlg;
import org.merganser.linalg.Matrix;
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
 * The CCA map of two correlated sets of n features.
 *
 * <ul>
 *   <li>{@code map}: with correlations, through Cholesky factors and one singular value
 *       decomposition; {@code mapOnly} and {@code mapOnlyF32}: without them.
 *   <li>{@code published}: the surrogate peer, three singular value decompositions in F32; see
 *       {@link PublishedCca}.
 *   <li>{@code sweep} and {@code sweepOneByOne}: eight values of gamma in one call, and in eight.
 *   <li>{@code gemm} and {@code gemmF32}: one product of n x n matrices, the measure of the
 *       machine.
 * </ul>
 *
 * {@code gflop} per second counts 2 n^3 for the product and nominally 26 n^3 for a map, whichever
 * way it is found; its ratio to that of {@code gemm} is the fraction of the machine.
 */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MILLISECONDS)
@Fork(value = 1)
@Warmup(iterations = 2, time = 1)
@Measurement(iterations = 5, time = 1)
public class CcaBenchmark {
  private static final double GAMMA = 0.1;
  private static final double[] GAMMAS = {1e-3, 1e-2, 0.1, 0.3, 1, 3, 10, 100};
  private static final double TOLERANCE = 1e-9;
  // F32 resolves the weakest direction to eps / correlation.
  private static final double TOLERANCE_F32 = 2e-2;

  @Param({"512", "1024", "2048"})
  int n;

  @Param({"1"})
  int threads;

  private Workspace ws;
  private Matrix sxx;
  private Matrix syy;
  private Matrix sxy;
  private PublishedCca published;

  @Setup
  public void setUp() {
    ws = Workspace.builder().threads(threads).open();
    Correlated inputs = Correlated.of(n, 1, ws);
    sxx = inputs.sxx();
    syy = inputs.syy();
    sxy = inputs.sxy();
    published = new PublishedCca(inputs, GAMMA);
    openblas_nolapack.blas_set_num_threads(threads);
    validate();
  }

  @TearDown
  public void tearDown() {
    published.close();
    ws.close();
  }

  @Benchmark
  public double map(Work work) {
    return done(work, 1, List.of(Cca.map(sxx, syy, sxy, GAMMA, GAMMA, ws)));
  }

  @Benchmark
  public double mapOnly(Work work) {
    return done(work, 1, List.of(Cca.mapOnly(sxx, syy, sxy, GAMMA, GAMMA, DType.F64, ws)));
  }

  @Benchmark
  public double mapOnlyF32(Work work) {
    return done(work, 1, List.of(Cca.mapOnly(sxx, syy, sxy, GAMMA, GAMMA, DType.F32, ws)));
  }

  @Benchmark
  public double sweep(Work work) {
    return done(work, GAMMAS.length, Cca.sweep(sxx, syy, sxy, GAMMAS, GAMMAS.clone(), false, ws));
  }

  @Benchmark
  public double sweepOneByOne(Work work) {
    double last = 0;
    for (double gamma : GAMMAS) {
      last = done(work, 1, List.of(Cca.map(sxx, syy, sxy, gamma, gamma, ws)));
    }
    return last;
  }

  @Benchmark
  public double published(Work work) {
    work.gflop += 26e-9 * n * n * n;
    return published.run();
  }

  @Benchmark
  public double gemmF32(Work work) {
    work.gflop += 2e-9 * n * n * n;
    return published.gemm();
  }

  @Benchmark
  public double gemm(Work work) {
    work.gflop += 2e-9 * n * n * n;
    try (Matrix c = LinAlg.multiply(sxx, syy, ws)) {
      return c.get(0, 0);
    }
  }

  private double done(Work work, int count, List<Cca> maps) {
    work.gflop += count * 26e-9 * n * n * n;
    maps.get(0).map().close();
    maps.get(0).inverse().close();
    return maps.get(0).condition();
  }

  /**
   * {@code T T^-1 = I} and {@code T (Syy + g I) T^T = Sxx + g I}, which hold for any orthogonal
   * factor, and that the maps found in other ways are the same, before anything is timed.
   */
  private void validate() {
    Cca full = Cca.map(sxx, syy, sxy, GAMMA, GAMMA, ws);
    Cca only = Cca.mapOnly(sxx, syy, sxy, GAMMA, GAMMA, DType.F64, ws);
    Cca narrow = Cca.mapOnly(sxx, syy, sxy, GAMMA, GAMMA, DType.F32, ws);
    published.run();
    try (Matrix product = LinAlg.multiply(full.map(), full.inverse(), ws);
        Matrix y = regularised(syy);
        Matrix x = regularised(sxx);
        Matrix left = LinAlg.multiply(full.map(), y, ws);
        Matrix mapped = LinAlg.multiplyTransposed(left, full.map(), ws);
        Matrix peer = published.map()) {
      require("T T^-1", LinAlg.distanceToIdentity(product), TOLERANCE * full.condition());
      require("T Y T^T", Correlated.distance(mapped, x), TOLERANCE * n);
      require("map only", Correlated.distance(only.map(), full.map()), TOLERANCE);
      require("map only, F32", Correlated.distance(narrow.map(), full.map()), TOLERANCE_F32);
      require("published", Correlated.distance(peer, full.map()), TOLERANCE_F32);
    }
    double sum = Arrays.stream(full.correlations()).sum();
    require("sum of correlations", Math.abs(only.sum() / sum - 1), TOLERANCE);
  }

  private static void require(String what, double error, double tolerance) {
    if (!(error <= tolerance)) {
      throw new IllegalStateException(what + " is off by " + error + ", allowed " + tolerance);
    }
  }

  private static Matrix regularised(Matrix covariance) {
    Matrix result = covariance.copy();
    for (long i = 0; i < result.rows(); i++) {
      result.set(i, i, result.get(i, i) + GAMMA);
    }
    return result;
  }
}
