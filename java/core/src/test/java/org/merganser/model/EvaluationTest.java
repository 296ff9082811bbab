// SPDX-License-Identifier: Apache-2.0
package org.merganser.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;
import static org.merganser.testing.Work.WS;

import java.io.IOException;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.merganser.compute.Cancellation;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.error.CancelledException;
import org.merganser.error.ShapeException;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.linalg.Tensor;
import org.merganser.testing.JavaNetwork;
import org.merganser.testing.JavaNetwork.Activation;
import org.merganser.testing.LabelledRows;
import org.merganser.testing.Oracle;

class EvaluationTest {
  private static final JavaNetwork NETWORK = JavaNetwork.mlp(Activation.RELU, 5, 9, 4);

  private static Inputs.Labelled labelled(int... labels) {
    return new LabelledRows(new double[labels.length][2], labels, 3, 2);
  }

  private static double crossEntropy(double[] logits, int label) {
    double sum = 0;
    for (double logit : logits) {
      sum += Math.exp(logit);
    }
    return Math.log(sum) - logits[label];
  }

  @Test
  void accuracyAndLossOfKnownLogits() {
    try (Tensor logits = Tensor.of(new float[] {2, 1, 0, 0, 0, 1, 3, 0, 3}, 3, 3)) {
      Evaluation found = Evaluation.ofLogits(logits, labelled(0, 2, 1));
      double loss =
          crossEntropy(new double[] {2, 1, 0}, 0)
              + crossEntropy(new double[] {0, 0, 1}, 2)
              + crossEntropy(new double[] {3, 0, 3}, 1);
      assertThat(found.accuracy()).isEqualTo(2.0 / 3);
      assertThat(found.loss()).isCloseTo(loss / 3, within(1e-12));
    }
  }

  @Test
  void theFirstOfEqualLogitsCounts() {
    try (Tensor logits = Tensor.of(new float[] {1, 1, 1, 1, 1, 1}, 2, 3)) {
      assertThat(Evaluation.ofLogits(logits, labelled(0, 1)).accuracy()).isEqualTo(0.5);
    }
  }

  @Test
  void largeLogitsDoNotOverflow() {
    try (Tensor logits = Tensor.of(new float[] {1e30f, 0, 0, 1e4f, 0, 0}, 2, 3)) {
      assertThat(Evaluation.ofLogits(logits, labelled(0, 1)).loss()).isCloseTo(5e3, within(1e-6));
    }
  }

  @Test
  void anEnsembleIsTheMeanOfLogits() {
    try (Tensor a = Tensor.of(new float[] {1, 2, 3, 4}, 2, 2);
        Tensor b = Tensor.of(new float[] {3, 0, 1, 0}, 2, 2);
        Tensor c = Tensor.of(new float[] {5, 1, 2, 2}, 2, 2);
        Tensor mean = Evaluation.mean(List.of(a, b, c))) {
      assertThat(mean.toFloatArray()).containsExactly(3, 1, 2, 2);
      assertThat(a.toFloatArray()).containsExactly(1, 2, 3, 4);
    }
    assertThatThrownBy(() -> Evaluation.mean(List.of()))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("an ensemble of no models has no logits");
  }

  /** Model 0 has classes 0 and 2, model 1 class 1 and 3; what they say of others is ignored. */
  @Test
  void modelsWithClassesOfTheirOwnAreNormalisedOverThem() {
    List<int[]> classes = List.of(new int[] {0, 2}, new int[] {1, 3});
    double ln3 = Math.log(3);
    float[] a = {(float) (100 + ln3), 999, 100, -999, 0, 50, (float) Math.log(9), 50};
    float[] b = {999, 7, 500, (float) (7 + Math.log(1.5)), 1, 0, 1, 0};
    try (Tensor first = Tensor.of(a, 2, 4);
        Tensor second = Tensor.of(b, 2, 4);
        Tensor logits = Evaluation.disjoint(List.of(first, second), classes)) {
      double[] wanted = {0.75, 0.4, 0.25, 0.6, 0.1, 0.5, 0.9, 0.5};
      for (int i = 0; i < wanted.length; i++) {
        assertThat(Math.exp(logits.get(i))).as("entry %d", i).isCloseTo(wanted[i], within(1e-5));
      }
      // Sample 0: class 0 wins, and is right; sample 1: class 2 wins, 3 is right.
      Inputs.Labelled data = new LabelledRows(new double[2][2], new int[] {0, 3}, 4, 2);
      Evaluation found = Evaluation.ofLogits(logits, data);
      assertThat(found.accuracy()).isEqualTo(0.5);
      double loss = -(Math.log(0.75 / 2) + Math.log(0.5 / 2)) / 2;
      assertThat(found.loss()).isCloseTo(loss, within(1e-5));
    }
  }

  @Test
  void theClassesOfAnEnsembleMustBeAllOfThemOnce() {
    try (Tensor logits = Tensor.of(new float[4], 1, 4)) {
      List<Tensor> two = List.of(logits, logits);
      for (int[] second : new int[][] {{2}, {1, 2, 3}, {2, 4}}) {
        assertThatThrownBy(() -> Evaluation.disjoint(two, List.of(new int[] {0, 1}, second)))
            .isInstanceOf(ShapeException.class)
            .hasMessageContaining("each class once");
      }
      assertThatThrownBy(() -> Evaluation.disjoint(two, List.of(new int[] {0, 1, 2, 3})))
          .isInstanceOf(ShapeException.class)
          .hasMessageStartingWith("2 models for 1 parts");
    }
  }

  /** Whatever the batches, and however many of them run at once. */
  @ParameterizedTest
  @CsvSource({"1, 7", "3, 7", "3, 50", "8, 100"})
  void logitsOfAModelAreInTheOrderOfTheSamples(int threads, int batch) throws IOException {
    double[][] x = Oracle.gaussian(101, 5, 2);
    try (Workspace ws = Workspace.builder().threads(threads).open();
        MemoryCheckpoint theta = NETWORK.random(DType.F32, 3, ws)) {
      LabelledRows data = LabelledRows.by(NETWORK, theta, x, batch, ws);
      double[][] wanted = NETWORK.outputs(theta, x, ws);
      try (Tensor logits = Evaluation.logits(NETWORK, theta, data, ws)) {
        assertThat(logits.shape()).containsExactly(101, 4);
        assertThat(logits.dtype()).isEqualTo(DType.F32);
        double loss = 0;
        for (int i = 0; i < 101; i++) {
          for (int c = 0; c < 4; c++) {
            assertThat((float) logits.get(4L * i + c)).isEqualTo((float) wanted[i][c]);
          }
          loss += crossEntropy(wanted[i], data.label(i)) / 101;
        }
        Evaluation found = Evaluation.of(NETWORK, theta, data, ws);
        assertThat(found.accuracy()).isEqualTo(1);
        assertThat(found.loss()).isCloseTo(loss, within(1e-6));
      }
    }
  }

  @Test
  void cancellationStopsIt() {
    Cancellation cancellation = new Cancellation();
    cancellation.cancel();
    try (Workspace ws = Workspace.builder().threads(1).cancellation(cancellation).open();
        MemoryCheckpoint theta = NETWORK.random(DType.F32, 3, WS)) {
      LabelledRows data = new LabelledRows(new double[3][5], new int[3], 4, 2);
      assertThatThrownBy(() -> Evaluation.of(NETWORK, theta, data, ws))
          .isInstanceOf(CancelledException.class);
    }
  }

  @Test
  void refusesLogitsOfOtherSizes() {
    try (Tensor few = Tensor.zeros(DType.F32, 1, 3);
        Tensor narrow = Tensor.zeros(DType.F32, 2, 2);
        MemoryCheckpoint theta = NETWORK.random(DType.F32, 3, WS)) {
      assertThatThrownBy(() -> Evaluation.ofLogits(few, labelled(0, 1)))
          .isInstanceOf(ShapeException.class)
          .hasMessage("logits are F32 [1, 3] for 2 samples of 3 classes");
      assertThatThrownBy(() -> Evaluation.ofLogits(narrow, labelled(0, 1)))
          .isInstanceOf(ShapeException.class)
          .hasMessage("logits are F32 [2, 2] for 2 samples of 3 classes");
      LabelledRows fiveClasses = new LabelledRows(new double[3][5], new int[3], 5, 2);
      assertThatThrownBy(() -> Evaluation.logits(NETWORK, theta, fiveClasses, WS))
          .isInstanceOf(ShapeException.class)
          .hasMessage("output of the network is F64 [2, 4], needed F64 [2, 5]");
    }
  }

  @Test
  void refusesLabelsThatDoNotBelongToTheBatches() {
    try (MemoryCheckpoint theta = NETWORK.random(DType.F32, 3, WS);
        Tensor logits = Tensor.zeros(DType.F32, 2, 3)) {
      for (int labels : new int[] {5, 7, 8}) {
        LabelledRows data = new LabelledRows(new double[6][5], new int[labels], 4, 2);
        assertThatThrownBy(() -> Evaluation.of(NETWORK, theta, data, WS))
            .isInstanceOf(IllegalArgumentException.class)
            .hasMessage("the data have " + labels + " samples with labels, and batches of 6");
      }
      assertThatThrownBy(() -> Evaluation.ofLogits(logits, labelled(0, 3)))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessage("label 3 of sample 1 is not in 0..2");
    }
  }
}
