// SPDX-License-Identifier: Apache-2.0
package org.merganser.benchmarks;

import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.TimeUnit;
import org.bytedeco.openblas.presets.openblas_nolapack;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.linalg.LinAlg;
import org.merganser.linalg.Matrix;
import org.merganser.linalg.Polar;
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
 * The orthogonal factor of a cross-covariance of n features.
 *
 * <ul>
 *   <li>{@code polar}: with singular values; {@code factorOnly} and {@code factorOnlyF32}: without.
 *   <li>{@code gesdd}: the surrogate peer, one decomposition in F32 and the product.
 *   <li>{@code heads} and {@code headsOneByOne}: n/64 factors of 64 x 64, in one call and in many.
 *   <li>{@code gemm} and {@code gemmF32}: one product of n x n matrices.
 * </ul>
 *
 * {@code gflop} per second counts 2 n^3 for the products and nominally 22 n^3 for a factor.
 */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MILLISECONDS)
@Fork(value = 1)
@Warmup(iterations = 2, time = 1)
@Measurement(iterations = 5, time = 1)
public class ProcrustesBenchmark {
  private static final int HEAD = 64;

  @Param({"512", "1024", "2048"})
  int n;

  @Param({"1"})
  int threads;

  private Workspace ws;
  private Correlated inputs;
  private PublishedCca peer;
  private List<Matrix> heads;

  @Setup
  public void setUp() {
    ws = Workspace.builder().threads(threads).open();
    inputs = Correlated.of(n, 2, ws);
    peer = new PublishedCca(inputs, 0);
    SplittableRandom random = new SplittableRandom(3);
    heads = new ArrayList<>();
    for (int k = 0; k < n / HEAD; k++) {
      heads.add(Correlated.gaussian(HEAD, HEAD, random));
    }
    openblas_nolapack.blas_set_num_threads(threads);
    validate();
  }

  @TearDown
  public void tearDown() {
    peer.close();
    ws.close();
  }

  @Benchmark
  public double polar(Work work) {
    return done(work, Polar.of(inputs.sxy(), ws));
  }

  @Benchmark
  public double factorOnly(Work work) {
    return done(work, Polar.factorOnly(inputs.sxy(), DType.F64, ws));
  }

  @Benchmark
  public double factorOnlyF32(Work work) {
    return done(work, Polar.factorOnly(inputs.sxy(), DType.F32, ws));
  }

  @Benchmark
  public double gesdd(Work work) {
    work.gflop += 22e-9 * n * n * n;
    return peer.procrustes();
  }

  @Benchmark
  public double heads(Work work) {
    work.gflop += heads.size() * 22e-9 * HEAD * HEAD * HEAD;
    return Polar.ofEach(heads, false, ws).get(0).sum();
  }

  @Benchmark
  public double headsOneByOne(Work work) {
    work.gflop += heads.size() * 22e-9 * HEAD * HEAD * HEAD;
    double sum = 0;
    for (Matrix each : heads) {
      Polar polar = Polar.of(each, ws);
      sum += polar.sum();
      polar.factor().close();
    }
    return sum;
  }

  @Benchmark
  public double gemm(Work work) {
    work.gflop += 2e-9 * n * n * n;
    try (Matrix c = LinAlg.multiply(inputs.sxx(), inputs.syy(), ws)) {
      return c.get(0, 0);
    }
  }

  @Benchmark
  public double gemmF32(Work work) {
    work.gflop += 2e-9 * n * n * n;
    return peer.gemm();
  }

  private double done(Work work, Polar polar) {
    work.gflop += 22e-9 * n * n * n;
    polar.factor().close();
    return polar.sum();
  }

  /** Orthogonality, and that all ways find the same factor. */
  private void validate() {
    Polar full = Polar.of(inputs.sxy(), ws);
    peer.procrustes();
    try (Matrix product = LinAlg.transposeMultiply(full.factor(), full.factor(), ws);
        Matrix found = peer.factor()) {
      require("Q^T Q", LinAlg.distanceToIdentity(product), 1e-12);
      require("gesdd in F32", Correlated.distance(found, full.factor()), 2e-2);
    }
    for (DType precision : List.of(DType.F64, DType.F32)) {
      double allowed = precision == DType.F64 ? 1e-9 : 2e-2;
      Polar only = Polar.factorOnly(inputs.sxy(), precision, ws);
      require("factor, " + precision, Correlated.distance(only.factor(), full.factor()), allowed);
      require("nuclear norm, " + precision, Math.abs(only.sum() / full.sum() - 1), allowed);
      only.factor().close();
    }
    List<Polar> each = Polar.ofEach(heads, false, ws);
    for (int k = 0; k < heads.size(); k++) {
      Polar one = Polar.of(heads.get(k), ws);
      require("head " + k, Correlated.distance(each.get(k).factor(), one.factor()), 1e-12);
    }
  }

  private static void require(String what, double error, double tolerance) {
    if (!(error <= tolerance)) {
      throw new IllegalStateException(what + " is off by " + error + ", allowed " + tolerance);
    }
  }
}
