// SPDX-License-Identifier: Apache-2.0
package org.merganser.analysis.geometry;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.io.IOException;
import java.util.Arrays;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.error.NumericalException;
import org.merganser.error.ShapeException;
import org.merganser.linalg.Matrix;

/** Products of samples that come later, against those of all at once. */
class GramAppendTest {
  private static final Workspace WS = Workspace.builder().threads(2).open();
  private static final int N = 20;

  /** More than a block of columns. */
  private static final int WIDTH = 130_003;

  @AfterAll
  static void close() {
    WS.close();
  }

  /** About a mean that is far from 0, the last ones about another. */
  private static double[][] samples(long seed) {
    SplittableRandom random = new SplittableRandom(seed);
    double[][] x = new double[N][WIDTH];
    for (int i = 0; i < N; i++) {
      double shift = i < N - 3 ? 100 : 103;
      Arrays.setAll(x[i], k -> shift + random.nextGaussian());
    }
    return x;
  }

  private static double[][] picked(double[][] x, int... which) {
    return Arrays.stream(which).mapToObj(i -> x[i]).toArray(double[][]::new);
  }

  private static GramMatrix of(double[][] x, boolean centred) throws IOException {
    try (Matrix all = Matrix.of(x)) {
      SampleRows rows = SampleRows.of(all);
      return centred ? GramMatrix.centred(rows, DType.F64, WS) : GramMatrix.raw(rows, WS);
    }
  }

  private static void same(GramMatrix found, GramMatrix wanted, double tolerance) {
    assertThat(found.isCentred()).isEqualTo(wanted.isCentred());
    double scale = wanted.products().get(0, 0);
    for (int i = 0; i < N; i++) {
      for (int j = 0; j < N; j++) {
        assertThat(found.products().get(i, j))
            .isCloseTo(wanted.products().get(i, j), within(tolerance * scale));
        assertThat(found.products().get(i, j)).isEqualTo(found.products().get(j, i));
      }
    }
  }

  @ParameterizedTest
  @ValueSource(booleans = {true, false})
  void oneAfterTheOther(boolean centred) throws IOException {
    double[][] x = samples(1);
    GramMatrix grown = of(Arrays.copyOf(x, 2), centred);
    for (int n = 3; n <= N; n++) {
      try (Matrix all = Matrix.of(Arrays.copyOf(x, n));
          GramMatrix before = grown) {
        grown = before.append(SampleRows.of(all), WS);
        assertThat(before.samples()).isEqualTo(n - 1);
      }
    }
    try (GramMatrix found = grown;
        GramMatrix wanted = of(x, centred)) {
      same(found, wanted, 1e-12);
    }
  }

  /** A store has its samples in an order of its own, whenever they were written. */
  @ParameterizedTest
  @ValueSource(booleans = {true, false})
  void someBetweenOthers(boolean centred) throws IOException {
    double[][] x = samples(2);
    int[] added = {0, 1, 7, 18, 19};
    int[] before = IntStream.range(0, N).filter(i -> Arrays.binarySearch(added, i) < 0).toArray();
    try (Matrix all = Matrix.of(x);
        GramMatrix some = of(picked(x, before), centred);
        GramMatrix found = some.append(SampleRows.of(all), added, WS);
        GramMatrix wanted = of(x, centred)) {
      same(found, wanted, 1e-12);
      assertThat(some.samples()).isEqualTo(N - 5);
    }
  }

  @Test
  void anOriginStays() throws IOException {
    double[][] x = samples(3);
    double[] origin = new double[WIDTH];
    Arrays.setAll(origin, k -> Math.sin(k));
    double[][] moved = Arrays.stream(x).map(double[]::clone).toArray(double[][]::new);
    for (double[] row : moved) {
      Arrays.setAll(row, k -> row[k] + origin[k]);
    }
    try (Matrix few = Matrix.of(Arrays.copyOf(x, N - 2));
        Matrix all = Matrix.of(x);
        GramMatrix before = GramMatrix.raw(SampleRows.of(few), origin, WS);
        GramMatrix found = before.append(SampleRows.of(all), WS);
        GramMatrix wanted = of(moved, false)) {
      same(found, wanted, 1e-13);
    }
  }

  @Test
  void whatIsNoAdditionIsRefused() throws IOException {
    double[][] x = samples(4);
    try (Matrix all = Matrix.of(x);
        GramMatrix whole = of(x, true);
        GramMatrix few = of(Arrays.copyOf(x, N - 1), true)) {
      SampleRows rows = SampleRows.of(all);
      assertThatThrownBy(() -> whole.append(rows, WS))
          .isInstanceOf(ShapeException.class)
          .hasMessage("20 samples of which 0 are new are no addition to 20");
      assertThatThrownBy(() -> few.append(rows, new int[] {2, 3}, WS))
          .isInstanceOf(ShapeException.class)
          .hasMessage("20 samples of which 2 are new are no addition to 19");
      assertThatThrownBy(() -> few.append(rows, new int[] {3, 2}, WS))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessage("new samples are [3, 2]; they must ascend and be 0 to 19");
      assertThatThrownBy(() -> few.append(rows, new int[] {20}, WS))
          .hasMessage("new samples are [20]; they must ascend and be 0 to 19");
      all.set(19, 130_000, Double.NaN);
      assertThatThrownBy(() -> few.append(rows, WS))
          .isInstanceOf(NumericalException.class)
          .hasMessageContaining("sample 19: element 130000 is NaN");
    }
  }
}
