// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.merganser.torch.Schedule.Decay;

class ScheduleTest {

  @ParameterizedTest
  @CsvSource({
    // warm-up, decay, step, steps, factor
    "0,    LINEAR,   0,   100, 1",
    "0,    LINEAR,   25,  100, 0.75",
    "0,    LINEAR,   99,  100, 0.01",
    "0,    CONSTANT, 99,  100, 1",
    "0,    COSINE,   0,   100, 1",
    "0,    COSINE,   50,  100, 0.5",
    "0,    COSINE,   25,  100, 0.853553391",
    "0.2,  LINEAR,   0,   100, 0.05",
    "0.2,  LINEAR,   9,   100, 0.5",
    "0.2,  LINEAR,   19,  100, 1",
    "0.2,  LINEAR,   20,  100, 1",
    "0.2,  LINEAR,   60,  100, 0.5",
    "0.2,  COSINE,   60,  100, 0.5",
    "0.2,  CONSTANT, 60,  100, 1",
    "0.5,  CONSTANT, 0,   1,   1",
    "0,    LINEAR,   0,   1,   1"
  })
  void factors(double warmUp, Decay decay, long step, long steps, double factor) {
    assertThat(new Schedule(warmUp, decay).factor(step, steps)).isCloseTo(factor, within(1e-9));
  }

  @Test
  void risesThenFallsAndStaysPositive() {
    for (Decay decay : Decay.values()) {
      Schedule schedule = new Schedule(0.15, decay);
      for (int step = 0; step < 97; step++) {
        assertThat(schedule.factor(step, 97)).isGreaterThan(0).isLessThanOrEqualTo(1);
      }
      assertThat(schedule.factor(0, 97)).isLessThan(schedule.factor(10, 97));
    }
  }

  @ParameterizedTest
  @ValueSource(doubles = {-0.1, 1, Double.NaN})
  void refusesAWarmUpOutsideZeroToOne(double warmUp) {
    assertThatThrownBy(() -> new Schedule(warmUp, Decay.LINEAR))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("warm-up must be in [0, 1), not " + warmUp);
  }
}
