// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import static org.assertj.core.api.Assertions.assertThat;
import static org.merganser.testing.Work.WS;

import java.io.IOException;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.lab.data.ExpertTask;
import org.merganser.lab.data.MadeTasks;
import org.merganser.linalg.Tensor;
import org.merganser.model.ExampleDifficulty;
import org.merganser.torch.Examples;

/** What is chosen is chosen on held-out examples: here test examples say the opposite. */
class HeldOutChoicesTest {
  private static final float[] INPUTS = {1, 1, 1, 2};
  private static final float[] ZEROS = new float[4];

  private static Examples training(int label) {
    int[] labels = new int[10];
    Arrays.fill(labels, label);
    return MadeTasks.examples(new float[10], labels);
  }

  private static ExpertScoring scoring(ExpertTask... tasks) {
    ExampleDifficulty any = ExampleDifficulty.of(new double[10]);
    return new ExpertScoring(List.of(tasks), Arrays.stream(tasks).map(t -> any).toList());
  }

  @Test
  void accuraciesAreThoseOfTheirParts() throws IOException {
    try (ExpertTask task =
        MadeTasks.of(
            "one",
            training(0),
            MadeTasks.examples(INPUTS, 1, 1, 1, 0),
            MadeTasks.examples(INPUTS, 0, 0, 0, 1))) {
      ExpertScoring scoring = scoring(task);
      // The class is 1 where the input is not 0.
      ExpertScoring.Model model =
          (t, data, ws) -> {
            Tensor logits = Tensor.of(new float[2 * data.size()], data.size(), 2);
            for (int i = 0; i < data.size(); i++) {
              logits.set(2L * i + 1, 2 * data.inputs().get(i) - 1);
            }
            return logits;
          };
      assertThat(scoring.heldOut(model, WS)).isEqualTo(0.75);
      TaskScores scores = scoring.score(model, WS).scores();
      assertThat(scores.heldOut()).containsExactly(0.75);
      assertThat(scores.test()).containsExactly(0.25);
      assertThat(scores.training()).containsExactly(1.0);
    }
  }

  /** {@code [0, max(0, slope x) - 1/2]}. */
  private static MemoryCheckpoint model(float slope) {
    Map<String, Tensor> tensors = new LinkedHashMap<>();
    tensors.put("fc1.weight", Tensor.of(new float[] {slope}, 1, 1));
    tensors.put("fc1.bias", Tensor.of(new float[] {0}, 1));
    tensors.put("head.weight", Tensor.of(new float[] {0, 1}, 2, 1));
    tensors.put("head.bias", Tensor.of(new float[] {0, -0.5f}, 2));
    return MemoryCheckpoint.of(tensors);
  }

  /**
   * The first task vector is a slope of 1, the second nothing. The class is 1 where {@code lambda
   * weight x > 1/2}, and held-out labels are 0, test labels 1.
   */
  @Test
  void settingsAndWeightsAreThoseBestOnHeldOutExamples() throws IOException {
    ExpertNetwork network = ExpertNetwork.of(ExpertArchitecture.MLP, List.of(1), 2, 1);
    ExpertMethods methods = ExpertMethods.of("task-arithmetic:lambda=1/0.4", 2, 0);
    try (MemoryCheckpoint base = model(0);
        MemoryCheckpoint expert = model(1);
        ExpertTask first =
            MadeTasks.of(
                "first",
                training(0),
                MadeTasks.examples(INPUTS, 0, 0, 0, 0),
                MadeTasks.examples(INPUTS, 1, 1, 1, 1));
        ExpertTask second =
            MadeTasks.of(
                "second",
                training(0),
                MadeTasks.examples(ZEROS, 0, 0, 0, 0),
                MadeTasks.examples(ZEROS, 0, 0, 0, 0))) {
      ExpertScoring scoring = scoring(first, second);
      ExpertMerging merging = new ExpertMerging(network, List.of(base, base), methods, scoring);
      List<Checkpoint> bodies = List.of(merging.body(expert), merging.body(base));
      ExpertScoring.Scored own =
          scoring.score((t, data, ws) -> Tensor.of(new float[2 * data.size()], data.size(), 2), WS);
      Map<String, ExpertPoint.Merged> merged = merging.merged(bodies, own, WS);
      assertThat(merged.get("task-arithmetic").chosen()).isEqualTo("lambda=0.4");
      assertThat(merged.get("task-arithmetic").scores().heldOut()).containsExactly(0.75, 1.0);
      assertThat(merged.get("task-arithmetic").scores().test()).containsExactly(0.25, 1.0);
      ExpertPoint.Merged weighed = merged.get("task-arithmetic" + ExpertMerging.WEIGHTS);
      assertThat(weighed.chosen()).isEqualTo("lambda=0.4,weights=0.5:1.0");
      assertThat(weighed.scores().heldOut()).containsExactly(1.0, 1.0);
      assertThat(weighed.scores().test()).containsExactly(0.0, 1.0);
      // Of a method with one lambda, and of one with none, where asked; weights of 1 are kept.
      ExpertMethods asked =
          ExpertMethods.of(
              "linear,task-arithmetic:lambda=0.4", Optional.of("task-arithmetic,linear"), 2, 0);
      Map<String, ExpertPoint.Merged> both =
          new ExpertMerging(network, List.of(base, base), asked, scoring).merged(bodies, own, WS);
      assertThat(both.keySet())
          .containsExactly(
              "linear", "linear+weights", "task-arithmetic", "task-arithmetic+weights");
      assertThat(both.get("linear+weights").chosen()).isEqualTo("weights=1.0:1.0");
      assertThat(both.get("linear+weights").scores()).isEqualTo(both.get("linear").scores());
      assertThat(both.get("task-arithmetic+weights").chosen())
          .isEqualTo("lambda=0.4,weights=0.5:1.0");
    }
  }
}
