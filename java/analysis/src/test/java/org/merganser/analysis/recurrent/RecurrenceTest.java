// SPDX-License-Identifier: Apache-2.0
package org.merganser.analysis.recurrent;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.util.SplittableRandom;
import java.util.stream.DoubleStream;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.merganser.error.NumericalException;
import org.merganser.linalg.Matrix;

class RecurrenceTest {
  @ParameterizedTest
  @ValueSource(ints = {4, 9, 25})
  void aTurnComesBackAfterItsPeriod(int period) {
    double[] series =
        IntStream.range(0, 200).mapToDouble(t -> 3 + Math.sin(2 * Math.PI * t / period)).toArray();
    Recurrence found = Recurrence.of(series);
    assertThat(found.period()).isEqualTo(period);
    assertThat(found.strength()).isCloseTo(1, within(1e-9));
  }

  @Test
  void whatStaysOrDecaysDoesNot() {
    assertThat(Recurrence.of(new double[50]).period()).isZero();
    double[] decay = IntStream.range(0, 60).mapToDouble(t -> Math.exp(-.1 * t)).toArray();
    assertThat(Recurrence.of(decay).period()).isZero();
    for (double rate : new double[] {.5, .05, .005}) {
      double[] dying =
          IntStream.range(0, 400)
              .mapToDouble(t -> Math.exp(-rate * t) * Math.cos(2 * Math.PI * t / 12))
              .toArray();
      assertThat(Recurrence.of(dying).period()).as("rate %s", rate).isZero();
    }
    assertThatThrownBy(() -> Recurrence.of(new double[3]))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("recurrence of 3 values; at least 4 are needed");
  }

  @Test
  void noiseDoesNot() {
    for (int seed = 0; seed < 20; seed++) {
      SplittableRandom random = new SplittableRandom(seed);
      double[] noise = random.doubles(400, -1, 1).toArray();
      assertThat(Recurrence.of(noise)).as("seed %d", seed).isEqualTo(new Recurrence(0, 0));
    }
  }

  @Test
  void chaosDoesNot() {
    for (double start : new double[] {.1, .2, .37, .61}) {
      assertThat(Recurrence.of(logistic(3.9, start))).isEqualTo(new Recurrence(0, 0));
    }
    // The same map where it turns in four steps.
    assertThat(Recurrence.of(logistic(3.5, .2)).period()).isEqualTo(4);
  }

  private static double[] logistic(double rate, double start) {
    return DoubleStream.iterate(start, x -> rate * x * (1 - x)).skip(500).limit(400).toArray();
  }

  /** After half of it the stronger second harmonic has come back, the first has not. */
  @Test
  void thePeriodIsThatOfAllHarmonics() {
    for (double phase = 0; phase < 6; phase += .5) {
      double start = phase;
      double[] series =
          IntStream.range(0, 400)
              .mapToDouble(
                  t -> Math.sin(2 * Math.PI * t / 60 + start) + 2 * Math.sin(2 * Math.PI * t / 30))
              .toArray();
      Recurrence found = Recurrence.of(series);
      assertThat(found.period()).isEqualTo(60);
      assertThat(found.strength()).isCloseTo(1, within(1e-9));
    }
  }

  /** 10.3 steps: after 103 of them it is at the same place, but it has turned before. */
  @Test
  void aPeriodOfNoWholeStepsIsNotItsMultiple() {
    double[] series =
        IntStream.range(0, 400).mapToDouble(t -> Math.sin(2 * Math.PI * t / 10.3)).toArray();
    assertThat(Recurrence.of(series).period()).isEqualTo(10);
  }

  @Test
  void roundingAroundAPointIsNoTurn() {
    SplittableRandom random = new SplittableRandom(3);
    double[][] still = new double[400][];
    double[][] turning = new double[400][];
    for (int t = 0; t < 400; t++) {
      double turn = 2 * Math.PI * t / 8;
      // The second axis of a line is rounding alone.
      still[t] =
          new double[] {3 + Math.ulp(3.0) * Math.cos(turn), -2, Math.ulp(1.0) * Math.sin(turn)};
      turning[t] = new double[] {3 + 1e-3 * Math.cos(turn), -2 + 1e-15 * random.nextDouble(), 0};
    }
    assertThat(Recurrence.along(Matrix.of(still), Maps.WS))
        .extracting(Recurrence::period)
        .containsExactly(0, 0);
    assertThat(Recurrence.along(Matrix.of(turning), Maps.WS))
        .extracting(Recurrence::period)
        .containsExactly(8, 0);
  }

  @ParameterizedTest
  @ValueSource(ints = {30, 90, 130, 180})
  void slowTurnsOfAnyPhaseComeBack(int period) {
    for (double phase = 0; phase < 6; phase += .5) {
      double start = phase;
      double[] series =
          IntStream.range(0, 400)
              .mapToDouble(t -> Math.sin(2 * Math.PI * t / period + start))
              .toArray();
      assertThat(Recurrence.of(series).period()).isCloseTo(period, within(period / 10));
    }
  }

  @Test
  void whatIsNoNumberIsNamed() {
    double[] series = new double[20];
    series[7] = Double.NaN;
    assertThatThrownBy(() -> Recurrence.of(series))
        .isInstanceOf(NumericalException.class)
        .hasMessage("value 7 of the series is NaN");
  }
}
