// SPDX-License-Identifier: Apache-2.0
package org.merganser.stats;

import static org.assertj.core.api.Assertions.assertThat;
import static org.merganser.testing.Work.WS;
import static org.merganser.testing.Work.array;

import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.merganser.compute.DType;
import org.merganser.linalg.Tensor;
import org.merganser.testing.Activations;
import org.merganser.testing.Close;
import org.merganser.testing.Oracle;

/** The accumulator against two passes in plain Java. */
class MomentsParityTest {

  @ParameterizedTest
  @ValueSource(ints = {1, 2, 3, 7, 15, 16, 17, 31, 33, 65, 129})
  void everyOddWidthAndNumberOfSamples(int width) {
    for (int samples : new int[] {2, 3, 7, 33, 129}) {
      double[][] x = f32(Oracle.gaussian(samples, width, width));
      double[][] y = f32(Oracle.gaussian(samples, Math.max(1, width - 1), width + 1));
      check(Precision.F64, 1e-13, x, y);
      check(Precision.MIXED, 1e-5, x, y);
      check(Precision.F32, 1e-5, x, y);
    }
  }

  @ParameterizedTest
  @CsvSource({"1e150", "1e-150", "1e30", "1e-30"})
  void hugeAndTinyScalesInF64(double scale) {
    double[][] x = Oracle.scale(Oracle.gaussian(40, 9, 1), scale);
    check(Precision.F64, 1e-13, x, Oracle.scale(Oracle.gaussian(40, 9, 2), scale));
  }

  @ParameterizedTest
  @CsvSource({"1e15", "1e-15"})
  void largeAndSmallScalesInF32(double scale) {
    double[][] x = f32(Oracle.scale(Oracle.gaussian(40, 9, 1), scale));
    check(Precision.MIXED, 1e-5, x, f32(Oracle.scale(Oracle.gaussian(40, 9, 2), scale)));
  }

  /** Raw second moments would return noise, or negative variances, here. */
  @Test
  void aLargeMeanCostsNoPrecision() {
    double[][] x = f32(Oracle.map(Oracle.gaussian(5000, 5, 3), v -> 1e4 + v));
    check(Precision.MIXED, 1e-4, x, x);
    double[][] far = Oracle.map(Oracle.gaussian(5000, 5, 3), v -> 1e8 + v);
    check(Precision.F64, 1e-9, far, far);
  }

  /** More samples than one panel and one fold of MIXED. */
  @Test
  void manySamples() {
    double[][] x = f32(Oracle.gaussian(20_001, 3, 4));
    double[][] y = f32(Oracle.gaussian(20_001, 4, 5));
    check(Precision.F64, 1e-12, x, y);
    check(Precision.MIXED, 1e-5, x, y);
  }

  @ParameterizedTest
  @EnumSource(Precision.class)
  void everyPositionOfAnImageIsASample(Precision precision) {
    int images = 6;
    int channels = 5;
    int positions = 3 * 7;
    double[][] x = f32(Oracle.gaussian(images, channels * positions, 8));
    double[][] samples = new double[images * positions][channels];
    for (int i = 0; i < images; i++) {
      for (int c = 0; c < channels; c++) {
        for (int p = 0; p < positions; p++) {
          samples[i * positions + p][c] = x[i][c * positions + p];
        }
      }
    }
    DType dtype = precision == Precision.F64 ? DType.F64 : DType.F32;
    Tensor nchw = Activations.tensor(dtype, x, WS).reshape(images, channels, 3, 7);
    try (MomentAccumulator accumulator = Activations.accumulator(precision, WS, samples, samples)) {
      accumulator.update(List.of(nchw, nchw));
      SpaceMoments moments = accumulator.moments();
      assertThat(moments.samples()).isEqualTo(images * positions);
      compare(moments, precision == Precision.F64 ? 1e-13 : 1e-5, samples, samples);
    }
  }

  @Test
  void ownBlocksAreSymmetricAndConstantFeaturesHaveNoVariance() {
    double[][] x = Oracle.gaussian(100, 17, 6);
    for (double[] row : x) {
      row[3] = 0.1;
    }
    SpaceMoments moments = Activations.moments(Precision.F64, WS, x);
    double[][] m2 = array(moments.block(0, 0));
    Close.absolute("transpose", m2, Oracle.transpose(m2), 0);
    assertThat(moments.variance(0)[3]).isZero();
    assertThat(moments.dead(0)).containsSequence(false, true, false);
    Close.absolute(
        "row of the dead feature",
        moments.correlation(0, 0, WS).toHost(WS).row(3),
        new double[17],
        0);
  }

  @Test
  void correlationSurvivesProductsThatOverflow() {
    double[][] x = Oracle.scale(Oracle.gaussian(50, 3, 1), 1e120);
    double[][] y = Oracle.scale(Oracle.gaussian(50, 3, 2), 1e-120);
    SpaceMoments moments = Activations.moments(Precision.F64, WS, x, y);
    double[][] expected = Oracle.correlation(Oracle.gaussian(50, 3, 1), Oracle.gaussian(50, 3, 2));
    Close.absolute("correlation", moments.correlation(0, 1, WS), expected, 1e-12);
  }

  private static void check(Precision precision, double tolerance, double[][] x, double[][] y) {
    try (SpaceMoments moments = Activations.moments(precision, WS, x, y)) {
      compare(moments, tolerance, x, y);
    }
  }

  private static void compare(SpaceMoments moments, double tolerance, double[][] x, double[][] y) {
    double[][] own = Oracle.centredProducts(x, x);
    Close.relative("block (0, 0)", moments.block(0, 0), own, tolerance);
    Close.relative("block (1, 1)", moments.block(1, 1), Oracle.centredProducts(y, y), tolerance);
    // Relative to the sizes of both sides: a cross product may cancel.
    double[][] cross = Oracle.centredProducts(x, y);
    double size = Math.sqrt(largest(own)) * Math.sqrt(largest(Oracle.centredProducts(y, y)));
    Close.absolute("block (0, 1)", moments.block(0, 1), cross, tolerance * size);
    Close.relative("mean", moments.mean(0), Oracle.mean(x), Math.max(tolerance, 1e-6));
    double[] diagonal = new double[own.length];
    for (int i = 0; i < own.length; i++) {
      diagonal[i] = own[i][i] / x.length;
    }
    Close.relative("variance", moments.variance(0), diagonal, tolerance);
  }

  private static double largest(double[][] a) {
    double largest = 0;
    for (int i = 0; i < a.length; i++) {
      largest = Math.max(largest, a[i][i]);
    }
    return largest;
  }

  private static double[][] f32(double[][] a) {
    return Oracle.map(a, x -> (float) x);
  }
}
