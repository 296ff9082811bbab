// SPDX-License-Identifier: Apache-2.0
package org.merganser.benchmarks;

import java.util.List;
import org.merganser.analysis.topology.Diagram;
import org.merganser.analysis.topology.DiagramMetrics;
import org.merganser.analysis.topology.Rips;
import org.merganser.linalg.Matrix;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.TearDown;

/**
 * Components and loops of n points in a cube: {@code rips} against {@code plain}, the reduction of
 * all boundaries in Java. Both are counted as one read of the distances. {@link TopologyBenchmark}
 * has inputs that are too large for that.
 *
 * <p>Before anything is timed both must give the same diagrams.
 */
public class RipsBenchmark extends KernelBenchmark {
  @Param({"64", "128"})
  int n;

  private Matrix distances;
  private float[][] plain;

  @Setup
  public void setUp() {
    open();
    distances = TopologyBenchmark.distances(TopologyBenchmark.points(n, false));
    plain = new float[n][n];
    for (int i = 0; i < n; i++) {
      for (int j = 0; j < n; j++) {
        plain[i][j] = (float) distances.get(i, j);
      }
    }
    List<Diagram> found = rips().diagrams();
    List<Diagram> wanted = plain();
    for (int degree = 0; degree < 2; degree++) {
      double apart = DiagramMetrics.bottleneck(found.get(degree), wanted.get(degree));
      Validation.require("distance of the diagrams of degree " + degree, apart, 0);
    }
  }

  @TearDown
  public void tearDown() {
    distances.close();
    ws.close();
  }

  @Benchmark
  public Rips.Barcode rips() {
    Work.bytes(4.0 * n * n);
    return Rips.of(distances, Rips.Options.defaults(), ws);
  }

  @Benchmark
  public List<Diagram> plain() {
    Work.bytes(4.0 * n * n);
    return PlainRips.of(plain);
  }
}
