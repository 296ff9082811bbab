// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.util.List;
import org.junit.jupiter.api.Test;
import org.merganser.error.ShapeException;
import org.merganser.linalg.Tensor;
import org.merganser.model.Evaluation;
import org.merganser.torch.Examples;

class DisjointEnsembleTest {
  /** Model 0 has classes 0 and 2, model 1 class 1 and 3; what they say of others is ignored. */
  private static final List<int[]> CLASSES = List.of(new int[] {0, 2}, new int[] {1, 3});

  @Test
  void eachModelIsNormalisedOverItsOwnClasses() {
    double ln3 = Math.log(3);
    float[] a = {(float) (100 + ln3), 999, 100, -999, 0, 50, (float) Math.log(9), 50};
    float[] b = {999, 7, 500, (float) (7 + Math.log(1.5)), 1, 0, 1, 0};
    try (Tensor first = Tensor.of(a, 2, 4);
        Tensor second = Tensor.of(b, 2, 4);
        Tensor logits = DisjointEnsemble.logits(List.of(first, second), CLASSES);
        Examples data = new Examples(Tensor.of(new float[2], 2, 1), new int[] {0, 3}, 4)) {
      double[] wanted = {0.75, 0.4, 0.25, 0.6, 0.1, 0.5, 0.9, 0.5};
      for (int i = 0; i < wanted.length; i++) {
        assertThat(Math.exp(logits.get(i))).as("entry %d", i).isCloseTo(wanted[i], within(1e-5));
      }
      // Sample 0: class 0 wins, and is right; sample 1: class 2 wins, 3 is right.
      Evaluation found = Evaluation.ofLogits(logits, data);
      assertThat(found.accuracy()).isEqualTo(0.5);
      double loss = -(Math.log(0.75 / 2) + Math.log(0.5 / 2)) / 2;
      assertThat(found.loss()).isCloseTo(loss, within(1e-5));
    }
  }

  @Test
  void theClassesMustBeAllOfThem() {
    try (Tensor logits = Tensor.of(new float[4], 1, 4)) {
      assertThatThrownBy(
              () -> DisjointEnsemble.logits(List.of(logits, logits), List.of(new int[] {0, 1})))
          .isInstanceOf(ShapeException.class);
    }
  }
}
