// SPDX-License-Identifier: Apache-2.0
package org.merganser.benchmarks;

import java.util.Arrays;
import java.util.SplittableRandom;
import org.merganser.analysis.recurrent.FixedPoint;
import org.merganser.analysis.recurrent.FixedPoints;
import org.merganser.analysis.recurrent.LyapunovSpectrum;
import org.merganser.analysis.recurrent.Nonlinearity;
import org.merganser.analysis.recurrent.RecurrentMap;
import org.merganser.linalg.Matrix;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/**
 * The map {@code h <- tanh(V h)} of {@code n} units with normal weights of variance {@code gain^2 /
 * n}.
 *
 * <ul>
 *   <li>{@code fixedPoints}: from 1000 states, with the eigenvalues of what is found. A gain of 1.2
 *       has a few fixed points, one of 1.9 is chaotic, and most starts end nowhere.
 *   <li>{@code lyapunov}: 20 exponents, 500 steps of burn-in and 2000 that count; {@code
 *       lyapunovAll}: all of them, 50 and 100 steps. Work is counted as {@code 2 n^2 k + 4 n k^2}
 *       operations a step.
 * </ul>
 */
@Warmup(iterations = 1, time = 1)
@Measurement(iterations = 3, time = 1)
public class RecurrentBenchmark extends KernelBenchmark {
  private static final int STARTS = 1000;

  @Param({"200"})
  int n;

  @Param({"1.2", "1.9"})
  double gain;

  private RecurrentMap map;
  private double[][] starts;

  @Setup
  public void setUp() {
    open();
    SplittableRandom random = new SplittableRandom(1);
    try (Matrix weights = Matrix.allocate(n, n)) {
      for (int i = 0; i < n; i++) {
        for (int j = 0; j < n; j++) {
          weights.set(i, j, gain / Math.sqrt(n) * random.nextGaussian());
        }
      }
      map = RecurrentMap.of(weights, Nonlinearity.tanh());
    }
    starts = new double[STARTS][n];
    for (double[] start : starts) {
      Arrays.setAll(start, i -> random.nextGaussian() / 2);
    }
    validate();
  }

  @TearDown
  public void tearDown() {
    ws.close();
  }

  @Benchmark
  public int fixedPoints() {
    return FixedPoints.find(map, starts, FixedPoints.Options.defaults(), ws).points().size();
  }

  @Benchmark
  public double lyapunov() {
    return exponents(new LyapunovSpectrum.Options(20, 500, 2000, 1))[0];
  }

  @Benchmark
  public double lyapunovAll() {
    return exponents(new LyapunovSpectrum.Options(n, 50, 100, 1))[0];
  }

  private double[] exponents(LyapunovSpectrum.Options options) {
    double k = options.exponents();
    Work.flops((options.burnIn() + options.steps()) * (2 * k * n * n + 4 * k * k * n));
    return LyapunovSpectrum.of(map, starts[0], options, ws).exponents();
  }

  /** That points stand still, and that the origin is one. */
  private void validate() {
    double[][] few = Arrays.copyOf(starts, 4);
    few[3] = new double[n];
    FixedPoints found = FixedPoints.find(map, few, FixedPoints.Options.defaults(), ws);
    for (FixedPoint point : found.fixed()) {
      double[] state = point.state();
      double[] next = map.apply(state);
      for (int i = 0; i < n; i++) {
        Validation.requireElement("fixed point", i, next[i], state[i], 2e-6);
      }
    }
    double nearest = found.fixed().stream().mapToDouble(FixedPoint::norm).min().orElse(1);
    Validation.require("the origin", nearest, 1e-9);
  }
}
