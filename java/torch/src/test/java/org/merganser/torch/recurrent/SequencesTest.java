// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch.recurrent;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.Arrays;
import org.junit.jupiter.api.Test;
import org.merganser.error.ShapeException;
import org.merganser.linalg.Tensor;
import org.merganser.torch.Examples;

class SequencesTest {

  private static Examples images() {
    float[] values = new float[2 * 12];
    for (int i = 0; i < values.length; i++) {
      values[i] = i - 5;
    }
    return new Examples(Tensor.of(values, 2, 1, 3, 4), new int[] {1, 0}, 2);
  }

  private static float[] values(Sequences sequences, int i) {
    try (Tensor x = sequences.inputs(i)) {
      return x.toFloatArray();
    }
  }

  @Test
  void imagesGiveTheirRowsOrTheirPixels() {
    try (Examples images = images()) {
      Sequences rows = Sequences.cut(images, 3);
      assertThat(rows).hasToString("2 sequences of 3 steps of 4 values");
      try (Tensor x = rows.inputs(1, 0)) {
        assertThat(x.shape()).containsExactly(2, 3, 4);
        assertThat(x.get(0)).isEqualTo(7);
      }
      assertThat(rows.labels()).containsExactly(1, 0);
      assertThat(Sequences.cut(images, 12).width()).isEqualTo(1);
      assertThatThrownBy(() -> Sequences.cut(images, 5))
          .isInstanceOf(ShapeException.class)
          .hasMessageContaining("samples of 12 values do not cut into 5 steps");
    }
  }

  @Test
  void onePermutationMovesThePixelsOfAllImages() {
    try (Examples images = images()) {
      Sequences permuted = Sequences.permuted(images, 3);
      float[] first = values(permuted, 0);
      float[] second = values(permuted, 1);
      for (int i = 0; i < 12; i++) {
        assertThat(second[i]).isEqualTo(first[i] + 12);
      }
      float[] sorted = first.clone();
      Arrays.sort(sorted);
      assertThat(sorted).containsExactly(values(Sequences.cut(images, 12), 0));
      assertThat(first).isNotEqualTo(sorted);
      assertThat(first).isNotEqualTo(values(Sequences.permuted(images, 4), 0));
    }
  }

  @Test
  void unequalLengthsAreRefusedByName() {
    float[][][] inputs = {new float[3][2], new float[4][2]};
    assertThatThrownBy(() -> Sequences.of(inputs, new int[2], 2))
        .isInstanceOf(ShapeException.class)
        .hasMessageContaining("sequence 1 has 4 steps, sequence 0 has 3");
    float[][][] ragged = {{{1, 2}, {1}}};
    assertThatThrownBy(() -> Sequences.of(ragged, new int[1], 2))
        .isInstanceOf(ShapeException.class)
        .hasMessageContaining("step 1 of sequence 0 has 1 values");
  }

  @Test
  void noSequenceAndNoStepAreRefused() {
    for (float[][][] nothing : new float[][][][] {{}, {{}}}) {
      assertThatThrownBy(() -> Sequences.of(nothing, new int[nothing.length], 2))
          .isInstanceOf(ShapeException.class)
          .hasMessageContaining("at least one sequence, step and value");
    }
  }

  @Test
  void changesOfInputsAreWhatTheySay() {
    try (Examples images = images()) {
      Sequences rows = Sequences.cut(images, 12);
      assertThat(values(rows.changed(new Sequences.Change.Affine(2, 1)), 0)[3]).isEqualTo(-3);
      // Standardised in F32, every byte comes back as it was.
      float[][][] bytes = new float[256][1][1];
      for (int k = 0; k < 256; k++) {
        bytes[k][0][0] = (float) ((k / 255.0 - .2861) / .3530);
      }
      Sequences standard = Sequences.of(bytes, new int[256], 1);
      Sequences pixels = standard.changed(new Sequences.Change.Pixels(.2861, .3530));
      for (int k = 0; k < 256; k++) {
        assertThat(values(pixels, k)).containsExactly((float) (k / 255.0));
      }
      float[] stepped = values(rows.changed(new Sequences.Change.Step(1, .5, .75)), 1);
      float[] plain = values(rows, 1);
      for (int t = 0; t < 12; t++) {
        // Strictly between steps 6 and 9.
        assertThat(stepped[t]).isEqualTo(t == 7 || t == 8 ? 2 * plain[t] : plain[t]);
      }
      float[] waved = values(rows.changed(new Sequences.Change.Sin(1, 0, .5)), 1);
      float[] negative = values(rows.changed(new Sequences.Change.Sin(1, 0, .5)), 0);
      assertThat(waved[3]).isEqualTo(1.5f * plain[3]);
      assertThat(waved[9]).isEqualTo(.5f * plain[9]);
      assertThat(negative[2]).isEqualTo(-3);
    }
  }
}
