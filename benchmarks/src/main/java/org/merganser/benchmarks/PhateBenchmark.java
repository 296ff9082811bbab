// SPDX-License-Identifier: Apache-2.0
package org.merganser.benchmarks;

import java.util.SplittableRandom;
import org.merganser.analysis.geometry.Mds;
import org.merganser.analysis.geometry.Phate;
import org.merganser.internal.Seeds;
import org.merganser.linalg.Matrix;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.TearDown;

/**
 * PHATE of distances of n points on a branching tree in 30 dimensions, t at the knee, {@code fit},
 * against its steps one after the other, {@code plain}, which scales by SMACOF and is told t. Both
 * are counted as {@code n^3} operations. Whole processes take turns with numpy in {@code
 * benchmarks/peers/phate.py --time}.
 *
 * <p>Before anything is timed the distances in both pictures must correlate. Descent by pairs may
 * end in another minimum instead, whose stress is at most 5 % greater: of large trees the plane
 * shows little.
 */
public class PhateBenchmark extends KernelBenchmark {
  private static final int BRANCHES = 5;
  private static final int WIDTH = 30;
  private static final double STRESS = 1.05;

  @Param({"640", "2000"})
  int n;

  @Param({"SGD", "SMACOF"})
  Mds.Solver solver;

  private double[][] far;
  private Matrix distances;
  private Phate phate;
  private int t;

  @Setup
  public void setUp() {
    open();
    far = PlainPhate.between(tree());
    distances = Matrix.of(far);
    phate = new Phate(Phate.Options.defaults().with("solver", solver));
    Phate.Result found = phate.fit(distances, ws);
    t = found.t();
    double[][] a = PlainPhate.between(found.points());
    PlainPhate.Found plain = PlainPhate.of(far, t, ws);
    if (solver != Mds.Solver.SGD || found.stress() > STRESS * plain.stress()) {
      double[][] b = PlainPhate.between(plain.points());
      Validation.require("correlation of distances", 1 - correlation(a, b), 0.01);
    }
  }

  private double[][] tree() {
    SplittableRandom random = Seeds.stream(1, "tree");
    int each = n / BRANCHES;
    double[][] x = new double[n][WIDTH];
    double[] step = new double[WIDTH];
    for (int i = 0; i < n; i++) {
      if (i % each == 0) {
        for (int k = 0; k < WIDTH; k++) {
          step[k] = random.nextGaussian() / Math.sqrt(WIDTH);
        }
      }
      // Branches begin in the middle of the one before.
      int start = i / each == 0 ? -1 : (i / each - 1) * each + each / 2;
      for (int k = 0; k < WIDTH; k++) {
        double root = start < 0 ? 0 : x[start][k];
        x[i][k] = root + step[k] * (i % each + 1.0) * 2 / each + 0.01 * random.nextGaussian();
      }
    }
    return x;
  }

  private static double correlation(double[][] a, double[][] b) {
    int n = a.length;
    double[] sums = new double[5];
    for (int i = 0; i < n; i++) {
      for (int j = 0; j < i; j++) {
        sums[0] += a[i][j];
        sums[1] += b[i][j];
        sums[2] += a[i][j] * a[i][j];
        sums[3] += b[i][j] * b[i][j];
        sums[4] += a[i][j] * b[i][j];
      }
    }
    double pairs = n * (n - 1) / 2.0;
    double aa = sums[2] - sums[0] * sums[0] / pairs;
    double bb = sums[3] - sums[1] * sums[1] / pairs;
    return (sums[4] - sums[0] * sums[1] / pairs) / Math.sqrt(aa * bb);
  }

  @TearDown
  public void tearDown() {
    distances.close();
    ws.close();
  }

  @Benchmark
  public Phate.Result fit() {
    Work.flops((double) n * n * n);
    return phate.fit(distances, ws);
  }

  @Benchmark
  public double[][] plain() {
    Work.flops((double) n * n * n);
    return PlainPhate.of(far, t, ws).points();
  }
}
