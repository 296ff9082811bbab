// SPDX-License-Identifier: Apache-2.0
package org.merganser.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.SplittableRandom;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.merganser.model.EarlyStopping.HeldOut;

class EarlyStoppingTest {
  /** The loop of the documentation, with a loss for each evaluation; the steps made. */
  private static long run(EarlyStopping stopping, long from, long most, double... losses) {
    for (long step = from; ; step++) {
      if (stopping.isDue(step, step == most)) {
        stopping.add(step, losses[stopping.evaluations().size()]);
      }
      if (step == most || stopping.isOver()) {
        return step;
      }
    }
  }

  @Test
  void looksAtTheStartEverySoManyStepsAndAtTheEnd() {
    EarlyStopping stopping = new EarlyStopping(3, 10);
    assertThat(run(stopping, 0, 7, 4, 3, 2, 1)).isEqualTo(7);
    assertThat(stopping.evaluations())
        .containsExactly(
            new HeldOut(0, 4), new HeldOut(3, 3), new HeldOut(6, 2), new HeldOut(7, 1));
    assertThat(stopping.bestStepOr(-1)).isEqualTo(7);
  }

  @Test
  void anEndThatWasDueAnywayIsLookedAtOnce() {
    EarlyStopping stopping = new EarlyStopping(3, 10);
    assertThat(run(stopping, 0, 6, 4, 3, 2)).isEqualTo(6);
    assertThat(stopping.evaluations()).hasSize(3);
    assertThat(stopping.isDue(6, true)).isFalse();
  }

  @Test
  void equalsAndWhatIsNotFiniteAreNoImprovement() {
    EarlyStopping stopping = new EarlyStopping(2, 4);
    double[] losses = {5, 4, 4, Double.NaN, Double.NEGATIVE_INFINITY, 4};
    assertThat(run(stopping, 0, 100, losses)).isEqualTo(10);
    assertThat(stopping.bestStepOr(-1)).isEqualTo(2);
  }

  @Test
  void aStartThatIsBestIsKept() {
    EarlyStopping stopping = new EarlyStopping(1, 3);
    assertThat(run(stopping, 0, 100, 1, 2, 2, 1)).isEqualTo(3);
    assertThat(stopping.bestStepOr(-1)).isZero();
  }

  @Test
  void withoutEvaluationsItIsNeverOver() {
    EarlyStopping stopping = new EarlyStopping(1, 1);
    assertThat(stopping.isOver()).isFalse();
    assertThat(stopping.bestStepOr(8)).isEqualTo(8);
  }

  static LongStream seeds() {
    return LongStream.range(0, 60);
  }

  /** What is kept is the least of all that was seen, and it ends when it should, resumed or not. */
  @ParameterizedTest
  @MethodSource("seeds")
  void keepsTheLeastAndGoesOnAsIfUninterrupted(long seed) {
    SplittableRandom random = new SplittableRandom(seed);
    int every = 1 + random.nextInt(4);
    int patience = 1 + random.nextInt(4);
    long most = random.nextInt(60);
    double[] losses = random.doubles(61, 0, 8).map(Math::floor).toArray();

    EarlyStopping whole = new EarlyStopping(every, patience);
    long made = run(whole, 0, most, losses);
    int least = 0;
    for (int i = 1; i < whole.evaluations().size(); i++) {
      least = losses[i] < losses[least] ? i : least;
    }
    assertThat(whole.bestStepOr(-1)).isEqualTo(whole.evaluations().get(least).step());
    int since = whole.evaluations().size() - 1 - least;
    assertThat(since).isLessThanOrEqualTo(patience);
    assertThat(whole.isOver()).isEqualTo(since == patience);
    assertThat(made == most || whole.isOver()).isTrue();

    EarlyStopping rest = new EarlyStopping(every, patience);
    int before = random.nextInt(whole.evaluations().size());
    whole.evaluations().subList(0, before).forEach(e -> rest.add(e.step(), e.score()));
    long from = before == 0 ? 0 : whole.evaluations().get(before - 1).step();
    assertThat(run(rest, from, most, losses)).isEqualTo(made);
    assertThat(rest.evaluations()).isEqualTo(whole.evaluations());
    assertThat(rest.bestStepOr(-1)).isEqualTo(whole.bestStepOr(-1));
  }

  @Test
  void whatMakesNoSenseIsRefused() {
    assertThatThrownBy(() -> new EarlyStopping(0, 3))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("evalEvery and patience must be at least 1, not 0 and 3");
    assertThatThrownBy(() -> new EarlyStopping(1, 0))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("evalEvery and patience must be at least 1, not 1 and 0");
    EarlyStopping stopping = new EarlyStopping(1, 1);
    stopping.add(4, 1);
    assertThatThrownBy(() -> stopping.add(4, 1))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("an evaluation after step 4 cannot follow one after step 4");
  }
}
