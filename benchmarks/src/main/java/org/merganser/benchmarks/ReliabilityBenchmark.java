// SPDX-License-Identifier: Apache-2.0
package org.merganser.benchmarks;

import java.util.SplittableRandom;
import java.util.stream.IntStream;
import org.merganser.cka.CkaReliability;
import org.merganser.cka.CkaReliability.Interval;
import org.merganser.cka.ReliabilityReport;
import org.merganser.compute.DType;
import org.merganser.linalg.Matrix;
import org.merganser.linalg.Tensor;
import org.merganser.similarity.LinearCka;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/**
 * The reliability report of two F32 activations of p features: everything in it, ten classes moved,
 * and 999 orders of the samples.
 *
 * <ul>
 *   <li>{@code report}: with the jackknife.
 *   <li>{@code bootstrap}: with 1000 replicates for its intervals instead.
 *   <li>{@code pairwise}: CKA of the activations, one call for each order and each sample that is
 *       left out, of which it makes {@code FEW} of both.
 * </ul>
 *
 * The work is counted as {@code 2 n^2 p} operations, those of two Gram matrices, for each value of
 * CKA that the report has, 999 of orders and n of samples left out, whichever way it is found.
 */
@Warmup(iterations = 1, time = 1)
@Measurement(iterations = 3, time = 1)
public class ReliabilityBenchmark extends KernelBenchmark {
  private static final int CLASSES = 10;
  private static final int ORDERS = 999;
  private static final int FEW = 2;

  @Param({"2000"})
  int n;

  @Param({"1000"})
  int p;

  private Matrix x;
  private Matrix y;
  private int[] classes;

  @Setup
  public void setUp() {
    open();
    SplittableRandom random = new SplittableRandom(1);
    Tensor left = Tensor.allocate(DType.F32, n, p);
    Tensor right = Tensor.allocate(DType.F32, n, p);
    classes = new int[n];
    for (int i = 0; i < n; i++) {
      classes[i] = i % CLASSES;
      for (int j = 0; j < p; j++) {
        // Features fade, so that there are some directions that matter.
        double value =
            (random.nextGaussian() + (j % CLASSES == classes[i] ? 1 : 0)) / (1 + 0.05 * j);
        left.set((long) i * p + j, value + 1);
        right.set((long) i * p + j, value + 0.5 * random.nextGaussian() / (1 + 0.05 * j));
      }
    }
    x = Matrix.of(left);
    y = Matrix.of(right);
    ReliabilityReport found = report();
    if (found.significance().p() > 0.01 || found.points().size() != n) {
      throw new IllegalStateException("not what it is: " + found.toText());
    }
    validate(found);
  }

  @TearDown
  public void tearDown() {
    x.close();
    y.close();
    ws.close();
  }

  @Benchmark
  public ReliabilityReport report() {
    count(ORDERS + n);
    return CkaReliability.of(x, y).labels(classes).permutations(ORDERS).run(ws);
  }

  @Benchmark
  public ReliabilityReport bootstrap() {
    count(ORDERS + n);
    return CkaReliability.of(x, y)
        .labels(classes)
        .permutations(ORDERS)
        .interval(Interval.BOOTSTRAP, 0.95)
        .run(ws);
  }

  @Benchmark
  public double pairwise() {
    count(2 * FEW);
    double sum = 0;
    for (int k = 0; k < FEW; k++) {
      int left = k;
      int[] rest = IntStream.range(0, n).filter(i -> i != left).toArray();
      try (Matrix someX = rows(x, rest);
          Matrix someY = rows(y, rest);
          Matrix ordered = rows(y, order(k))) {
        sum += LinearCka.biased().between(someX, someY, ws).value();
        sum += LinearCka.biased().between(x, ordered, ws).value();
      }
    }
    return sum;
  }

  private void count(int values) {
    Work.flops(2.0 * n * n * p * values);
  }

  private int[] order(long seed) {
    SplittableRandom random = new SplittableRandom(seed);
    int[] order = IntStream.range(0, n).toArray();
    for (int i = n - 1; i > 0; i--) {
      int j = random.nextInt(i + 1);
      int kept = order[i];
      order[i] = order[j];
      order[j] = kept;
    }
    return order;
  }

  private Matrix rows(Matrix a, int[] rows) {
    Tensor picked = Tensor.allocate(a.dtype(), rows.length, a.columns());
    for (int i = 0; i < rows.length; i++) {
      picked.rows(i, i + 1).copyFrom(a.asTensor().rows(rows[i], rows[i] + 1), ws);
    }
    return Matrix.of(picked);
  }

  /** The influence of a sample is what is left without it. */
  private void validate(ReliabilityReport found) {
    int[] rest = IntStream.range(0, n).filter(i -> i != 0).toArray();
    try (Matrix someX = rows(x, rest);
        Matrix someY = rows(y, rest)) {
      double without = LinearCka.biased().between(someX, someY, ws).value();
      double expected = found.biased().value() - found.points().get(0).influence();
      Validation.requireElement("without a sample", 0, without, expected, 1e-9);
    }
  }
}
