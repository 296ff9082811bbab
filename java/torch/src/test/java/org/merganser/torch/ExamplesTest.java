// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.io.IOException;
import org.junit.jupiter.api.Test;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.error.ShapeException;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.linalg.Tensor;
import org.merganser.model.Evaluation;
import org.merganser.torch.layers.Activation;

class ExamplesTest {

  private static Examples labelled(int... labels) {
    return new Examples(Tensor.zeros(DType.F32, labels.length, 2), labels, 3);
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
