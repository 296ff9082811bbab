// SPDX-License-Identifier: Apache-2.0
package org.merganser.similarity;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;
import static org.merganser.testing.Work.WS;

import java.util.Arrays;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.merganser.cka.Naive;
import org.merganser.linalg.Matrix;
import org.merganser.plan.Catalogue;
import org.merganser.testing.Oracle;

/** HSIC and CKA against their definitions in plain loops, and what is known of their values. */
class CkaPropertiesTest {
  /** n, p, q: tall, wide, square, the least. */
  @ParameterizedTest
  @CsvSource({"40, 5, 7", "12, 30, 25", "9, 9, 9", "4, 1, 1", "5, 200, 2"})
  void bothRoutesAreTheDefinition(int n, int p, int q) {
    double[][] x = Oracle.gaussian(n, p, n * 100L + p);
    double[][] y = Oracle.map(Oracle.gaussian(n, q, n * 100L + q + 1), v -> v * v + 1000);
    double[][] k = Oracle.multiply(x, Oracle.transpose(x));
    double[][] l = Naive.linear(y);
    double biased = biased(k, l);
    double debiased = debiased(k, l);
    double scale = Math.sqrt(biased(k, k) * biased(l, l));
    for (String route : new String[] {"feature", "gram"}) {
      assertThat(value("hsic:route=" + route, x, y)).isCloseTo(biased, within(1e-11 * scale));
      assertThat(value("hsic:estimator=debiased,route=" + route, x, y))
          .isCloseTo(debiased, within(1e-10 * scale));
    }
    for (String measure : new String[] {"cka-linear", "cka-linear-debiased", "rv2"}) {
      assertThat(value(measure + ":route=feature", x, y))
          .as(measure)
          .isCloseTo(value(measure + ":route=gram", x, y), within(1e-12));
    }
  }

  @ParameterizedTest
  @CsvSource({"40, 5, 7, 1", "12, 30, 25, 0.5", "9, 9, 9, 2"})
  void gaussianKernelsAreTheDefinition(int n, int p, int q, double t) {
    double[][] x = Oracle.map(Oracle.gaussian(n, p, n * 10L), v -> v + 500);
    double[][] y = Oracle.gaussian(n, q, n * 10L + 1);
    double[][] k = gaussian(x, t * t * median(x));
    double[][] l = gaussian(y, t * t * median(y));
    assertThat(value("hsic:kernel=rbf,t=" + t, x, y)).isCloseTo(biased(k, l), within(1e-12));
    assertThat(value("hsic:kernel=rbf,estimator=debiased,t=" + t, x, y))
        .isCloseTo(debiased(k, l), within(1e-12));
    assertThat(value("cka-rbf:t=" + t, x, y))
        .isCloseTo(biased(k, l) / Math.sqrt(biased(k, k) * biased(l, l)), within(1e-11));
    double fixed = 0.7 * Math.sqrt(p);
    double[][] other = gaussian(x, fixed * fixed);
    assertThat(value("hsic:kernel=rbf,bandwidth=fixed,t=" + fixed, x, x))
        .isCloseTo(biased(other, other), within(1e-12));
  }

  /** The mean of the biased value over all orders of the samples. */
  @ParameterizedTest
  @ValueSource(doubles = {0.3, 1})
  void chanceIsTheMeanOverAllOrders(double t) {
    double[][] x = Oracle.gaussian(5, 3, 1);
    double[][] y = Oracle.gaussian(5, 2, 2);
    double sum = 0;
    int count = 0;
    int[] order = new int[5];
    for (int code = 0; code < 3125; code++) {
      for (int i = 0, rest = code; i < 5; i++, rest /= 5) {
        order[i] = rest % 5;
      }
      if (Arrays.stream(order).distinct().count() == 5) {
        double[][] moved = Arrays.stream(order).mapToObj(i -> y[i]).toArray(double[][]::new);
        sum += value("cka-rbf:t=" + t, x, moved);
        count++;
      }
    }
    assertThat(count).isEqualTo(120);
    try (Matrix left = Matrix.of(x);
        Matrix right = Matrix.of(y)) {
      assertThat(RbfCka.medianTimes(t).between(left, right, WS).details().get("chance"))
          .isCloseTo(sum / count, within(1e-12));
    }
  }

  /** Noise of many features looks alike to the biased estimator. */
  @Test
  void independentNoiseIsFarFromAlikeOnlyWhenDebiased() {
    double[][] x = Oracle.gaussian(100, 1000, 3);
    double[][] y = Oracle.gaussian(100, 1000, 4);
    assertThat(value("cka-linear", x, y)).isGreaterThan(0.9);
    for (String debiased : new String[] {"cka-linear-debiased", "rv2", "cka-minibatch:batch=50"}) {
      assertThat(Math.abs(value(debiased, x, y))).as(debiased).isLessThan(0.1);
    }
  }

  /** Of batches on average what it is of all samples. */
  @Test
  void batchesEstimateTheDebiasedValue() {
    double[][] x = Oracle.gaussian(4096, 12, 5);
    double[][] y = Oracle.multiply(x, Oracle.gaussian(12, 9, 6));
    double all = value("cka-linear-debiased", x, y);
    assertThat(value("cka-minibatch:batch=64", x, y)).isCloseTo(all, within(0.02));
    assertThat(value("cka-minibatch:batch=64,kernel=rbf", x, y))
        .isCloseTo(value("cka-rbf:estimator=debiased", x, y), within(0.02));
  }

  private static double value(String measure, double[][] x, double[][] y) {
    return MeasureTraits.of(Catalogue.measures().method(measure), x, y);
  }

  private static double[][] gaussian(double[][] x, double squaredBandwidth) {
    return Naive.rbf(x, 0.5 / squaredBandwidth);
  }

  private static double median(double[][] x) {
    return Naive.median(Naive.distances(x));
  }

  /** {@code tr(K H L H) / (n-1)^2}. */
  private static double biased(double[][] k, double[][] l) {
    int n = k.length;
    return Naive.inner(Naive.centre(k), l) / ((n - 1.0) * (n - 1));
  }

  private static double debiased(double[][] k, double[][] l) {
    int n = k.length;
    return Naive.song(k, l) / (n * (n - 3.0));
  }
}
