// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.OptionalInt;
import org.merganser.internal.Seeds;
import org.merganser.lab.data.DataSet;
import org.merganser.lab.data.ImageFiles;
import org.merganser.lab.data.ImageForm;
import org.merganser.torch.Examples;
import org.merganser.torch.recurrent.RnnInit;
import org.merganser.torch.recurrent.SequenceTasks.Copy;
import org.merganser.torch.recurrent.Sequences;
import org.merganser.torch.recurrent.Sequences.Change;

/** What recurrent networks are trained on. */
public enum SequenceTask {
  /** A row of an image at each step. */
  ROWS,
  /** A pixel at each step, of images a quarter the size, all in one random order. */
  PIXELS,
  /** Ten symbols to be said again after a delay. */
  COPY;

  /** Samples that scores are measured on, at most. */
  private static final int SCORED = 1000;

  /** Name in files and rows. */
  String id() {
    return name().toLowerCase(Locale.ROOT);
  }

  /**
   * Its sequences for one seed.
   *
   * @param validation that starts are chosen on, which no network is trained on
   */
  record Data(Sequences train, Sequences validation, Sequences test) {}

  /** Whether it is made of images. */
  boolean isImages() {
    return this != COPY;
  }

  /** The authors' initial input weights. */
  RnnInit inputWeights() {
    return this == COPY ? RnnInit.XAVIER : RnnInit.KAIMING;
  }

  /**
   * Images that it is made of.
   *
   * @param folder those embedded, or where they are
   * @param train how many, from the first
   */
  DataSet images(String folder, OptionalInt train) throws IOException {
    ImageForm form = ImageForm.VECTORS.shrunk(this == PIXELS ? 2 : 1);
    return folder.equals(ExperimentOptions.EMBEDDED)
        ? ImageFiles.embedded(form, train)
        : ImageFiles.folder(Path.of(folder), form, train);
  }

  /** Images as sequences of pixels in [0, 1]: a blank row is a step without input. */
  Data of(DataSet images, long seed) {
    List<Double> mean = images.pixels().orElseThrow().mean();
    List<Double> sd = images.pixels().orElseThrow().sd();
    int size = Math.toIntExact(images.inputSize());
    int side = (int) Math.round(Math.sqrt(size));
    if (mean.size() != 1 || side * side != size) {
      throw new IllegalArgumentException(
          "recurrent networks read grey, square images; those of "
              + images.name()
              + " have "
              + mean.size()
              + " channels and "
              + size
              + " values");
    }
    Examples chosen =
        images
            .validation()
            .orElseThrow(
                () ->
                    new IllegalArgumentException(
                        "all images of "
                            + images.name()
                            + " are trained on; set train to fewer, so that starts can be chosen"));
    Change pixels = new Change.Pixels(mean.get(0), sd.get(0));
    return new Data(
        sequences(images.train(), side, seed).changed(pixels),
        few(sequences(chosen, side, seed).changed(pixels)),
        few(sequences(images.test(), side, seed).changed(pixels)));
  }

  private Sequences sequences(Examples images, int side, long seed) {
    return this == ROWS ? Sequences.cut(images, side) : Sequences.permuted(images, seed);
  }

  private static Sequences few(Sequences all) {
    return all.size() > SCORED ? all.first(SCORED) : all;
  }

  /**
   * Draws of the copy task.
   *
   * @param count of sequences to train on
   */
  static Data copy(int delay, int count, long seed) {
    Copy task = Copy.of(delay);
    return new Data(
        task.draw(count, Seeds.derive(seed, "train")),
        task.draw(SCORED / 2, Seeds.derive(seed, "validation")),
        task.draw(SCORED / 2, Seeds.derive(seed, "test")));
  }
}
