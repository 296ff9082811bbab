// SPDX-License-Identifier: Apache-2.0
package org.merganser.analysis.landscape;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.merganser.analysis.landscape.Direction.Norm;
import org.merganser.analysis.landscape.Direction.OneDimensional;
import org.merganser.compute.DType;
import org.merganser.error.NumericalException;
import org.merganser.error.ShapeException;
import org.merganser.io.TensorInfo;

class DirectionTest {
  private static final ParamLayout ROWS =
      ParamLayout.of(Map.of("w", TensorInfo.of(DType.F32, 3, 2)));

  private static ParamLayout layout() {
    Map<String, TensorInfo> tensors = new LinkedHashMap<>();
    tensors.put("conv", TensorInfo.of(DType.F32, 4, 3, 2, 2));
    tensors.put("bias", TensorInfo.of(DType.F32, 4));
    tensors.put("fc", TensorInfo.of(DType.F32, 5, 16));
    return ParamLayout.of(tensors);
  }

  private static double[] random(int n, long seed) {
    SplittableRandom random = new SplittableRandom(seed);
    double[] values = new double[n];
    Arrays.setAll(values, i -> random.nextGaussian());
    return values;
  }

  private static double length(double[] v, int from, int to) {
    return Vectors.length(Arrays.copyOfRange(v, from, to));
  }

  @Test
  void filtersTakeTheLengthsOfTheWeights() {
    double[] w = {3, 4, 0, 5, 0, 0};
    double[] d = {1, 0, 2, 2, 1, 1};
    double[] expected = {5, 0, 3.53553391, 3.53553391, 0, 0};
    assertThat(Direction.normalised(ROWS, w, d, Norm.FILTER, OneDimensional.IGNORE))
        .containsExactly(expected, within(1e-8));
  }

  /** What is 0 stays 0: nothing is divided by nothing. */
  @ParameterizedTest
  @EnumSource(Norm.class)
  void aDirectionOfZerosStaysFinite(Norm norm) {
    double[] zeros = new double[6];
    assertThat(Direction.normalised(ROWS, new double[6], zeros, norm, OneDimensional.IGNORE))
        .containsOnly(0);
  }

  @ParameterizedTest
  @ValueSource(longs = {0, 1, 2, 3, 4})
  void normsAreWhatTheySay(long seed) {
    ParamLayout layout = layout();
    double[] w = random(layout.size(), 100 + seed);
    double[] drawn = Direction.gaussian(layout, w, seed, Norm.NONE, OneDimensional.COPY).values();
    double[] byFilter =
        Direction.gaussian(layout, w, seed, Norm.FILTER, OneDimensional.COPY).values();
    double[] byLayer =
        Direction.gaussian(layout, w, seed, Norm.LAYER, OneDimensional.COPY).values();
    double[] byWeight =
        Direction.gaussian(layout, w, seed, Norm.WEIGHT, OneDimensional.COPY).values();
    double[] unitFilter =
        Direction.gaussian(layout, w, seed, Norm.DFILTER, OneDimensional.COPY).values();
    double[] unitLayer =
        Direction.gaussian(layout, w, seed, Norm.DLAYER, OneDimensional.COPY).values();
    for (int filter = 0; filter < 4; filter++) {
      int from = 12 * filter;
      assertThat(length(byFilter, from, from + 12))
          .isCloseTo(length(w, from, from + 12), within(1e-8));
      assertThat(length(unitFilter, from, from + 12)).isCloseTo(1, within(1e-8));
      // Only the length changes.
      assertThat(byFilter[from] / drawn[from])
          .isCloseTo(byFilter[from + 1] / drawn[from + 1], within(1e-9));
    }
    assertThat(length(byLayer, 0, 48)).isCloseTo(length(w, 0, 48), within(1e-8));
    assertThat(length(byLayer, 52, 132)).isCloseTo(length(w, 52, 132), within(1e-8));
    assertThat(length(unitLayer, 52, 132)).isCloseTo(1, within(1e-8));
    assertThat(byWeight[60]).isEqualTo(drawn[60] * w[60]);
    for (double[] each : new double[][] {byFilter, byLayer, byWeight, unitFilter, unitLayer}) {
      assertThat(Arrays.copyOfRange(each, 48, 52)).isEqualTo(Arrays.copyOfRange(w, 48, 52));
    }
  }

  @Test
  void tensorsOfOneDimensionStayWhereTheyAre() {
    ParamLayout layout = layout();
    double[] w = random(layout.size(), 1);
    Direction d = Direction.gaussian(layout, w, 7, Norm.FILTER, OneDimensional.IGNORE);
    double[] jumped = d.from(w, 0.5);
    assertThat(Arrays.copyOfRange(jumped, 48, 52)).isEqualTo(Arrays.copyOfRange(w, 48, 52));
    assertThat(jumped[0]).isNotEqualTo(w[0]);
  }

  /** The policy for biases does not change what is drawn for the others. */
  @Test
  void aSeedIsADirection() {
    ParamLayout layout = layout();
    double[] w = random(layout.size(), 1);
    double[] one = Direction.gaussian(layout, w, 7, Norm.FILTER, OneDimensional.IGNORE).values();
    double[] again = Direction.gaussian(layout, w, 7, Norm.FILTER, OneDimensional.COPY).values();
    double[] other = Direction.gaussian(layout, w, 8, Norm.FILTER, OneDimensional.IGNORE).values();
    assertThat(Arrays.copyOfRange(one, 52, 132)).isEqualTo(Arrays.copyOfRange(again, 52, 132));
    assertThat(one[0]).isNotEqualTo(other[0]);
  }

  @Test
  void aStepOfZeroLeavesEveryBit() {
    double[] w = {-0.0, 1e-40, 3, -0.0, 0, 1};
    Direction d = Direction.gaussian(ROWS, w, 7, Norm.FILTER, OneDimensional.IGNORE);
    double[] same = d.from(w, 0);
    for (int i = 0; i < w.length; i++) {
      assertThat(Double.doubleToRawLongBits(same[i])).isEqualTo(Double.doubleToRawLongBits(w[i]));
    }
    assertThatThrownBy(() -> d.from(w, Double.NaN)).hasMessageContaining("finite, not NaN");
    assertThatThrownBy(() -> d.from(new double[5], 1))
        .isInstanceOf(ShapeException.class)
        .hasMessageContaining("6");
  }

  @Test
  void whatIsNoMinimumIsRefused() {
    assertThatThrownBy(
            () -> Direction.gaussian(ROWS, new double[5], 0, Norm.FILTER, OneDimensional.IGNORE))
        .isInstanceOf(ShapeException.class)
        .hasMessageContaining("5 numbers, the parameters are 6");
    double[] bad = {1, 2, Double.NaN, 4, 5, 6};
    assertThatThrownBy(() -> Direction.gaussian(ROWS, bad, 0, Norm.FILTER, OneDimensional.IGNORE))
        .isInstanceOf(NumericalException.class)
        .hasMessageContaining("parameter 2 is NaN");
  }
}
