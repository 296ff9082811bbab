// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.io.IOException;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.merganser.compute.Cancellation;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.error.CancelledException;
import org.merganser.error.ShapeException;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.linalg.Tensor;

class EvaluationTest {

  private static Examples labelled(int... labels) {
    return new Examples(Tensor.zeros(DType.F32, labels.length, 2), labels, 3);
  }

  @Test
  void accuracyAndLossOfKnownLogits() {
    try (Examples data = labelled(0, 2, 1);
        Tensor logits = Tensor.of(new float[] {2, 1, 0, 0, 0, 1, 3, 0, 3}, 3, 3)) {
      Evaluation found = Evaluation.ofLogits(logits, data);
      double first = -Math.log(Oracle.softmax(new double[] {2, 1, 0})[0]);
      double second = -Math.log(Oracle.softmax(new double[] {0, 0, 1})[2]);
      double third = -Math.log(Oracle.softmax(new double[] {3, 0, 3})[1]);
      assertThat(found.accuracy()).isEqualTo(2.0 / 3);
      assertThat(found.loss()).isCloseTo((first + second + third) / 3, within(1e-12));
    }
  }

  @Test
  void theFirstOfEqualLogitsCounts() {
    try (Examples data = labelled(0, 1);
        Tensor logits = Tensor.of(new float[] {1, 1, 1, 1, 1, 1}, 2, 3)) {
      assertThat(Evaluation.ofLogits(logits, data).accuracy()).isEqualTo(0.5);
    }
  }

  @Test
  void largeLogitsDoNotOverflow() {
    try (Examples data = labelled(0, 1);
        Tensor logits = Tensor.of(new float[] {1e30f, 0, 0, 1e4f, 0, 0}, 2, 3)) {
      assertThat(Evaluation.ofLogits(logits, data).loss()).isCloseTo(5e3, within(1e-6));
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
  }

  /** More samples than one batch, and a part of one. */
  @Test
  void ofAModelIsWhatAPlainPerceptronGives() throws IOException {
    TorchNetwork network = TorchNetwork.mlp(5, 9, 1, 4, Activation.RELU);
    try (Workspace ws = Workspace.builder().threads(1).open();
        Examples data = Oracle.clusters(1, 2345, 5, 4);
        MemoryCheckpoint theta = Oracle.random(network, 3);
        Tensor logits = Evaluation.logits(network, theta, data, ws)) {
      double[][] hidden =
          Oracle.apply(Activation.RELU, Oracle.layer(theta, "fc1", Oracle.rows(data.inputs()), ws));
      double[][] wanted = Oracle.layer(theta, "fc2", hidden, ws);
      assertThat(logits.shape()).containsExactly(2345, 4);
      assertThat(logits.toDoubleArray()).containsExactly(Oracle.flat(wanted), within(1e-4));
      int right = 0;
      double loss = 0;
      for (int s = 0; s < wanted.length; s++) {
        double[] p = Oracle.softmax(wanted[s]);
        int best = 0;
        for (int c = 1; c < p.length; c++) {
          best = wanted[s][c] > wanted[s][best] ? c : best;
        }
        right += best == data.labels()[s] ? 1 : 0;
        loss -= Math.log(p[data.labels()[s]]) / wanted.length;
      }
      Evaluation found = Evaluation.of(network, theta, data, ws);
      assertThat(found.accuracy()).isCloseTo(right / 2345.0, within(1e-3));
      assertThat(found.loss()).isCloseTo(loss, within(1e-4 * loss));
    }
  }

  @Test
  void cancellationStopsIt() {
    Cancellation cancellation = new Cancellation();
    cancellation.cancel();
    TorchNetwork network = TorchNetwork.mlp(5, 9, 1, 4, Activation.RELU);
    try (Workspace ws = Workspace.builder().threads(1).cancellation(cancellation).open();
        Examples data = Oracle.clusters(1, 20, 5, 4);
        MemoryCheckpoint theta = network.initialise(3)) {
      assertThatThrownBy(() -> Evaluation.of(network, theta, data, ws))
          .isInstanceOf(CancelledException.class);
    }
  }

  @Test
  void refusesLogitsOfOtherSizes() {
    try (Examples data = labelled(0, 1);
        Tensor few = Tensor.zeros(DType.F32, 1, 3);
        Tensor narrow = Tensor.zeros(DType.F32, 2, 2)) {
      assertThatThrownBy(() -> Evaluation.ofLogits(few, data))
          .isInstanceOf(ShapeException.class)
          .hasMessage("logits are F32 [1, 3] for 2 samples of 3 classes");
      assertThatThrownBy(() -> Evaluation.ofLogits(narrow, data))
          .isInstanceOf(ShapeException.class)
          .hasMessage("logits are F32 [2, 2] for 2 samples of 3 classes");
    }
  }

  @Test
  void examplesAreChecked() {
    assertThatThrownBy(() -> labelled(0, 3))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("label 3 of sample 1 is not in 0..2");
    assertThatThrownBy(() -> labelled(-1)).hasMessage("label -1 of sample 0 is not in 0..2");
    assertThatThrownBy(() -> labelled()).isInstanceOf(ShapeException.class);
    try (Tensor three = Tensor.zeros(DType.F32, 3, 2);
        Tensor wide = Tensor.zeros(DType.F64, 2, 2)) {
      assertThatThrownBy(() -> new Examples(three, new int[2], 1))
          .isInstanceOf(ShapeException.class)
          .hasMessageContaining("F32 [3, 2] and 2 labels");
      assertThatThrownBy(() -> new Examples(wide, new int[2], 1))
          .isInstanceOf(ShapeException.class);
    }
    try (Examples data = labelled(0, 1, 2)) {
      assertThat(data.first(2).labels()).containsExactly(0, 1);
      assertThat(data.first(2).inputs().shape()).containsExactly(2, 2);
      for (int count : new int[] {0, 4}) {
        assertThatThrownBy(() -> data.first(count))
            .isInstanceOf(IllegalArgumentException.class)
            .hasMessage("cannot take " + count + " of 3 samples; give 1 to 3");
      }
    }
  }
}
