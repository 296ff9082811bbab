// SPDX-License-Identifier: Apache-2.0
package org.merganser.linalg;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;
import static org.merganser.testing.Work.WS;
import static org.merganser.testing.Work.array;

import java.util.Arrays;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.merganser.compute.DType;
import org.merganser.error.NumericalException;
import org.merganser.error.ShapeException;
import org.merganser.linalg.Gram.Median;
import org.merganser.linalg.Gram.MedianRule;
import org.merganser.testing.Close;
import org.merganser.testing.Oracle;

/** Against definitions in plain loops, and the golden values of similarity on example C. */
class GramTest {
  private static final double[][] X = {
    {0, 3, 6}, {7, 0, 4}, {3, 3, 3}, {10, 8, 1}, {6, 4, 2}, {2, 9, 5}, {9, 1, 0}, {5, 6, 10}
  };
  private static final double[][] Y = {
    {3, 1}, {8, 2}, {4, 7}, {9, 5}, {6, 6}, {1, 8}, {7, 0}, {2, 3}
  };

  private static double sum(double[][] a, double[][] b) {
    double sum = 0;
    for (int i = 0; i < a.length; i++) {
      for (int j = 0; j < a[i].length; j++) {
        sum += a[i][j] * b[i][j];
      }
    }
    return sum;
  }

  private static double[][] offset(int n, int p, double by) {
    return Oracle.map(Oracle.gaussian(n, p, n + p), value -> value + by);
  }

  private static double[][] distances(double[][] x) {
    double[][] d = new double[x.length][x.length];
    for (int i = 0; i < x.length; i++) {
      for (int j = 0; j < x.length; j++) {
        for (int f = 0; f < x[i].length; f++) {
          d[i][j] += (x[i][f] - x[j][f]) * (x[i][f] - x[j][f]);
        }
      }
    }
    return d;
  }

  private static Matrix single(double[][] x) {
    return Matrix.of(Tensor.of(DType.F32, Oracle.flat(x), WS).reshape(x.length, x[0].length));
  }

  @Test
  void theCriteriaOfExampleC() {
    Matrix k = Gram.linear(Matrix.of(X), WS);
    Matrix l = Gram.linear(Matrix.of(Y), WS);
    assertThat(sum(array(k), array(l)) / 49).isCloseTo(170.1836734694, within(1e-9));
    Gram.centre(k, WS);
    assertThat(sum(array(k), array(l)) / 49).isCloseTo(170.1836734694, within(1e-9));
    Gram.uCentre(k, WS);
    Gram.uCentre(l, WS);
    assertThat(sum(array(k), array(l)) / 40).isCloseTo(95.6214285714, within(1e-9));
    assertThat(sum(array(k), array(k)) / 40).isCloseTo(301.5380952381, within(1e-9));
    double[][] packed =
        array(Gram.packedLinear(new Matrix[] {Matrix.of(X), Matrix.of(Y)}, DType.F64, WS));
    assertThat(Arrays.stream(packed[0]).map(v -> v * v).sum() / 20)
        .isCloseTo(301.5380952381, within(1e-9));
    Close.relative(
        "one row", array(Gram.packed(Gram.linear(Matrix.of(Y), WS), WS))[0], packed[1], 1e-13);
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 2, 3, 17, 64, 65, 130})
  void productsAndDistancesOfCentredRows(int n) {
    for (int p : new int[] {1, 5, 2100}) {
      double[][] x = offset(n, p, 1000);
      double[][] centred = array(Gram.centredColumns(Matrix.of(x), WS));
      double[] mean = Oracle.mean(x);
      double[][] expected = Oracle.gaussian(n, p, 1);
      for (int i = 0; i < n; i++) {
        for (int f = 0; f < p; f++) {
          expected[i][f] = x[i][f] - mean[f];
        }
      }
      Close.absolute("centred", centred, expected, 1e-11);
      double[][] products = Oracle.multiply(centred, Oracle.transpose(centred));
      Close.absolute("products", Gram.linear(Matrix.of(x), WS), products, 1e-12 * p);
      Close.absolute("distances", Gram.squaredDistances(Matrix.of(x), WS), distances(x), 1e-12 * p);
      Close.absolute(
          "products in F32", Gram.linear(Matrix.of(x), DType.F32, WS), products, 2e-5 * p);
      Close.absolute("products of F32", Gram.linear(single(x), WS), products, 2e-4 * p);
    }
  }

  @Test
  void gaussianKernels() {
    Matrix d = Gram.squaredDistances(Matrix.of(X), WS);
    Gram.rbf(d, 0.01, WS);
    Close.relative("kernel", d, Oracle.map(distances(X), value -> Math.exp(-0.01 * value)), 1e-14);
    assertThatThrownBy(() -> Gram.rbf(d, -1, WS))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("gamma must be at least 0 and finite, not -1.0");
  }

  /** Sorted values that a rule takes, of distances with many ties. */
  private static double[] taken(double[][] d, MedianRule rule) {
    return IntStream.range(0, d.length)
        .boxed()
        .flatMapToDouble(
            i ->
                switch (rule) {
                  case OFF_DIAGONAL -> Arrays.stream(d[i], 0, i);
                  case ALL -> Arrays.stream(d[i]);
                  case LOWER_NONZERO -> Arrays.stream(d[i]).filter(value -> value != 0);
                })
        .sorted()
        .toArray();
  }

  @ParameterizedTest
  @EnumSource
  void mediansAreThoseOfASort(MedianRule rule) {
    for (int n : new int[] {2, 3, 4, 5, 8, 40, 41, 600}) {
      for (double grain : new double[] {0, 1}) {
        double[][] x =
            Oracle.map(
                Oracle.gaussian(n, 3, n), value -> grain == 0 ? value : Math.rint(value * 2));
        double[][] d = distances(x);
        double[] sorted = taken(d, rule);
        int m = sorted.length;
        double expected =
            rule == MedianRule.LOWER_NONZERO
                ? sorted[(m - 1) / 2]
                : (sorted[(m - 1) / 2] + sorted[m / 2]) / 2;
        Median found = Gram.medianSquaredDistance(Matrix.of(d), rule, WS);
        assertThat(found.value()).isEqualTo(expected);
        assertThat(found.pairs()).isEqualTo(rule == MedianRule.LOWER_NONZERO ? m / 2 : m);
        assertThat(found.sampled()).isFalse();
      }
    }
  }

  @Test
  void manySamplesAreDrawnFrom() {
    double[][] d = distances(Oracle.gaussian(300, 3, 5));
    for (MedianRule rule : MedianRule.values()) {
      double whole = Gram.medianSquaredDistance(Matrix.of(d), rule, WS).value();
      Median drawn = MedianDistance.of(Matrix.of(d), 300, rule, 299, 40_000, WS);
      assertThat(drawn.value()).isCloseTo(whole, within(0.05 * whole));
      assertThat(drawn.sampled()).isTrue();
      assertThat(drawn.pairs()).isBetween(39_000L, 40_000L);
    }
  }

  @Test
  void aMedianOfZeroIsNoBandwidth() {
    double[][] same = new double[5][2];
    same[0][0] = 1;
    assertThatThrownBy(
            () ->
                Gram.medianSquaredDistance(Matrix.of(distances(same)), MedianRule.OFF_DIAGONAL, WS))
        .isInstanceOf(NumericalException.class)
        .hasMessage(
            "the median squared distance of 5 samples is 0: half of the pairs or more are equal;"
                + " give a bandwidth, or leave out samples that are there twice");
    assertThat(
            Gram.medianSquaredDistance(Matrix.of(distances(same)), MedianRule.LOWER_NONZERO, WS)
                .value())
        .isEqualTo(1);
    assertThatThrownBy(() -> Gram.medianSquaredDistance(Matrix.zeros(1, 1), MedianRule.ALL, WS))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("a median distance needs 2 samples or more, not 1");
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 2, 7, 64, 65, 150})
  void permutedProductsAreSumsOverPermutedRowsAndColumns(int n) {
    double[][] k = distances(Oracle.gaussian(n, 4, 1));
    double[][] l = distances(Oracle.gaussian(n, 4, 2));
    int count = 20;
    int[] permutations = new int[n * count];
    double[] expected = new double[count];
    for (int b = 0; b < count; b++) {
      int[] p = Oracle.permutation(n, b);
      System.arraycopy(p, 0, permutations, b * n, n);
      for (int i = 0; i < n; i++) {
        for (int j = 0; j < n; j++) {
          expected[b] += k[i][j] * l[p[i]][p[j]];
        }
      }
    }
    double[] found = Gram.permutedProducts(Matrix.of(k), Matrix.of(l), permutations, WS);
    Close.relative("sums", found, expected, 1e-12);
  }

  @Test
  void whatDoesNotFitIsRefused() {
    Matrix k = Matrix.zeros(3, 3);
    assertThatThrownBy(() -> Gram.permutedProducts(k, k, new int[4], WS))
        .isInstanceOf(ShapeException.class)
        .hasMessage("4 entries are no permutations of 3 samples");
    assertThatThrownBy(() -> Gram.permutedProducts(k, k, new int[3], WS))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("row 0 of permutations is none: 0 at 1 is there twice");
    assertThatThrownBy(() -> Gram.uCentre(Matrix.zeros(2, 2), WS))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("U-centring needs 3 samples or more, not 2");
    assertThatThrownBy(() -> Gram.centre(Matrix.zeros(2, 3), WS))
        .isInstanceOf(ShapeException.class);
    assertThatThrownBy(() -> Gram.linear(k, DType.BF16, WS))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("products are formed in F64 or F32, not BF16");
  }
}
