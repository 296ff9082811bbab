// SPDX-License-Identifier: Apache-2.0
package org.merganser.benchmarks;

import java.util.SplittableRandom;
import org.merganser.cka.CkaReliability;
import org.merganser.cka.CkaReliability.Interval;
import org.merganser.cka.ReliabilityReport;
import org.merganser.compute.DType;
import org.merganser.linalg.Matrix;
import org.merganser.linalg.Tensor;
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
 * </ul>
 */
@Warmup(iterations = 1, time = 1)
@Measurement(iterations = 3, time = 1)
public class ReliabilityBenchmark extends KernelBenchmark {
  private static final int CLASSES = 10;

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
  }

  @TearDown
  public void tearDown() {
    x.close();
    y.close();
    ws.close();
  }

  @Benchmark
  public ReliabilityReport report() {
    return CkaReliability.of(x, y).labels(classes).permutations(999).run(ws);
  }

  @Benchmark
  public ReliabilityReport bootstrap() {
    return CkaReliability.of(x, y)
        .labels(classes)
        .permutations(999)
        .interval(Interval.BOOTSTRAP, 0.95)
        .run(ws);
  }
}
