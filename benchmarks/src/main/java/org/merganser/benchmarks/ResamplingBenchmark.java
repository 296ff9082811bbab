// SPDX-License-Identifier: Apache-2.0
package org.merganser.benchmarks;

import java.util.SplittableRandom;
import java.util.stream.IntStream;
import org.merganser.cka.ReportParts;
import org.merganser.linalg.Gram;
import org.merganser.linalg.LinAlg;
import org.merganser.linalg.Matrix;
import org.merganser.linalg.Tensor;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.TearDown;

/**
 * CKA without each sample, and of resampled samples, from two Grams of n samples.
 *
 * <ul>
 *   <li>{@code leaveOneOut}: all samples at once. Counted as one read of K and L and one more of
 *       each of them.
 *   <li>{@code bootstrap}: {@code replicates} at once; counted as five products n x n x replicates.
 *   <li>{@code leaveOneOutPlain}, {@code bootstrapPlain}: Grams of what is left, or was drawn,
 *       centred anew, for {@code FEW} of them; counted as their part of the work of all.
 * </ul>
 */
public class ResamplingBenchmark extends KernelBenchmark {
  private static final int FEW = 4;

  @Param({"2048", "4096"})
  int n;

  @Param("1000")
  int replicates;

  private Matrix k;
  private Matrix l;
  private ReportParts parts;
  private double[][] counts;

  @Setup
  public void setUp() {
    open();
    SplittableRandom random = new SplittableRandom(1);
    int p = 64;
    float[] common = RandomLayers.uniform(n * p, random);
    k = gram(common, p, random);
    l = gram(common, p, random);
    parts = new ReportParts(k, l, ws);
    counts = new double[replicates][n];
    for (double[] each : counts) {
      for (int i = 0; i < n; i++) {
        each[random.nextInt(n)]++;
      }
    }
    double[] without = parts.leaveOneOut();
    double[] drawn = parts.bootstrap(counts);
    for (int i = 0; i < FEW; i++) {
      Validation.requireElement("leave-one-out", i, without[i], value(without(i)), 1e-10);
      Validation.requireElement("bootstrap", i, drawn[i], value(drawn(i)), 1e-10);
    }
  }

  private Matrix gram(float[] common, int p, SplittableRandom random) {
    float[] values = RandomLayers.uniform(n * p, random);
    for (int e = 0; e < values.length; e++) {
      values[e] += common[e];
    }
    try (Tensor x = Tensor.of(values, n, p)) {
      return Gram.linear(Matrix.of(x), ws);
    }
  }

  @TearDown
  public void tearDown() {
    k.close();
    l.close();
    ws.close();
  }

  @Benchmark
  public double[] leaveOneOut() {
    Work.bytes(32.0 * n * n);
    return parts.leaveOneOut();
  }

  @Benchmark
  public double leaveOneOutPlain() {
    Work.bytes(32.0 * n * n * FEW / n);
    double sum = 0;
    for (int i = 0; i < FEW; i++) {
      sum += value(without(i));
    }
    return sum;
  }

  @Benchmark
  public double[] bootstrap() {
    Work.flops(10.0 * n * n * replicates);
    return parts.bootstrap(counts);
  }

  @Benchmark
  public double bootstrapPlain() {
    Work.flops(10.0 * n * n * FEW);
    double sum = 0;
    for (int r = 0; r < FEW; r++) {
      sum += value(drawn(r));
    }
    return sum;
  }

  private int[] without(int i) {
    return IntStream.range(0, n).filter(j -> j != i).toArray();
  }

  private int[] drawn(int r) {
    return IntStream.range(0, n)
        .flatMap(i -> IntStream.range(0, (int) counts[r][i]).map(c -> i))
        .toArray();
  }

  private double value(int[] rows) {
    try (Matrix left = picked(k, rows);
        Matrix right = picked(l, rows)) {
      Gram.centre(left, ws);
      Gram.centre(right, ws);
      return inner(left, right) / Math.sqrt(inner(left, left) * inner(right, right));
    }
  }

  private static Matrix picked(Matrix gram, int[] rows) {
    double[] values = new double[rows.length * rows.length];
    for (int i = 0; i < rows.length; i++) {
      double[] row = gram.row(rows[i]);
      for (int j = 0; j < rows.length; j++) {
        values[i * rows.length + j] = row[rows[j]];
      }
    }
    return Matrix.of(Tensor.of(values, rows.length, rows.length));
  }

  private double inner(Matrix a, Matrix b) {
    double sum = 0;
    for (double each : LinAlg.rowProducts(a, b, ws)) {
      sum += each;
    }
    return sum;
  }
}
