// SPDX-License-Identifier: Apache-2.0
package org.merganser.stats;

import static org.assertj.core.api.Assertions.assertThat;
import static org.merganser.testing.Work.WS;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.merganser.compute.DType;
import org.merganser.testing.Activations;
import org.merganser.testing.Close;

class MomentsGoldenTest {

  @ParameterizedTest
  @EnumSource(Precision.class)
  void twoBatchesOfTwoFeatures(Precision precision) {
    double[][] first = {{1, 2}, {3, 4}};
    double[][] second = {{5, 0}, {7, 2}, {0, 1}};
    try (MomentAccumulator accumulator =
        Activations.accumulator(precision, WS, new double[][] {{0, 0}})) {
      accumulator.update(Activations.tensors(DType.F64, WS, first));
      accumulator.update(Activations.tensors(DType.F64, WS, second));
      SpaceMoments moments = accumulator.moments();
      assertThat(moments.samples()).isEqualTo(5);
      assertThat(moments.skipped()).isZero();
      Close.absolute("mean", moments.mean(0), new double[] {3.2, 1.8}, 1e-6);
      Close.absolute("M2", moments.block(0, 0), new double[][] {{32.8, -.8}, {-.8, 8.8}}, 1e-5);
      Close.absolute("variance", moments.variance(0), new double[] {6.56, 1.76}, 1e-6);
      if (precision == Precision.F64) {
        Close.absolute("M2", moments.block(0, 0), new double[][] {{32.8, -.8}, {-.8, 8.8}}, 1e-14);
      }
    }
  }

  @Test
  void divisionIsByTheNumberOfSamples() {
    SpaceMoments moments =
        Activations.moments(
            Precision.F64, WS, new double[][] {{1}, {2}, {3}}, new double[][] {{2}, {4}, {6}});
    Close.absolute("Sxx", moments.covariance(0, 0, WS), new double[][] {{2.0 / 3}}, 1e-15);
    Close.absolute("Sxy", moments.covariance(0, 1, WS), new double[][] {{4.0 / 3}}, 1e-15);
    Close.absolute("Syy", moments.covariance(1, 1, WS), new double[][] {{8.0 / 3}}, 1e-15);
    Close.absolute("correlation", moments.correlation(0, 1, WS), new double[][] {{1}}, 1e-15);
  }

  @Test
  void oneSampleHasNoVariance() {
    SpaceMoments moments = Activations.moments(Precision.F64, WS, new double[][] {{3, -4}});
    Close.absolute("M2", moments.block(0, 0), new double[2][2], 0);
    Close.absolute("mean", moments.mean(0), new double[] {3, -4}, 0);
  }
}
