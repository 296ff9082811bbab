// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import java.util.Arrays;
import java.util.List;
import java.util.function.IntUnaryOperator;
import java.util.stream.IntStream;
import org.merganser.lab.data.DataSet;
import org.merganser.linalg.Matrix;
import org.merganser.linalg.Tensor;
import org.merganser.torch.Examples;
import org.merganser.torch.recurrent.Sequences;

/** Grey images as sequences of their rows, of pixels in [0, 1]: a blank row is no input. */
record RowImages(Sequences train, Sequences test) {

  static RowImages of(DataSet images) {
    List<Double> mean = images.pixels().orElseThrow().mean();
    List<Double> sd = images.pixels().orElseThrow().sd();
    int size = Math.toIntExact(images.inputSize());
    int side = (int) Math.round(Math.sqrt(size));
    if (mean.size() != 1 || side * side != size) {
      throw new IllegalArgumentException(
          "rows are read of grey, square images; those of %s have %d channels and %d values"
              .formatted(images.name(), mean.size(), size));
    }
    Sequences.Change pixels = new Sequences.Change.Pixels(mean.get(0), sd.get(0));
    return new RowImages(rows(images.train(), side, pixels), rows(images.test(), side, pixels));
  }

  private static Sequences rows(Examples images, int side, Sequences.Change pixels) {
    return Sequences.cut(images, side).changed(pixels);
  }

  int steps() {
    return train.steps();
  }

  int width() {
    return train.width();
  }

  int classes() {
    return train.classes();
  }

  /** All pixels of sequences, [sequences x steps x width]. */
  static float[] pixels(Sequences sequences) {
    try (Tensor all = sequences.inputs(IntStream.range(0, sequences.size()).toArray())) {
      return all.toFloatArray();
    }
  }

  /** One step of all sequences, [sequences x width]. */
  static Matrix step(float[] pixels, Sequences sequences, int step) {
    int width = sequences.width();
    double[] values = new double[sequences.size() * width];
    for (int at = 0; at < values.length; at++) {
      values[at] = pixels[(at / width * sequences.steps() + step) * width + at % width];
    }
    return Matrix.of(Tensor.of(values, sequences.size(), width));
  }

  /**
   * The test images with other rows.
   *
   * @param row the row of an image that is read at a step; blank where there is none
   */
  Sequences changed(int steps, IntUnaryOperator row) {
    float[] all = pixels(test);
    float[][][] rows = new float[test.size()][steps][width()];
    for (int i = 0; i < rows.length; i++) {
      for (int t = 0; t < steps; t++) {
        int from = row.applyAsInt(t);
        if (from >= 0 && from < steps()) {
          int at = (i * steps() + from) * width();
          rows[i][t] = Arrays.copyOfRange(all, at, at + width());
        }
      }
    }
    return Sequences.of(rows, test.labels(), classes());
  }
}
