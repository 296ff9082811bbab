// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.merganser.torch.Examples;

class SyntheticTasksTest {
  private static final TaskSizes FEW = new TaskSizes(40, 60, 30, 50);

  private static List<Examples> parts(ExpertTask task) {
    return List.of(task.pretraining(), task.train(), task.heldOut(), task.test());
  }

  @Test
  void hasTheSizesOfTheStudy() {
    try (ExpertTasks tasks = SyntheticTasks.draw(0, 0)) {
      assertThat(tasks.tasks()).hasSize(6);
      for (ExpertTask task : tasks.tasks()) {
        assertThat(parts(task)).extracting(Examples::size).containsExactly(1000, 1000, 500, 2000);
        assertThat(task.train().inputs().shape()).containsExactly(1000, 48);
        assertThat(task.classes()).containsExactly(0, 1, 2, 3, 4, 5, 6, 7);
        assertThat(task.noisySamples()).isEmpty();
        // Every class occurs, and none is most of a task.
        long[] counts = new long[8];
        Arrays.stream(task.test().labels()).forEach(label -> counts[label]++);
        assertThat(Arrays.stream(counts).min().orElseThrow()).isPositive();
        assertThat(Arrays.stream(counts).max().orElseThrow()).isLessThan(1000);
      }
    }
  }

  @Test
  void noExampleIsTwiceInAnyPart() {
    try (ExpertTasks tasks = SyntheticTasks.draw(FEW, 0, 3)) {
      Set<List<Float>> seen = new HashSet<>();
      for (ExpertTask task : tasks.tasks()) {
        for (Examples part : parts(task)) {
          float[] values = part.inputs().toFloatArray();
          for (int i = 0; i < part.size(); i++) {
            List<Float> row = new ArrayList<>();
            for (int f = 0; f < 48; f++) {
              row.add(values[48 * i + f]);
            }
            assertThat(seen.add(row)).isTrue();
          }
        }
      }
      assertThat(seen).hasSize(6 * 180);
    }
  }

  @Test
  void theSeedDecidesEverything() {
    try (ExpertTasks first = SyntheticTasks.draw(FEW, 0.2, 1);
        ExpertTasks again = SyntheticTasks.draw(FEW, 0.2, 1);
        ExpertTasks other = SyntheticTasks.draw(FEW, 0.2, 2);
        Examples mixture = first.mixture(5);
        Examples same = again.mixture(5)) {
      for (int t = 0; t < 6; t++) {
        ExpertTask task = first.tasks().get(t);
        assertThat(parts(task))
            .extracting(Examples::digest)
            .isEqualTo(parts(again.tasks().get(t)).stream().map(Examples::digest).toList());
        assertThat(task.noisy()).isEqualTo(again.tasks().get(t).noisy());
        assertThat(task.train().digest()).isNotEqualTo(other.tasks().get(t).train().digest());
      }
      assertThat(mixture.digest()).isEqualTo(same.digest());
    }
  }

  @Test
  void aPartDoesNotDependOnTheSizesOfOthers() {
    try (ExpertTasks few = SyntheticTasks.draw(FEW, 0, 1);
        ExpertTasks more = SyntheticTasks.draw(new TaskSizes(41, 61, 31, 51), 0, 1)) {
      Examples first = more.tasks().get(4).test().first(50);
      assertThat(few.tasks().get(4).test().digest()).isEqualTo(first.digest());
    }
  }

  @Test
  void meansOfTasksDifferAndInputsHaveDeviationOne() {
    try (ExpertTasks tasks = SyntheticTasks.draw(0, 7)) {
      double apart = 0;
      for (ExpertTask task : tasks.tasks()) {
        float[] x = task.test().inputs().toFloatArray();
        for (int f = 0; f < 48; f++) {
          double mean = 0;
          double square = 0;
          for (int i = 0; i < 2000; i++) {
            mean += x[48 * i + f] / 2000.0;
            square += (double) x[48 * i + f] * x[48 * i + f] / 2000;
          }
          assertThat(square - mean * mean).isCloseTo(1, within(0.2));
          apart += mean * mean / (6 * 48);
        }
      }
      assertThat(Math.sqrt(apart)).isCloseTo(0.5, within(0.06));
    }
  }

  @ParameterizedTest
  @ValueSource(doubles = {0.1, 0.2, 1})
  void wrongLabelsAreAsManyAsAskedForAndOnlyInTraining(double rate) {
    TaskSizes sizes = new TaskSizes(20, 1000, 20, 20);
    try (ExpertTasks clean = SyntheticTasks.draw(sizes, 0, 11);
        ExpertTasks noisy = SyntheticTasks.draw(sizes, rate, 11)) {
      for (int t = 0; t < 6; t++) {
        ExpertTask right = clean.tasks().get(t);
        ExpertTask wrong = noisy.tasks().get(t);
        assertThat(wrong.noisySamples()).hasSize((int) (1000 * rate));
        assertThat(wrong.train().inputs().sameBytes(right.train().inputs())).isTrue();
        for (int i = 0; i < 1000; i++) {
          assertThat(wrong.train().label(i) != right.train().label(i)).isEqualTo(wrong.noisy()[i]);
        }
        for (int part : new int[] {0, 2, 3}) {
          assertThat(parts(wrong).get(part).digest()).isEqualTo(parts(right).get(part).digest());
        }
      }
    }
  }

  @Test
  void wrongLabelsAreUniformOverTheOtherClasses() {
    int n = 70_000;
    LabelNoise noise = LabelNoise.of(new int[n], new int[] {0, 2, 5, 7}, 0.9, 1, "uniform");
    long[] counts = new long[8];
    Arrays.stream(noise.labels()).forEach(label -> counts[label]++);
    assertThat(counts[0]).isEqualTo(7000);
    for (int c : new int[] {2, 5, 7}) {
      // Five deviations of a binomial of 63000 and a third.
      assertThat((double) counts[c]).isCloseTo(21_000, within(5 * 118.4));
    }
  }

  @Test
  void theMixtureHasAllSharesAndNothingElse() {
    try (ExpertTasks tasks = SyntheticTasks.draw(FEW, 0.5, 1);
        Examples mixture = tasks.mixture(9)) {
      assertThat(mixture.size()).isEqualTo(240);
      double sum = 0;
      double abs = 0;
      long labels = 0;
      for (ExpertTask task : tasks.tasks()) {
        for (float x : task.pretraining().inputs().toFloatArray()) {
          sum += x * (double) x;
          abs += x * (double) x;
        }
        labels += Arrays.stream(task.pretraining().labels()).asLongStream().sum();
      }
      for (float x : mixture.inputs().toFloatArray()) {
        sum -= x * (double) x;
      }
      assertThat(sum).isCloseTo(0, within(1e-12 * abs));
      assertThat(Arrays.stream(mixture.labels()).sum()).isEqualTo((int) labels);
      // In another order than task by task.
      Examples first = tasks.tasks().get(0).pretraining();
      assertThat(mixture.first(40).digest()).isNotEqualTo(first.digest());
    }
  }

  @ParameterizedTest
  @ValueSource(doubles = {-0.1, 1.1, Double.NaN})
  void refusesRatesThatAreNone(double rate) {
    assertThatThrownBy(() -> SyntheticTasks.draw(rate, 0))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("label noise is the share of wrong labels, 0 to 1, not " + rate);
  }

  @Test
  void refusesImpossibleSizes() {
    assertThatThrownBy(() -> new TaskSizes(1, 2, 0, 3))
        .hasMessage(
            "a task needs at least 1 example of each part, not 1 for pre-training, 2 for training,"
                + " 0 held out and 3 for the test");
    assertThatThrownBy(() -> SyntheticTasks.draw(new TaskSizes(1, 1, 1, 1_000_001), 0, 0))
        .hasMessage("cannot draw 1000001 examples of a task; ask for 1000000 at most");
  }
}
