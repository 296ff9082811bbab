// SPDX-License-Identifier: Apache-2.0
package org.merganser.benchmarks;

import java.util.SplittableRandom;
import java.util.concurrent.TimeUnit;
import org.merganser.compute.Workspace;
import org.merganser.linalg.Cca;
import org.merganser.linalg.LinAlg;
import org.merganser.linalg.Matrix;
import org.merganser.linalg.Polar;
import org.openjdk.jmh.annotations.AuxCounters;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Level;
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
 * <p>{@code map}: two Cholesky factors, triangular solves and one orthogonal factor. {@code polar}:
 * one singular value decomposition with its product, the part that the map cannot do without; the
 * published code does three. {@code gemm}: one product of n x n matrices, the measure of the
 * machine. {@code gflop} per second counts 2 n^3 for the product, and nominally 26 n^3 and 22 n^3
 * for the others.
 */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MILLISECONDS)
@Fork(value = 1)
@Warmup(iterations = 2, time = 1)
@Measurement(iterations = 5, time = 1)
public class CcaBenchmark {
  private static final double GAMMA = 0.1;
  private static final double TOLERANCE = 1e-9;

  @Param({"64", "256", "512"})
  int n;

  @Param({"1"})
  int threads;

  private Workspace ws;
  private Matrix sxx;
  private Matrix syy;
  private Matrix sxy;

  /** Nominal work of one operation over its time. */
  @State(Scope.Thread)
  @AuxCounters(AuxCounters.Type.OPERATIONS)
  public static class Work {
    /** Billions of floating-point operations; per second in the output. */
    public double gflop;

    @Setup(Level.Iteration)
    public void reset() {
      gflop = 0;
    }
  }

  @Setup
  public void setUp() {
    ws = Workspace.builder().threads(threads).open();
    SplittableRandom random = new SplittableRandom(1);
    long samples = 4L * n;
    // y is a mixture of x and noise, so correlations spread over (0, 1).
    Matrix x = gaussian(samples, n, random);
    Matrix mixing = gaussian(n, n, random);
    Matrix mixed = LinAlg.multiply(x, mixing, ws);
    Matrix y = gaussian(samples, n, random);
    for (long i = 0; i < samples; i++) {
      for (long j = 0; j < n; j++) {
        y.set(i, j, y.get(i, j) * Math.sqrt(n) * 0.5 + mixed.get(i, j));
      }
    }
    sxx = covariance(x, x, samples);
    syy = covariance(y, y, samples);
    sxy = covariance(x, y, samples);
    validate();
  }

  @TearDown
  public void tearDown() {
    ws.close();
  }

  @Benchmark
  public double map(Work work) {
    work.gflop += 26e-9 * n * n * n;
    Cca cca = Cca.map(sxx, syy, sxy, GAMMA, GAMMA, ws);
    cca.map().close();
    cca.inverse().close();
    return cca.condition();
  }

  @Benchmark
  public double polar(Work work) {
    work.gflop += 22e-9 * n * n * n;
    Polar polar = Polar.of(sxy, ws);
    polar.factor().close();
    return polar.singularValues()[0];
  }

  @Benchmark
  public double gemm(Work work) {
    work.gflop += 2e-9 * n * n * n;
    try (Matrix c = LinAlg.multiply(sxx, syy, ws)) {
      return c.get(0, 0);
    }
  }

  /**
   * {@code T T^-1 = I} and {@code T (Syy + g I) T^T = Sxx + g I} must hold before anything is
   * timed.
   */
  private void validate() {
    Cca cca = Cca.map(sxx, syy, sxy, GAMMA, GAMMA, ws);
    double residual;
    try (Matrix product = LinAlg.multiply(cca.map(), cca.inverse(), ws)) {
      residual = LinAlg.distanceToIdentity(product);
    }
    double worst = 0;
    double largest = 0;
    try (Matrix y = regularised(syy);
        Matrix x = regularised(sxx);
        Matrix left = LinAlg.multiply(cca.map(), y, ws);
        Matrix mapped = LinAlg.multiplyTransposed(left, cca.map(), ws)) {
      for (long i = 0; i < n; i++) {
        for (long j = 0; j < n; j++) {
          worst = Math.max(worst, Math.abs(mapped.get(i, j) - x.get(i, j)));
          largest = Math.max(largest, Math.abs(x.get(i, j)));
        }
      }
    }
    if (!(residual <= TOLERANCE * cca.condition() && worst <= TOLERANCE * largest * n)) {
      throw new IllegalStateException(
          "wrong map: residual " + residual + ", covariance off by " + worst + " of " + largest);
    }
  }

  private static Matrix regularised(Matrix covariance) {
    Matrix result = covariance.copy();
    for (long i = 0; i < result.rows(); i++) {
      result.set(i, i, result.get(i, i) + GAMMA);
    }
    return result;
  }

  private Matrix covariance(Matrix a, Matrix b, long samples) {
    Matrix sum = LinAlg.transposeMultiply(a, b, ws);
    for (long i = 0; i < n; i++) {
      for (long j = 0; j < n; j++) {
        sum.set(i, j, sum.get(i, j) / samples);
      }
    }
    return sum;
  }

  private static Matrix gaussian(long rows, long columns, SplittableRandom random) {
    Matrix matrix = Matrix.allocate(rows, columns);
    for (long i = 0; i < rows; i++) {
      for (long j = 0; j < columns; j++) {
        matrix.set(i, j, random.nextGaussian());
      }
    }
    return matrix;
  }
}
