// SPDX-License-Identifier: Apache-2.0
package org.merganser.analysis.recurrent;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;
import static org.merganser.analysis.recurrent.Maps.WS;

import java.util.Arrays;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.merganser.analysis.recurrent.LyapunovSpectrum.Options;
import org.merganser.compute.Workspace;
import org.merganser.error.NumericalException;
import org.merganser.linalg.Matrix;
import org.merganser.linalg.Svd;

class LyapunovSpectrumTest {
  @ParameterizedTest
  @ValueSource(ints = {1, 5})
  void aLinearMapHasTheLogarithmsOfItsEigenvalues(int every) {
    SmoothMap map = Maps.linear(new double[][] {{.5, 1}, {0, .25}});
    var found = LyapunovSpectrum.of(map, new double[] {1, 1}, new Options(2, 500, 1000, every), WS);
    assertThat(found.exponents())
        .containsExactly(new double[] {-.69314718, -1.38629436}, within(1e-8));
    assertThat(found.halfRunDifferences()).containsExactly(new double[2], within(1e-12));
    assertThat(found.bits()).containsExactly(new double[] {-1, -2}, within(1e-8));
  }

  @Test
  void theMapOfHenonLosesTheLogarithmOfItsDeterminant() {
    var found =
        LyapunovSpectrum.of(
            Maps.henon(), new double[] {.1, .1}, new Options(2, 500, 200_000, 1), WS);
    assertThat(found.exponents()).containsExactly(new double[] {.42, -1.62}, within(.005));
    assertThat(Arrays.stream(found.exponents()).sum()).isCloseTo(Math.log(.3), within(1e-12));
  }

  @Test
  void aUnitThatSettlesHasTheLogarithmOfTheSlopeThere() {
    RecurrentMap map = RecurrentMap.of(Matrix.of(new double[][] {{2}}), Nonlinearity.tanh());
    var found = LyapunovSpectrum.of(map, new double[] {.3}, Options.defaults(), WS);
    assertThat(found.state()[0]).isCloseTo(.95750402, within(1e-8));
    assertThat(map.slopes(found.state())[0] * 2).isCloseTo(.16637209, within(1e-8));
    assertThat(found.exponents()[0]).isCloseTo(-1.79352851, within(1e-8));
  }

  /** The sum over all is the mean of ln |det J|; after long they come in order. */
  @ParameterizedTest
  @ValueSource(longs = {1, 2, 3})
  void theSumOfAllIsWhatVolumesLose(long seed) {
    int size = 12;
    RecurrentMap map = RecurrentMap.of(Maps.random(size, 1.6, seed), Nonlinearity.tanh());
    double[] state = Maps.states(1, size, 1, seed)[0];
    var found = LyapunovSpectrum.of(map, state, new Options(size, 200, 600, 1), WS);
    double volume = 0;
    for (int step = 0; step < 800; step++) {
      try (Matrix jacobian = rows(map.jacobian(state), size);
          Svd svd = Svd.of(jacobian, WS)) {
        volume += step < 200 ? 0 : Arrays.stream(svd.singularValues()).map(Math::log).sum();
      }
      state = map.apply(state);
    }
    assertThat(Arrays.stream(found.exponents()).sum()).isCloseTo(volume / 600, within(1e-9));
    double[] sorted = found.exponents().clone();
    Arrays.sort(sorted);
    assertThat(found.exponents()[0]).isCloseTo(sorted[size - 1], within(.02));
    assertThat(found.exponents()[size - 1]).isEqualTo(sorted[0]);
  }

  private static Matrix rows(double[] flat, int size) {
    double[][] rows = new double[size][];
    for (int i = 0; i < size; i++) {
      rows[i] = Arrays.copyOfRange(flat, i * size, (i + 1) * size);
    }
    return Matrix.of(rows);
  }

  @Test
  void inputsThatChangeGiveConditionalExponents() {
    // Slopes 1/2 and 2 in turn.
    SmoothMap half = Maps.linear(new double[][] {{.5}});
    SmoothMap twice = Maps.linear(new double[][] {{4}});
    var found =
        LyapunovSpectrum.of(
            step -> step % 2 == 0 ? half : twice, new double[] {1}, new Options(1, 0, 100, 2), WS);
    assertThat(found.exponents()[0]).isCloseTo(Math.log(2) / 2, within(1e-12));
  }

  @Test
  void noRankIsMinusInfinityForItAndThoseBelow() {
    SmoothMap map = Maps.linear(new double[][] {{.5, 0, 0}, {0, 0, 0}, {0, 0, .25}});
    var found = LyapunovSpectrum.of(map, new double[3], new Options(3, 0, 10, 1), WS);
    assertThat(found.exponents()[2]).isEqualTo(Double.NEGATIVE_INFINITY);
    SmoothMap none = Maps.linear(new double[3][3]);
    var nothing = LyapunovSpectrum.of(none, new double[3], new Options(2, 0, 10, 1), WS);
    assertThat(nothing.exponents()).containsOnly(Double.NEGATIVE_INFINITY);
    assertThat(nothing.halfRunDifferences()).containsOnly(0);
  }

  @Test
  void theSeedChoosesDirectionsAndNothingElseDoes() {
    RecurrentMap map = RecurrentMap.of(Maps.random(9, 2, 5), Nonlinearity.tanh());
    double[] start = Maps.states(1, 9, 1, 5)[0];
    double[][] found = new double[3][];
    for (int threads = 1; threads <= 3; threads++) {
      try (Workspace own = Workspace.builder().threads(threads).seed(3).open()) {
        found[threads - 1] =
            LyapunovSpectrum.of(map, start, new Options(4, 10, 50, 1), own).exponents();
      }
    }
    assertThat(found[1]).isEqualTo(found[0]);
    assertThat(found[2]).isEqualTo(found[0]);
  }

  @Test
  void whatCannotBeIsSaid() {
    SmoothMap map = Maps.linear(new double[][] {{3, 0}, {0, 3}});
    assertThatThrownBy(
            () -> LyapunovSpectrum.of(map, new double[2], Options.defaults().withExponents(3), WS))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("3 exponents of a map of 2 dimensions; ask for 1 to 2");
    assertThatThrownBy(() -> LyapunovSpectrum.of(map, new double[] {0, 1}, Options.defaults(), WS))
        .isInstanceOf(NumericalException.class)
        .hasMessage(
            "the state after step 646 is Infinity in unit 1; start elsewhere, or check the"
                + " weights");
    assertThatThrownBy(() -> new Options(1, 0, 10, 6))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("a decomposition every 6 steps has none in half of 10 steps");
    assertThatThrownBy(() -> new Options(1, 0, 0, 1))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("steps must be at least 2, not 0");
  }

  /** Whose last diagonal entry is rounding, not 0. */
  @ParameterizedTest
  @ValueSource(longs = {1, 2, 3})
  void aDeadUnitIsNoRank(long seed) {
    int size = 20;
    Matrix weights = Maps.random(size, 1, seed);
    for (int j = 0; j < size; j++) {
      weights.set(7, j, 0);
    }
    RecurrentMap map = RecurrentMap.of(weights, Nonlinearity.tanh());
    double[] start = Maps.states(1, size, 1, seed)[0];
    double[] found = LyapunovSpectrum.of(map, start, new Options(size, 10, 50, 1), WS).exponents();
    assertThat(found[size - 1]).isEqualTo(Double.NEGATIVE_INFINITY);
    assertThat(found[size - 2]).isFinite();
  }

  @Test
  void stepsMayBeMoreThanAnIntegerHolds() {
    SmoothMap still = Maps.linear(new double[][] {{1}});
    Options options = new Options(1, Integer.MAX_VALUE, 2, 1);
    assertThatThrownBy(
            () ->
                LyapunovSpectrum.of(
                    step -> {
                      if (step == 3) {
                        throw new IllegalStateException("there is a step 3");
                      }
                      return still;
                    },
                    new double[1],
                    options,
                    WS))
        .hasMessage("there is a step 3");
  }
}
