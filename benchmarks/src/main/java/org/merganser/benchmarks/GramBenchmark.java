// SPDX-License-Identifier: Apache-2.0
package org.merganser.benchmarks;

import java.util.Arrays;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import org.merganser.compute.DType;
import org.merganser.internal.kernel.Block;
import org.merganser.linalg.Gram;
import org.merganser.linalg.Gram.MedianRule;
import org.merganser.linalg.LinAlg;
import org.merganser.linalg.Matrix;
import org.merganser.linalg.Tensor;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.TearDown;

/**
 * Gram matrices of n samples with p features, F32, and passes over them.
 *
 * <ul>
 *   <li>{@code linear} and {@code linearF32}: centred products; counted as {@code n^2 p}
 *       operations, as a symmetric product has. {@code gemm}: the whole product in F64 of what is
 *       centred, as a peer would form it, by the same count.
 *   <li>{@code uCentre}: in place, counted as two reads and a write. {@code limit}: as much read
 *       and written.
 *   <li>{@code rbf}: squared distances, their median by selection, and the exponential. {@code
 *       rbfSort}: with a median by a full sort.
 *   <li>{@code permutations}: 64 of the sums of a permutation test, counted as two operations an
 *       element of half a matrix. {@code permutationsPlain}: the same by loops over two indices.
 * </ul>
 */
public class GramBenchmark extends KernelBenchmark {
  private static final int COUNT = 64;

  @Param("2048")
  int n;

  @Param("1024")
  int p;

  private Matrix x;
  private Matrix centred;
  private Matrix k;
  private Matrix other;
  private Matrix scratch;
  private int[] permutations;

  @Setup
  public void setUp() {
    open();
    float[] values = RandomLayers.uniform(n * p, new SplittableRandom(1));
    for (int e = 0; e < values.length; e++) {
      values[e] += 3;
    }
    x = Matrix.of(Tensor.of(values, n, p));
    centred = Gram.centredColumns(x, ws);
    k = Gram.linear(x, ws);
    other = Gram.squaredDistances(x, ws);
    scratch = k.copy();
    SplittableRandom random = new SplittableRandom(2);
    permutations = new int[COUNT * n];
    for (int b = 0; b < COUNT; b++) {
      int[] order = IntStream.range(0, n).toArray();
      for (int i = n - 1; i > 0; i--) {
        int j = random.nextInt(i + 1);
        int swapped = order[i];
        order[i] = order[j];
        order[j] = swapped;
      }
      System.arraycopy(order, 0, permutations, b * n, n);
    }
    validate();
  }

  @TearDown
  public void tearDown() {
    for (Matrix each : new Matrix[] {x, centred, k, other, scratch}) {
      each.close();
    }
    ws.close();
  }

  @Benchmark
  public void linear() {
    Work.flops((double) n * n * p);
    Gram.linear(x, ws).close();
  }

  @Benchmark
  public void linearF32() {
    Work.flops((double) n * n * p);
    Gram.linear(x, DType.F32, ws).close();
  }

  @Benchmark
  public void gemm() {
    Work.flops((double) n * n * p);
    try (Matrix z = Gram.centredColumns(x, ws)) {
      LinAlg.multiplyTransposed(z, z, ws).close();
    }
  }

  @Benchmark
  public void uCentre() {
    Work.bytes(24.0 * n * n);
    Gram.uCentre(k, ws);
  }

  @Benchmark
  public double limit() {
    Work.bytes(24.0 * n * n);
    double[] sums = kernels.merge().dotProducts(DType.F64.code(), (long) n * n, block(k), block(k));
    kernels.merge().bandwidth(8L * n * n, new Block[] {block(k)}, new Block[] {block(scratch)});
    return sums[0];
  }

  private static Block block(Matrix matrix) {
    return Block.of(matrix.asTensor());
  }

  @Benchmark
  public double rbf() {
    Work.flops((double) n * n * p);
    try (Matrix d = Gram.squaredDistances(x, ws)) {
      double median = Gram.medianSquaredDistance(d, MedianRule.OFF_DIAGONAL, ws).value();
      Gram.rbf(d, 1 / (2 * median), ws);
      return median;
    }
  }

  @Benchmark
  public double rbfSort() {
    Work.flops((double) n * n * p);
    try (Matrix d = Gram.squaredDistances(x, ws)) {
      double median = sortedMedian(d);
      for (long e = 0; e < (long) n * n; e++) {
        d.asTensor().set(e, Math.exp(-d.asTensor().get(e) / (2 * median)));
      }
      return median;
    }
  }

  private double sortedMedian(Matrix d) {
    double[] above = new double[n * (n - 1) / 2];
    int at = 0;
    for (int i = 0; i < n; i++) {
      for (int j = i + 1; j < n; j++) {
        above[at++] = d.get(i, j);
      }
    }
    Arrays.sort(above);
    return (above[(at - 1) / 2] + above[at / 2]) / 2;
  }

  @Benchmark
  public double permutations() {
    Work.flops((double) COUNT * n * n);
    return Gram.permutedProducts(k, other, permutations, ws)[COUNT - 1];
  }

  @Benchmark
  public double permutationsPlain() {
    Work.flops((double) COUNT * n * n);
    double last = 0;
    for (int b = 0; b < COUNT; b++) {
      last = plain(b);
    }
    return last;
  }

  private double plain(int b) {
    double[] left = k.asTensor().toDoubleArray();
    double[] right = other.asTensor().toDoubleArray();
    double sum = 0;
    for (int i = 0; i < n; i++) {
      int row = permutations[b * n + i] * n;
      for (int j = 0; j < n; j++) {
        sum += left[i * n + j] * right[row + permutations[b * n + j]];
      }
    }
    return sum;
  }

  /** All ways find the same. */
  private void validate() {
    try (Matrix product = LinAlg.multiplyTransposed(centred, centred, ws);
        Matrix narrow = Gram.linear(x, DType.F32, ws)) {
      Validation.require("products", Correlated.distance(k, product), 1e-10);
      Validation.require("products in F32", Correlated.distance(narrow, product), 1e-5);
    }
    Validation.requireElement("median", 0, rbf(), sortedMedian(other), 0);
    double expected = plain(COUNT - 1);
    Validation.require("permuted products", Math.abs(permutations() / expected - 1), 1e-10);
  }
}
