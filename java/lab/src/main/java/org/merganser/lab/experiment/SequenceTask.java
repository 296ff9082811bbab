// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Locale;
import java.util.OptionalInt;
import org.merganser.internal.Seeds;
import org.merganser.lab.data.DataSet;
import org.merganser.lab.data.ImageFiles;
import org.merganser.lab.data.ImageForm;
import org.merganser.model.Evaluation;
import org.merganser.torch.Examples;
import org.merganser.torch.recurrent.RnnInit;
import org.merganser.torch.recurrent.SequenceTasks.Copy;
import org.merganser.torch.recurrent.Sequences;
import org.merganser.torch.recurrent.Sequences.Change;

/** What recurrent networks are trained on. */
public enum SequenceTask {
  /** A row of an image at each step. */
  ROWS,
  /** A pixel at each step, of images a quarter the size, all in one order for all seeds. */
  PIXELS,
  /** Ten symbols to be said again after a delay. */
  COPY;

  /** Samples that scores are measured on, at most. */
  static final int SCORED = 1000;

  /** Sequences of the copy task that scores are measured on. */
  static final int COPIED = 500;

  /**
   * Of the one order of pixels, whatever the seed of an experiment: the task is the same in all.
   */
  private static final long ORDER = 0;

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

  /**
   * Of who knows the task, but nothing of a sequence: a class by chance, or blanks and then any of
   * the symbols.
   *
   * @param delay of the copy task
   */
  Evaluation guess(int classes, int delay) {
    Copy copy = Copy.of(delay);
    return this == COPY
        ? new Evaluation(1.0 / copy.symbols(), copy.memorylessLoss())
        : new Evaluation(1.0 / classes, Math.log(classes));
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

  /**
   * Throws when sequences cannot be made of images: before any network is trained.
   *
   * @throws IllegalArgumentException when they are not grey and square, or none are left to choose
   *     starts on
   */
  static void require(DataSet images) {
    int channels = images.pixels().orElseThrow().mean().size();
    if (channels != 1 || side(images) * side(images) != images.inputSize()) {
      throw new IllegalArgumentException(
          "recurrent networks read grey, square images; those of %s have %d channels and %d values"
              .formatted(images.name(), channels, images.inputSize()));
    }
    if (images.validation().isEmpty()) {
      throw new IllegalArgumentException(
          "all images of %s are trained on; set train to fewer, so that starts can be chosen"
              .formatted(images.name()));
    }
  }

  private static int side(DataSet images) {
    return (int) Math.round(Math.sqrt(images.inputSize()));
  }

  /**
   * Images as sequences of pixels in [0, 1]: a blank row is a step without input. Of more than
   * {@value #SCORED} images to be scored the seed draws as many.
   */
  Data of(DataSet images, long seed) {
    require(images);
    DataSet.PixelScale scale = images.pixels().orElseThrow();
    Change pixels = new Change.Pixels(scale.mean().get(0), scale.sd().get(0));
    int side = side(images);
    Sequences validation = sequences(images.validation().orElseThrow(), side);
    Sequences test = sequences(images.test(), side);
    return new Data(
        sequences(images.train(), side).changed(pixels),
        drawn(validation, seed, "scored/validation").changed(pixels),
        drawn(test, seed, "scored/test").changed(pixels));
  }

  private Sequences sequences(Examples images, int side) {
    return this == ROWS ? Sequences.cut(images, side) : Sequences.permuted(images, ORDER);
  }

  private static Sequences drawn(Sequences all, long seed, String stream) {
    return all.size() > SCORED
        ? all.select(Arrays.copyOf(Seeds.order(all.size(), seed, stream), SCORED))
        : all;
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
        task.draw(COPIED, Seeds.derive(seed, "validation")),
        task.draw(COPIED, Seeds.derive(seed, "test")));
  }
}
