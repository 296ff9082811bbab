// SPDX-License-Identifier: Apache-2.0
package org.merganser.analysis.recurrent;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class RecurrenceTest {
  @ParameterizedTest
  @ValueSource(ints = {4, 9, 25})
  void aTurnComesBackAfterItsPeriod(int period) {
    double[] series =
        IntStream.range(0, 200).mapToDouble(t -> 3 + Math.sin(2 * Math.PI * t / period)).toArray();
    Recurrence found = Recurrence.of(series);
    assertThat(found.period()).isEqualTo(period);
    assertThat(found.strength()).isCloseTo(1, within(.05));
  }

  @Test
  void whatStaysOrDecaysDoesNot() {
    assertThat(Recurrence.of(new double[50]).period()).isZero();
    double[] decay = IntStream.range(0, 60).mapToDouble(t -> Math.exp(-.1 * t)).toArray();
    assertThat(Recurrence.of(decay).period()).isZero();
    assertThatThrownBy(() -> Recurrence.of(new double[3]))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("recurrence of 3 values; at least 4 are needed");
  }
}
