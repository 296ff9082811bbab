// SPDX-License-Identifier: Apache-2.0
package org.merganser.cka;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;
import static org.merganser.testing.Work.WS;

import java.util.Arrays;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.merganser.error.NumericalException;
import org.merganser.linalg.Matrix;
import org.merganser.similarity.SimilarityMeasure.Estimator;
import org.merganser.testing.Close;
import org.merganser.testing.Oracle;

/** What rounding leaves of nothing is no value, and size alone changes none. */
class CkaRoundingTest {
  private static final int N = 60;

  /** Few samples reach a unit: halves without them are constant, and say nothing of the value. */
  @Test
  void halvesWithoutAnActiveSampleHaveNoValue() {
    try (Matrix x = Matrix.of(sparse());
        Matrix y = Matrix.of(near(sparse()));
        Matrix cx = Samples.centred("X", x, WS);
        Matrix cy = Samples.centred("Y", y, WS);
        GramPair pair = GramPair.of(CkaKernel.LINEAR, cx, cy, WS)) {
      double[][] counts = new double[4][N];
      for (int active = 0; active <= 3; active++) {
        Arrays.fill(counts[active], 0, active, 1);
        Arrays.fill(counts[active], 3, 3 + N / 2 - active, 1);
      }
      Resampling.Values values = Resampling.of(pair, N / 2, counts, WS);
      assertThat(values.biased()[0]).isNaN();
      assertThat(values.debiased()[0]).isNaN();
      // One active sample is nothing to the unbiased estimator.
      assertThat(values.debiased()[1]).isNaN();
      for (int active = 1; active <= 3; active++) {
        int[] out = left(counts[active]);
        assertThat(values.biased()[active])
            .isCloseTo(
                Naive.cka(Naive.without(sparse(), out), Naive.without(near(sparse()), out)),
                within(1e-9));
      }
    }
    assertThatThrownBy(
            () -> {
              try (Matrix x = Matrix.of(sparse());
                  Matrix y = Matrix.of(near(sparse()))) {
                CkaReliability.of(x, y)
                    .biasedOnly()
                    .interval(CkaReliability.Interval.HALF_SAMPLING, 0.95)
                    .run(WS);
              }
            })
        .isInstanceOf(NumericalException.class)
        .hasMessageMatching("in 1[0-9][0-9] of 1000 replicates one side is constant.*");
  }

  private static int[] left(double[] counts) {
    return java.util.stream.IntStream.range(0, N).filter(i -> counts[i] == 0).toArray();
  }

  private static double[][] sparse() {
    double[][] x = Oracle.map(Oracle.gaussian(N, 8, 1), Math::abs);
    for (int i = 3; i < N; i++) {
      Arrays.fill(x[i], 0);
    }
    return x;
  }

  private static double[][] near(double[][] x) {
    double[][] noise = Oracle.gaussian(N, 8, 2);
    double[][] y = Oracle.map(x, each -> each);
    for (int i = 0; i < N; i++) {
      for (int j = 0; j < 8; j++) {
        y[i][j] += 0.05 * noise[i][j];
      }
    }
    return y;
  }

  /** Fourth powers of these sizes are numbers, products of two of them are not. */
  @ParameterizedTest
  @ValueSource(doubles = {1e40, 1e-40, 1e60, 1e-60})
  void sizeChangesNothing(double scale) {
    double[][] x = Oracle.gaussian(30, 5, 1);
    double[][] y = Oracle.multiply(x, Oracle.gaussian(5, 4, 2));
    for (CkaReliability.Interval interval : CkaReliability.Interval.values()) {
      ReliabilityReport one = report(x, y, 1, interval);
      ReliabilityReport far = report(x, y, scale, interval);
      assertThat(far.biased().value()).isCloseTo(one.biased().value(), within(1e-12));
      assertThat(far.biased().low()).isCloseTo(one.biased().low(), within(1e-10));
      assertThat(far.debiased().get().value())
          .isCloseTo(one.debiased().get().value(), within(1e-12));
      assertThat(far.debiased().get().high()).isCloseTo(one.debiased().get().high(), within(1e-10));
      assertThat(far.significance()).isEqualTo(one.significance());
      assertThat(far.chance()).isCloseTo(one.chance(), within(1e-12));
      for (int i = 0; i < x.length; i++) {
        assertThat(far.points().get(i).influence())
            .isCloseTo(one.points().get(i).influence(), within(1e-11));
      }
      for (int i = 0; i < one.removals().size(); i++) {
        assertThat(far.removals().get(i).value())
            .isCloseTo(one.removals().get(i).value(), within(1e-11));
      }
      for (int i = 0; i < one.translations().size(); i++) {
        assertThat(far.translations().get(i).limit())
            .isCloseTo(one.translations().get(i).limit(), within(1e-11));
        for (int k = 0; k < one.translations().get(i).curve().size(); k++) {
          assertThat(far.translations().get(i).curve().get(k).value())
              .isCloseTo(one.translations().get(i).curve().get(k).value(), within(1e-11));
        }
      }
    }
  }

  @ParameterizedTest
  @ValueSource(doubles = {1e40, 1e-40})
  void gradientsGoWithTheInverseOfSize(double scale) {
    double[][] x = Oracle.gaussian(30, 5, 1);
    double[][] y = Oracle.multiply(x, Oracle.gaussian(5, 4, 2));
    try (Matrix x1 = Matrix.of(x);
        Matrix y1 = Matrix.of(y);
        Matrix x2 = Matrix.of(Oracle.map(x, each -> each * scale));
        Matrix y2 = Matrix.of(Oracle.map(y, each -> each * scale));
        Matrix g1 = CkaSensitivity.gradient(x1, y1, Estimator.BIASED, WS);
        Matrix g2 = CkaSensitivity.gradient(x2, y2, Estimator.BIASED, WS)) {
      for (int i = 0; i < x.length; i++) {
        double[] row = Arrays.stream(g2.row(i)).map(each -> each * scale).toArray();
        Close.absolute("row " + i, row, g1.row(i), 1e-12);
      }
    }
  }

  private static ReliabilityReport report(
      double[][] x, double[][] y, double scale, CkaReliability.Interval interval) {
    try (Matrix left = Matrix.of(Oracle.map(x, each -> each * scale));
        Matrix right = Matrix.of(Oracle.map(y, each -> each * scale))) {
      return CkaReliability.of(left, right).interval(interval, 0.95).replicates(100).run(WS);
    }
  }
}
