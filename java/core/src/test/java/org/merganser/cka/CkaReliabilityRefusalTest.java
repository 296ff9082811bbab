// SPDX-License-Identifier: Apache-2.0
package org.merganser.cka;

import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.merganser.testing.Work.WS;

import java.util.Arrays;
import java.util.function.Function;
import org.assertj.core.api.AbstractThrowableAssert;
import org.junit.jupiter.api.Test;
import org.merganser.error.NumericalException;
import org.merganser.error.ShapeException;
import org.merganser.linalg.Matrix;
import org.merganser.similarity.Golden;
import org.merganser.testing.Oracle;

/** What has no report, and what is said instead. */
class CkaReliabilityRefusalTest {

  @Test
  void differentSamples() {
    refused(Golden.C.x, Golden.B.y, asked -> asked)
        .isInstanceOf(ShapeException.class)
        .hasMessageContaining("X is a 8 x 3 F64 matrix and Y a 5 x 3 F64 matrix");
  }

  @Test
  void tooFewSamples() {
    refused(Golden.A.x, Golden.A.y, asked -> asked)
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage(
            "a report with debiased CKA needs at least 5 samples, and there are 4; ask for"
                + " biasedOnly()");
    double[][] two = Arrays.copyOf(Golden.A.x, 2);
    refused(two, two, CkaReliability::biasedOnly)
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("a report needs at least 3 samples, and there are 2");
    refused(
            Golden.C.x,
            Golden.C.y,
            asked -> asked.interval(CkaReliability.Interval.HALF_SAMPLING, 0.95))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("half-sampling needs at least 10 samples, and there are 8; take the jackknife");
  }

  @Test
  void whatIsNotFinite() {
    double[][] broken = Oracle.map(Golden.C.y, each -> each == 8 ? Double.NaN : each);
    refused(Golden.C.x, broken, asked -> asked)
        .isInstanceOf(NumericalException.class)
        .hasMessageContaining("Y[1, 0] is NaN; correct it");
  }

  @Test
  void samplesThatWereDrawnHaveNumbersOfTheirOwn() {
    double[][] broken = Oracle.map(Golden.C.y, each -> Double.NaN);
    refused(Golden.C.x, broken, asked -> asked.atMost(6))
        .isInstanceOf(NumericalException.class)
        .hasMessageContaining("Y[0, 0] is NaN")
        .hasMessageEndingWith("(samples are numbered among the 6 that were drawn of 8)");
  }

  @Test
  void aConstantSide() {
    refused(Golden.C.x, Oracle.map(Golden.C.y, each -> 0.1), asked -> asked)
        .isInstanceOf(NumericalException.class)
        .hasMessage("Y is constant: all 8 samples have the same 2 features, so CKA is undefined");
  }

  @Test
  void oneSampleThatDecides() {
    double[][] x = {{1, 1}, {1, 1}, {1, 1}, {1, 1}, {5, 2}, {1, 1}};
    double[][] y = Oracle.gaussian(6, 2, 1);
    // The biased estimator has a value: see CkaRoundingTest.
    refused(x, y, asked -> asked).isInstanceOf(NumericalException.class).hasMessageContaining("X");
  }

  @Test
  void equalSamplesHaveNoBandwidth() {
    double[][] x = {{1}, {1}, {1}, {1}, {1}, {1}, {2}, {3}};
    refused(x, Oracle.gaussian(8, 2, 1), asked -> asked.rbf(1))
        .isInstanceOf(NumericalException.class)
        .hasMessageContaining("X: the median squared distance of 8 samples is 0");
  }

  @Test
  void labelsGroupsAndReadoutsOfOtherSizes() {
    refused(Golden.C.x, Golden.C.y, asked -> asked.labels(0, 1))
        .isInstanceOf(ShapeException.class)
        .hasMessage("2 labels for 8 samples");
    refused(Golden.C.x, Golden.C.y, asked -> asked.labels(3, 3, 3, 3, 3, 3, 3, 3))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("all labels are 3; moving a class takes two of them");
    refused(Golden.C.x, Golden.C.y, asked -> asked.exchangingWithin(1))
        .isInstanceOf(ShapeException.class)
        .hasMessage("1 groups for 8 samples");
    refused(Golden.C.x, Golden.C.y, asked -> asked.readout(Matrix.zeros(2, 5)))
        .isInstanceOf(ShapeException.class)
        .hasMessageContaining("a readout of a 2 x 5 F64 matrix");
    refused(Golden.C.x, Golden.C.y, asked -> asked.moving(new int[] {0}, new double[] {1, 0}, 1))
        .isInstanceOf(ShapeException.class)
        .hasMessage("2 numbers for a direction of 3 features");
  }

  @Test
  void settingsOutOfRange() {
    refused(Golden.C.x, Golden.C.y, asked -> asked.permutations(10))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("10 permutations");
    refused(Golden.C.x, Golden.C.y, asked -> asked.replicates(3))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("3 replicates");
    refused(Golden.C.x, Golden.C.y, asked -> asked.interval(CkaReliability.Interval.JACKKNIFE, 95))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("level 95.0");
    refused(Golden.C.x, Golden.C.y, asked -> asked.rbf(-1))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("bandwidth t is -1.0");
  }

  private static AbstractThrowableAssert<?, ? extends Throwable> refused(
      double[][] x, double[][] y, Function<CkaReliability, CkaReliability> settings) {
    return assertThatThrownBy(
        () -> {
          try (Matrix left = Matrix.of(x);
              Matrix right = Matrix.of(y)) {
            settings.apply(CkaReliability.of(left, right)).run(WS);
          }
        });
  }
}
