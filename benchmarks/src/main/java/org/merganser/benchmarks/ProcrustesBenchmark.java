// SPDX-License-Identifier: Apache-2.0
package org.merganser.benchmarks;

import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import org.merganser.compute.DType;
import org.merganser.linalg.LinAlg;
import org.merganser.linalg.Matrix;
import org.merganser.linalg.Polar;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.TearDown;

/**
 * The orthogonal factor of a cross-covariance of n features.
 *
 * <ul>
 *   <li>{@code polar}: with singular values; {@code factorOnly} and {@code factorOnlyF32}: without.
 *   <li>{@code gesdd}: the surrogate peer, one decomposition in F32 and the product.
 *   <li>{@code heads} and {@code headsOneByOne}: n/64 factors of 64 x 64, in one call and in many.
 * </ul>
 *
 * The work is counted as 22 n^3 operations a factor, whichever way it is found.
 */
public class ProcrustesBenchmark extends KernelBenchmark {
  private static final int HEAD = 64;

  @Param({"512", "1024", "2048"})
  int n;

  private Correlated inputs;
  private PublishedCca peer;
  private List<Matrix> heads;

  @Setup
  public void setUp() {
    open();
    inputs = Correlated.of(n, 2, ws);
    peer = new PublishedCca(inputs, 0);
    SplittableRandom random = new SplittableRandom(3);
    heads = new ArrayList<>();
    for (int k = 0; k < n / HEAD; k++) {
      heads.add(Correlated.gaussian(HEAD, HEAD, random));
    }
    validate();
  }

  @TearDown
  public void tearDown() {
    peer.close();
    ws.close();
  }

  @Benchmark
  public double polar() {
    return done(Polar.of(inputs.sxy(), ws));
  }

  @Benchmark
  public double factorOnly() {
    return done(Polar.factorOnly(inputs.sxy(), DType.F64, ws));
  }

  @Benchmark
  public double factorOnlyF32() {
    return done(Polar.factorOnly(inputs.sxy(), DType.F32, ws));
  }

  @Benchmark
  public double gesdd() {
    Work.flops(22.0 * n * n * n);
    return peer.procrustes();
  }

  @Benchmark
  public double heads() {
    Work.flops(heads.size() * 22.0 * HEAD * HEAD * HEAD);
    List<Polar> factors = Polar.ofEach(heads, false, ws);
    factors.forEach(Polar::close);
    return factors.get(0).sum();
  }

  @Benchmark
  public double headsOneByOne() {
    Work.flops(heads.size() * 22.0 * HEAD * HEAD * HEAD);
    double sum = 0;
    for (Matrix each : heads) {
      try (Polar polar = Polar.of(each, ws)) {
        sum += polar.sum();
      }
    }
    return sum;
  }

  private double done(Polar polar) {
    Work.flops(22.0 * n * n * n);
    polar.close();
    return polar.sum();
  }

  /** Orthogonality, and that all ways find the same factor. */
  private void validate() {
    peer.procrustes();
    try (Polar full = Polar.of(inputs.sxy(), ws);
        Matrix product = LinAlg.transposeMultiply(full.factor(), full.factor(), ws);
        Matrix found = peer.factor()) {
      Validation.require("Q^T Q", LinAlg.distanceToIdentity(product, ws), 1e-12);
      Validation.require("gesdd in F32", Correlated.distance(found, full.factor()), 2e-2);
      for (DType precision : List.of(DType.F64, DType.F32)) {
        double allowed = precision == DType.F64 ? 1e-9 : 2e-2;
        try (Polar only = Polar.factorOnly(inputs.sxy(), precision, ws)) {
          Validation.require(
              "factor, " + precision, Correlated.distance(only.factor(), full.factor()), allowed);
          Validation.require(
              "nuclear norm, " + precision, Math.abs(only.sum() / full.sum() - 1), allowed);
        }
      }
    }
    List<Polar> each = Polar.ofEach(heads, false, ws);
    for (int k = 0; k < heads.size(); k++) {
      try (Polar one = Polar.of(heads.get(k), ws);
          Polar other = each.get(k)) {
        Validation.require("head " + k, Correlated.distance(other.factor(), one.factor()), 1e-12);
      }
    }
  }
}
