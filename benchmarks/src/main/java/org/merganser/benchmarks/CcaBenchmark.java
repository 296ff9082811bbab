// SPDX-License-Identifier: Apache-2.0
package org.merganser.benchmarks;

import java.util.Arrays;
import java.util.List;
import org.merganser.compute.DType;
import org.merganser.linalg.Cca;
import org.merganser.linalg.LinAlg;
import org.merganser.linalg.Matrix;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.TearDown;

/**
 * The CCA map of two correlated sets of n features.
 *
 * <ul>
 *   <li>{@code map}: with correlations, through Cholesky factors, Newton's iteration and
 *       eigenvalues; {@code mapOnly} and {@code mapOnlyF32}: without them.
 *   <li>{@code published}: the surrogate peer, three singular value decompositions in F32; see
 *       {@link PublishedCca}.
 *   <li>{@code sweep} and {@code sweepOneByOne}: eight values of gamma in one call, and in eight.
 * </ul>
 *
 * The work is counted as 26 n^3 operations a map, whichever way it is found; its rate over that of
 * {@code MachineBenchmark.gemm} is nominally the fraction of the machine.
 */
public class CcaBenchmark extends KernelBenchmark {
  private static final double GAMMA = 0.1;
  private static final double[] GAMMAS = {1e-3, 1e-2, 0.1, 0.3, 1, 3, 10, 100};
  private static final double TOLERANCE = 1e-9;
  // F32 resolves the weakest direction to eps / correlation.
  private static final double TOLERANCE_F32 = 2e-2;

  @Param({"512", "1024", "2048"})
  int n;

  private Matrix sxx;
  private Matrix syy;
  private Matrix sxy;
  private PublishedCca published;

  @Setup
  public void setUp() {
    open();
    Correlated inputs = Correlated.of(n, 1, ws);
    sxx = inputs.sxx();
    syy = inputs.syy();
    sxy = inputs.sxy();
    published = new PublishedCca(inputs, GAMMA);
    validate();
  }

  @TearDown
  public void tearDown() {
    published.close();
    ws.close();
  }

  @Benchmark
  public double map() {
    return done(1, List.of(Cca.map(sxx, syy, sxy, GAMMA, GAMMA, ws)));
  }

  @Benchmark
  public double mapOnly() {
    return done(1, List.of(Cca.mapOnly(sxx, syy, sxy, GAMMA, GAMMA, DType.F64, ws)));
  }

  @Benchmark
  public double mapOnlyF32() {
    return done(1, List.of(Cca.mapOnly(sxx, syy, sxy, GAMMA, GAMMA, DType.F32, ws)));
  }

  @Benchmark
  public double sweep() {
    return done(GAMMAS.length, Cca.sweep(sxx, syy, sxy, GAMMAS, GAMMAS.clone(), false, ws));
  }

  @Benchmark
  public double sweepOneByOne() {
    double last = 0;
    for (double gamma : GAMMAS) {
      last = done(1, List.of(Cca.map(sxx, syy, sxy, gamma, gamma, ws)));
    }
    return last;
  }

  @Benchmark
  public double published() {
    Work.flops(26.0 * n * n * n);
    return published.run();
  }

  private double done(int count, List<Cca> maps) {
    Work.flops(count * 26.0 * n * n * n);
    maps.forEach(Cca::close);
    return maps.get(0).condition();
  }

  /**
   * {@code T T^-1 = I} and {@code T (Syy + g I) T^T = Sxx + g I}, which hold for any orthogonal
   * factor, and that the maps found in other ways are the same, before anything is timed.
   */
  private void validate() {
    published.run();
    try (Cca full = Cca.map(sxx, syy, sxy, GAMMA, GAMMA, ws);
        Cca only = Cca.mapOnly(sxx, syy, sxy, GAMMA, GAMMA, DType.F64, ws);
        Cca narrow = Cca.mapOnly(sxx, syy, sxy, GAMMA, GAMMA, DType.F32, ws);
        Matrix product = LinAlg.multiply(full.map(), full.inverse(), ws);
        Matrix y = regularised(syy);
        Matrix x = regularised(sxx);
        Matrix left = LinAlg.multiply(full.map(), y, ws);
        Matrix mapped = LinAlg.multiplyTransposed(left, full.map(), ws);
        Matrix peer = published.map()) {
      Validation.require(
          "T T^-1", LinAlg.distanceToIdentity(product, ws), TOLERANCE * full.condition());
      Validation.require("T Y T^T", Correlated.distance(mapped, x), TOLERANCE * n);
      Validation.require("map only", Correlated.distance(only.map(), full.map()), TOLERANCE);
      Validation.require(
          "map only, F32", Correlated.distance(narrow.map(), full.map()), TOLERANCE_F32);
      Validation.require("published", Correlated.distance(peer, full.map()), TOLERANCE_F32);
      double sum = Arrays.stream(full.correlations()).sum();
      Validation.require("sum of correlations", Math.abs(only.sum() / sum - 1), TOLERANCE);
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
