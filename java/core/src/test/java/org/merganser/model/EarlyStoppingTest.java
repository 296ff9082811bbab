// SPDX-License-Identifier: Apache-2.0
package org.merganser.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.DoubleStream;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.merganser.model.EarlyStopping.HeldOut;
import org.merganser.model.EarlyStopping.Policy;
import org.merganser.model.EarlyStopping.Score;

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
  void whatIsNeverFiniteUsesUpPatience() {
    EarlyStopping stopping = new EarlyStopping(1, 3);
    assertThat(run(stopping, 0, 100, Double.NaN, Double.NaN, Double.NaN, 1)).isEqualTo(2);
    assertThat(stopping.bestStepOr(-1)).isEqualTo(-1);

    EarlyStopping late = new EarlyStopping(1, 3);
    assertThat(run(late, 0, 100, Double.NaN, Double.NaN, 4, 5, 5, 5)).isEqualTo(5);
    assertThat(late.bestStepOr(-1)).isEqualTo(2);
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

  /** The loop of the documentation; the rate of each step, and in the end what was kept. */
  private static List<Double> descend(EarlyStopping stopping, long most, double... scores) {
    List<Double> rates = new ArrayList<>();
    long kept = -1;
    for (long step = 0; ; step++) {
      if (stopping.isDue(step, step == most)
          && stopping.add(step, scores[stopping.evaluations().size()])) {
        kept = step;
      }
      if (step == most || stopping.isOver()) {
        break;
      }
      rates.add(stopping.rate(step));
    }
    assertThat(stopping.bestStepOr(-1)).isEqualTo(kept);
    return rates;
  }

  /** Spec of the policy, by hand: evaluations at 5, 10, ..., or at 0 too; the start is no best. */
  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void aPlateauLowersTheRateAndTheThirdEndsIt(boolean fromStart) {
    EarlyStopping stopping = new EarlyStopping(Policy.plateau(1000).fromStart(fromStart));
    double[] trained = {.6, .6, .59, .6, .7, .7, .7, .65, .1, .2, .3};
    double[] scores =
        fromStart
            ? DoubleStream.concat(DoubleStream.of(.5), Arrays.stream(trained)).toArray()
            : trained;
    List<Double> rates = descend(stopping, 1000, scores);
    assertThat(rates).hasSize(55);
    for (int step = 0; step < 55; step++) {
      double wanted = step < 10 ? (step + 1) / 10.0 : step < 20 ? 1 : step < 40 ? .5 : .25;
      assertThat(rates.get(step)).as("step " + step).isEqualTo(wanted);
    }
    assertThat(stopping.reductions()).isEqualTo(3);
    assertThat(stopping.isOver()).isTrue();
    assertThat(stopping.bestStepOr(-1)).isEqualTo(25);
    assertThat(stopping.evaluations().get(0).step()).isEqualTo(fromStart ? 0 : 5);
  }

  /** A start better than all that follows is kept only where it is looked at. */
  @Test
  void theStartIsALengthOnlyWhereThePolicySaysSo() {
    assertThat(Policy.plateau(100).fromStart()).isFalse();
    assertThat(Policy.leastLoss(5, 3).fromStart()).isTrue();
    EarlyStopping with = new EarlyStopping(Policy.plateau(100).fromStart(true));
    assertThat(descend(with, 100, .9, .8, .7, .6, .5, .4, .3, .2, .1, .1)).hasSize(45);
    assertThat(with.bestStepOr(-1)).isZero();
    EarlyStopping without = new EarlyStopping(Policy.plateau(100));
    assertThat(descend(without, 100, .8, .7, .6, .5, .4, .3, .2, .1, .1, .1)).hasSize(50);
    assertThat(without.bestStepOr(-1)).isEqualTo(5);
    assertThat(without.evaluations()).extracting(HeldOut::step).startsWith(5L, 10L);
    // There is nothing else when no step is made.
    assertThat(new EarlyStopping(Policy.plateau(100)).isDue(0, true)).isTrue();
  }

  @Test
  void aPolicyIsChangedInParts() {
    assertThat(Policy.plateau(9).every(2, 4, 6))
        .isEqualTo(new Policy(Score.ACCURACY, 10, 2, 4, .5, 0, 6, 9, false));
    assertThat(Policy.leastLoss(2, 4).fromStart(false))
        .isEqualTo(new Policy(Score.LOSS, 0, 2, 4, 1, 0, 1, Long.MAX_VALUE, false));
  }

  /** An improvement begins the patience anew, but takes back no reduction. */
  @Test
  void reductionsAreNotForgiven() {
    Policy policy = new Policy(Score.ACCURACY, 0, 1, 2, .1, 0, 2, 100, true);
    EarlyStopping stopping = new EarlyStopping(policy);
    List<Double> rates = descend(stopping, 100, .5, .4, .4, .6, .5, .7, .6, .6);
    assertThat(rates).containsExactly(1.0, 1.0, .1, .1, .1, .1, .1);
    assertThat(stopping.bestStepOr(-1)).isEqualTo(5);
  }

  @Test
  void moreAccuracyOrLessLossByMoreThanTheDeltaIsBetter() {
    for (Score score : Score.values()) {
      double sign = score == Score.LOSS ? -1 : 1;
      Policy policy = new Policy(score, 0, 1, 9, .5, .25, 1, 100, true);
      EarlyStopping stopping = new EarlyStopping(policy);
      assertThat(stopping.add(0, 4 * sign)).isTrue();
      assertThat(stopping.add(1, 4.25 * sign)).isFalse();
      assertThat(stopping.add(2, 4.5 * sign)).isTrue();
      assertThat(stopping.add(3, 4.625 * sign)).isFalse();
      assertThat(stopping.add(4, 4.75 * sign)).isFalse();
      assertThat(stopping.add(5, 4.875 * sign)).isTrue();
      assertThat(stopping.add(6, Double.NaN)).isFalse();
      assertThat(stopping.bestStepOr(-1)).isEqualTo(5);
    }
  }

  @Test
  void theLastStepIsLookedAtWhereverItIs() {
    Policy policy = new Policy(Score.LOSS, 0, 5, 3, .5, 0, 3, 12, true);
    EarlyStopping stopping = new EarlyStopping(policy);
    assertThat(descend(stopping, 1000, 4, 3, 2, 1)).hasSize(12);
    assertThat(stopping.evaluations()).last().isEqualTo(new HeldOut(12, 1));
    assertThat(stopping.isOver()).isTrue();
    assertThat(stopping.reductions()).isZero();
  }

  @Test
  void anInterruptedPlateauGoesOn() {
    double[] scores = {.5, .6, .6, .59, .6, .7, .7, .7, .65, .1, .2, .3};
    Policy policy = Policy.plateau(1000).fromStart(true);
    EarlyStopping whole = new EarlyStopping(policy);
    List<Double> rates = descend(whole, 1000, scores);
    for (int before = 1; before < whole.evaluations().size(); before++) {
      EarlyStopping rest = new EarlyStopping(policy);
      whole.evaluations().subList(0, before).forEach(e -> rest.add(e.step(), e.score()));
      long step = whole.evaluations().get(before - 1).step();
      assertThat(rest.rate(step)).isEqualTo(rates.get((int) step));
      run(rest, step, 1000, scores);
      assertThat(rest.evaluations()).isEqualTo(whole.evaluations());
      assertThat(rest.reductions()).isEqualTo(3);
    }
  }

  @Test
  void policiesThatMakeNoSenseAreRefused() {
    assertThatThrownBy(() -> new Policy(Score.LOSS, -1, 1, 1, .5, 0, 1, 1, true))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage(
            "warmUp must be at least 0, maxReductions and maxSteps at least 1, not -1, 1 and 1");
    assertThatThrownBy(() -> Policy.plateau(0))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage(
            "warmUp must be at least 0, maxReductions and maxSteps at least 1, not 10, 3 and 0");
    for (double factor : new double[] {0, 1.5, Double.NaN}) {
      assertThatThrownBy(() -> new Policy(Score.LOSS, 0, 1, 1, factor, 0, 1, 1, true))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessage(
              "factor must be in (0, 1] and minDelta at least 0, not " + factor + " and 0.0");
    }
    assertThatThrownBy(() -> new Policy(Score.LOSS, 0, 1, 1, 1, -1, 1, 1, true))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("factor must be in (0, 1] and minDelta at least 0, not 1.0 and -1.0");
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
