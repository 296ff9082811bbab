// SPDX-License-Identifier: Apache-2.0
package org.merganser.benchmarks;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.Stream;
import org.merganser.analysis.topology.Diagram;
import org.merganser.analysis.topology.Diagram.Point;
import org.merganser.analysis.topology.DiagramMetrics;
import org.merganser.analysis.topology.Rips;
import org.merganser.internal.Seeds;
import org.merganser.internal.kernel.Block;
import org.merganser.linalg.Matrix;
import org.merganser.linalg.Tensor;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;

/**
 * Persistent homology and distances of diagrams. {@code rips}: the diagrams of F32 distances that
 * are there; whole processes, ours and ripser, take turns in {@code benchmarks/peers/topology.py}.
 * {@code read}: one scan of the distances, the limit that nothing passes. The work of both is
 * counted as that read.
 *
 * <p>Before anything is timed the same points in reverse must give the same diagrams.
 */
public class TopologyBenchmark extends KernelBenchmark {
  /** Points, what they lie on, and the last degree. */
  @Param({"cube-500-1", "cube-1000-1", "cube-2000-1", "sphere-192-2"})
  String input;

  private Matrix distances;
  private Rips.Options options;

  /** Two diagrams of 500 points each. */
  @State(Scope.Benchmark)
  public static class Diagrams {
    private Diagram a;
    private Diagram b;

    @Setup
    public void setUp() {
      SplittableRandom random = Seeds.stream(7, "diagrams");
      a = diagram(random);
      b = diagram(random);
    }

    private static Diagram diagram(SplittableRandom random) {
      return new Diagram(1, Stream.generate(() -> point(random)).limit(500).toList());
    }

    private static Point point(SplittableRandom random) {
      double birth = random.nextDouble();
      return new Point(birth, birth + 0.2 * random.nextDouble());
    }
  }

  @Setup
  public void setUp() {
    open();
    String[] parts = input.split("-");
    options = Rips.Options.defaults().withMaxDegree(Integer.parseInt(parts[2]));
    double[][] points = points(Integer.parseInt(parts[1]), parts[0].equals("sphere"));
    distances = distances(points);
    List<double[]> reversed = new ArrayList<>(List.of(points));
    Collections.reverse(reversed);
    try (Matrix same = distances(reversed.toArray(double[][]::new))) {
      boolean equal = Rips.of(same, options, ws).equals(Rips.of(distances, options, ws));
      Validation.require("the diagrams of the reversed points", equal ? 0 : 1, 0);
    }
  }

  static double[][] points(int n, boolean sphere) {
    SplittableRandom random = Seeds.stream(1, "points");
    double[][] points = new double[n][3];
    for (double[] point : points) {
      double norm = 0;
      for (int k = 0; k < 3; k++) {
        point[k] = sphere ? random.nextGaussian() : random.nextDouble();
        norm += point[k] * point[k];
      }
      for (int k = 0; k < 3 && sphere; k++) {
        point[k] /= Math.sqrt(norm);
      }
    }
    return points;
  }

  static Matrix distances(double[][] points) {
    int n = points.length;
    float[] d = new float[n * n];
    for (int i = 0; i < n; i++) {
      for (int j = 0; j < n; j++) {
        double squared = 0;
        for (int k = 0; k < 3; k++) {
          squared += (points[i][k] - points[j][k]) * (points[i][k] - points[j][k]);
        }
        d[i * n + j] = (float) Math.sqrt(squared);
      }
    }
    return Matrix.of(Tensor.of(d, n, n));
  }

  @TearDown
  public void tearDown() {
    distances.close();
    ws.close();
  }

  @Benchmark
  public Rips.Barcode rips() {
    Work.bytes(4.0 * distances.rows() * distances.rows());
    return Rips.of(distances, options, ws);
  }

  @Benchmark
  public long[] read() {
    long n = distances.rows();
    Work.bytes(4.0 * n * n);
    return kernels
        .tensors()
        .nonFinite(distances.dtype().code(), n * n, Block.of(distances.asTensor()));
  }

  @Benchmark
  public double wasserstein(Diagrams of) {
    return DiagramMetrics.wasserstein(of.a, of.b, 2, ws);
  }

  @Benchmark
  public double bottleneck(Diagrams of) {
    return DiagramMetrics.bottleneck(of.a, of.b);
  }
}
