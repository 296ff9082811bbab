// SPDX-License-Identifier: Apache-2.0
package org.merganser.benchmarks;

import java.util.SplittableRandom;
import org.merganser.compute.DType;
import org.merganser.linalg.LinAlg;
import org.merganser.linalg.Matrix;
import org.merganser.linalg.Tensor;
import org.merganser.similarity.LinearCka;
import org.merganser.similarity.SimilarityMeasure;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.TearDown;

/**
 * Linear CKA of two activations [n x p], with an offset: more samples than features, through
 * products of features, and the other way round, through Gram matrices.
 *
 * <ul>
 *   <li>{@code biased}, {@code debiased}: the measures.
 *   <li>{@code plain}: the biased one as users write it, by our products of F64: centred columns,
 *       then {@code X^T Y}, {@code X^T X}, {@code Y^T Y}; or Gram matrices, centred by products
 *       with {@code H}, and the trace of products of these.
 * </ul>
 *
 * The work is counted as {@code n (p + q)^2} operations through features and {@code n^2 (p + q)}
 * through Gram matrices, as symmetric products have, whichever way it is done.
 */
public class CkaBenchmark extends KernelBenchmark {
  @Param({"10000x512", "512x16384"})
  String shape;

  @Param({"F32", "F64"})
  DType dtype;

  private int n;
  private int p;
  private Matrix x;
  private Matrix y;

  @Setup
  public void setUp() {
    open();
    n = Integer.parseInt(shape.substring(0, shape.indexOf('x')));
    p = Integer.parseInt(shape.substring(shape.indexOf('x') + 1));
    SplittableRandom random = new SplittableRandom(1);
    float[] common = RandomLayers.uniform(n * p, random);
    x = activations(common, random);
    y = activations(common, random);
    Validation.requireElement(
        "linear CKA", 0, biased(), plain(), dtype == DType.F64 ? 1e-12 : 1e-5);
  }

  private Matrix activations(float[] common, SplittableRandom random) {
    float[] values = RandomLayers.uniform(n * p, random);
    for (int e = 0; e < values.length; e++) {
      values[e] += common[e] + 3;
    }
    Tensor narrow = Tensor.of(values, n, p);
    if (dtype == DType.F32) {
      return Matrix.of(narrow);
    }
    try (narrow) {
      return Matrix.of(narrow.to(dtype, ws));
    }
  }

  @TearDown
  public void tearDown() {
    x.close();
    y.close();
    ws.close();
  }

  @Benchmark
  public double biased() {
    return value(LinearCka.biased());
  }

  @Benchmark
  public double debiased() {
    return value(LinearCka.debiased());
  }

  private double value(SimilarityMeasure measure) {
    count();
    return measure.between(x, y, ws).value();
  }

  private boolean features() {
    return n >= 2 * p;
  }

  private void count() {
    Work.flops(features() ? 4.0 * n * p * p : 2.0 * n * n * p);
  }

  @Benchmark
  public double plain() {
    count();
    try (Matrix left = wide(x);
        Matrix right = wide(y)) {
      return features() ? byFeatures(left, right) : byGrams(left, right);
    }
  }

  private Matrix wide(Matrix a) {
    return dtype == DType.F64 ? a.copy() : Matrix.of(a.asTensor().to(DType.F64, ws));
  }

  private double byFeatures(Matrix left, Matrix right) {
    try (Matrix u = centred(left);
        Matrix w = centred(right);
        Matrix uw = LinAlg.transposeMultiply(u, w, ws);
        Matrix uu = LinAlg.transposeMultiply(u, u, ws);
        Matrix ww = LinAlg.transposeMultiply(w, w, ws)) {
      return inner(uw, uw) / Math.sqrt(inner(uu, uu) * inner(ww, ww));
    }
  }

  /** {@code A - 1 (A^T 1 / n)^T}. */
  private Matrix centred(Matrix a) {
    try (Matrix ones = Matrix.allocate(n, 1)) {
      for (int i = 0; i < n; i++) {
        ones.set(i, 0, 1);
      }
      try (Matrix sums = LinAlg.transposeMultiply(a, ones, ws)) {
        Matrix centred = a.copy();
        LinAlg.addProduct(-1.0 / n, ones, sums, centred, ws);
        return centred;
      }
    }
  }

  private double byGrams(Matrix left, Matrix right) {
    try (Matrix h = centring();
        Matrix k = LinAlg.multiplyTransposed(left, left, ws);
        Matrix l = LinAlg.multiplyTransposed(right, right, ws);
        Matrix kh = LinAlg.multiply(k, h, ws);
        Matrix lh = LinAlg.multiply(l, h, ws)) {
      return trace(kh, lh) / Math.sqrt(trace(kh, kh) * trace(lh, lh));
    }
  }

  private Matrix centring() {
    Matrix h = Matrix.identity(n);
    for (int i = 0; i < n; i++) {
      for (int j = 0; j < n; j++) {
        h.set(i, j, h.get(i, j) - 1.0 / n);
      }
    }
    return h;
  }

  private double trace(Matrix a, Matrix b) {
    try (Matrix product = LinAlg.multiply(a, b, ws)) {
      return product.trace();
    }
  }

  private double inner(Matrix a, Matrix b) {
    double sum = 0;
    for (double each : LinAlg.rowProducts(a, b, ws)) {
      sum += each;
    }
    return sum;
  }
}
