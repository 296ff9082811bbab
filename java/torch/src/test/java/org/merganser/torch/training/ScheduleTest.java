// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch.training;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.merganser.torch.Augmentation;
import org.merganser.torch.training.Schedule.Decay;

class ScheduleTest {

  @ParameterizedTest
  @CsvSource({
    // warm-up, decay, step, steps, multiple
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
  void multiples(double warmUp, Decay decay, long step, long steps, double multiple) {
    assertThat(new Schedule(warmUp, decay).multiple(step, steps)).isCloseTo(multiple, within(1e-9));
  }

  /** Warm-up of 5 epochs of 200 and back to 0; 100 steps an epoch, as with 50000 images. */
  @Test
  void thePublishedProtocol() {
    Trainer.Options options = Trainer.Options.published(Trainer.Options.RESNET_RATE);
    assertThat(options.optimizer()).isEqualTo(new Optimizer.Sgd(0.5, 0.9, 5e-4));
    assertThat(options.batchSize()).isEqualTo(500);
    assertThat(options.augmentation()).isEqualTo(new Augmentation(true, 4));
    long steps = 100L * options.epochs();
    assertThat(steps).isEqualTo(20_000);
    Schedule schedule = options.schedule();
    assertThat(schedule.multiple(0, steps)).isCloseTo(1.0 / 500, within(1e-12));
    assertThat(schedule.multiple(249, steps)).isCloseTo(0.5, within(1e-12));
    assertThat(schedule.multiple(499, steps)).isCloseTo(1, within(1e-12));
    assertThat(schedule.multiple(500, steps)).isCloseTo(1, within(1e-12));
    assertThat(schedule.multiple(10_250, steps)).isCloseTo(0.5, within(1e-12));
    assertThat(schedule.multiple(19_999, steps)).isCloseTo(1.0 / 19_500, within(1e-12));
    assertThat(Trainer.Options.VGG_RATE).isEqualTo(0.08);
    assertThat(options.withThreads(3).threads()).isEqualTo(3);
    assertThat(options.withThreads(1)).isEqualTo(options);
  }

  /** A tenth every 30 of 90 epochs, at the first step of the epoch. */
  @Test
  void stepsOfImageNet() {
    Trainer.Options options = Trainer.Options.imageNet();
    for (long perEpoch : new long[] {1, 7, 5005}) {
      for (int epoch = 0; epoch < 90; epoch++) {
        double wanted = epoch < 30 ? 1 : epoch < 60 ? 0.1 : 0.01;
        for (long step : new long[] {epoch * perEpoch, (epoch + 1) * perEpoch - 1}) {
          assertThat(options.schedule().multiple(step, 90 * perEpoch))
              .as("epoch %d, step %d", epoch, step)
              .isCloseTo(wanted, within(1e-15));
        }
      }
    }
    assertThatThrownBy(() -> Schedule.steps(0)).isInstanceOf(IllegalArgumentException.class);
    assertThatThrownBy(() -> new Schedule(0, Decay.LINEAR, 2))
        .hasMessage(
            "stages must be at least 1, and 1 unless the decay is STEPS, not 2 with LINEAR");
  }

  @Test
  void risesThenFallsAndStaysPositive() {
    for (Decay decay : Decay.values()) {
      Schedule schedule = new Schedule(0.15, decay);
      for (int step = 0; step < 97; step++) {
        assertThat(schedule.multiple(step, 97)).isGreaterThan(0).isLessThanOrEqualTo(1);
      }
      assertThat(schedule.multiple(0, 97)).isLessThan(schedule.multiple(10, 97));
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
