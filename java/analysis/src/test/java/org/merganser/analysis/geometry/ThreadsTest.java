// SPDX-License-Identifier: Apache-2.0
package org.merganser.analysis.geometry;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.util.Arrays;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.merganser.analysis.geometry.Phate.Options;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.linalg.Matrix;

/** The same bytes at 1, 2 and 8 threads, of sizes at which work is shared out. */
class ThreadsTest {
  private static final int[] MORE = {2, 8};

  private interface Computation {
    double[][] in(Workspace ws) throws IOException;
  }

  private static void sameBytes(Computation computation) throws IOException {
    double[][] one;
    try (Workspace ws = Workspace.builder().threads(1).open()) {
      one = computation.in(ws);
    }
    for (int threads : MORE) {
      try (Workspace ws = Workspace.builder().threads(threads).open()) {
        assertThat(computation.in(ws)).as(threads + " threads").isDeepEqualTo(one);
      }
    }
  }

  private static double[][] normal(int n, int width, long seed) {
    SplittableRandom random = new SplittableRandom(seed);
    double[][] x = new double[n][width];
    for (double[] row : x) {
      Arrays.setAll(row, k -> random.nextGaussian());
    }
    return x;
  }

  /** Of points along three lines. */
  private static Matrix distances(int n) {
    double[][] x = normal(n, 10, n);
    for (int i = 0; i < n; i++) {
      for (int k = 0; k < 10; k++) {
        x[i][k] = 0.01 * x[i][k] + (k == i % 3 ? i / (double) n : 0);
      }
    }
    double[][] d = new double[n][n];
    for (int i = 0; i < n; i++) {
      for (int j = 0; j < i; j++) {
        d[i][j] = d[j][i] = Stress.distance(x[i], x[j]);
      }
    }
    return Matrix.of(d);
  }

  private static double[][] array(GramMatrix gram) {
    try (GramMatrix closed = gram) {
      return closed.products().toArray();
    }
  }

  @ParameterizedTest
  @EnumSource(
      value = DType.class,
      names = {"F32", "F64"})
  void centredProducts(DType precision) throws IOException {
    try (Matrix x = Matrix.of(normal(150, 30_001, 1))) {
      sameBytes(ws -> array(GramMatrix.centred(SampleRows.of(x), precision, ws)));
    }
  }

  @Test
  void rawProducts() throws IOException {
    double[] origin = normal(1, 30_001, 2)[0];
    try (Matrix x = Matrix.of(normal(150, 30_001, 3))) {
      sameBytes(ws -> array(GramMatrix.raw(SampleRows.of(x), origin, ws)));
    }
  }

  @ParameterizedTest
  @ValueSource(booleans = {true, false})
  void productsOfSamplesThatCameLater(boolean centred) throws IOException {
    double[][] all = normal(150, 30_001, 4);
    try (Matrix few = Matrix.of(Arrays.copyOf(all, 140));
        Matrix x = Matrix.of(all)) {
      SampleRows first = SampleRows.of(few);
      sameBytes(
          ws -> {
            try (GramMatrix before =
                centred ? GramMatrix.centred(first, DType.F64, ws) : GramMatrix.raw(first, ws)) {
              return array(before.append(SampleRows.of(x), ws));
            }
          });
    }
  }

  /** Beyond 300 samples the largest eigenvalues are those of a Lanczos process. */
  @Test
  void components() throws IOException {
    try (Matrix x = Matrix.of(normal(420, 60, 5))) {
      sameBytes(
          ws -> {
            try (GramMatrix gram = GramMatrix.centred(SampleRows.of(x), DType.F64, ws)) {
              return gram.components(3, ws);
            }
          });
    }
  }

  @ParameterizedTest
  @EnumSource(Mds.Solver.class)
  void scaling(Mds.Solver solver) throws IOException {
    try (Matrix d = distances(420)) {
      sameBytes(ws -> Mds.of(d, 3, solver, 1, ws).points());
    }
  }

  private static double[][] all(Phate.Result found) {
    double[] numbers = {found.t(), found.stress(), found.components(), found.landmarks()};
    double[][] all = Arrays.copyOf(found.points(), found.points().length + 2);
    all[all.length - 2] = found.entropy();
    all[all.length - 1] = numbers;
    return all;
  }

  @ParameterizedTest
  @ValueSource(strings = {"landmarks", "singular values", "roots and cosines"})
  void pictures(String which) throws IOException {
    Options options =
        switch (which) {
          case "landmarks" -> Options.defaults().with("landmarks", 310);
          case "singular values" ->
              Options.defaults().with("spectrum", Phate.Spectrum.SINGULAR_VALUES);
          default -> Options.defaults().with("gamma", 0.0).with("metric", Phate.Metric.COSINE);
        };
    try (Matrix d = distances(420)) {
      sameBytes(ws -> all(new Phate(options).fit(d, ws)));
      sameBytes(ws -> new Phate(options).fit(d, ws).potential());
    }
  }

  @Test
  void slicesOverTime() throws IOException {
    double[][][] slices = new double[8][][];
    for (int t = 0; t < 8; t++) {
      slices[t] = normal(45, 20, 6);
      for (double[] row : slices[t]) {
        row[0] += 0.1 * t;
      }
    }
    Options options = Options.defaults().with("gamma", 0.0);
    try (Matrix kernel = SliceKernel.of(slices, 2, 5, 3)) {
      sameBytes(ws -> all(new Phate(options).fitKernel(kernel, ws)));
    }
  }

  @Test
  void projections() throws IOException {
    try (Matrix x = Matrix.of(normal(60, 70_001, 7))) {
      sameBytes(
          ws -> {
            try (Matrix y = new RandomProjection(64, 1).project(SampleRows.of(x), ws)) {
              return y.toArray();
            }
          });
    }
  }
}
