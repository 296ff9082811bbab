// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import java.util.SplittableRandom;
import org.merganser.internal.Seeds;
import org.merganser.lab.data.DataSet;
import org.merganser.linalg.Tensor;
import org.merganser.torch.Examples;

/**
 * Grey, square images as planes [1, side, side], which can be mirrored and cropped; they share the
 * memory of the data set.
 */
record LandscapeImages(Examples train, Examples test, int side) {
  static LandscapeImages of(DataSet images) {
    int size = Math.toIntExact(images.inputSize());
    int side = (int) Math.round(Math.sqrt(size));
    int channels = images.pixels().orElseThrow().mean().size();
    if (channels != 1 || side * side != size) {
      throw new IllegalArgumentException(
          ("networks of this experiment read grey, square images; those of %s have %d channels and"
                  + " %d values")
              .formatted(images.name(), channels, size));
    }
    return new LandscapeImages(planes(images.train(), side), planes(images.test(), side), side);
  }

  private static Examples planes(Examples vectors, int side) {
    Tensor inputs = vectors.inputs().reshape(vectors.size(), 1, side, side);
    return new Examples(inputs, vectors.labels(), vectors.classes());
  }

  /**
   * The training images with some labels drawn anew.
   *
   * @param probability of each label to be replaced by a class, all equally likely, its own too
   */
  Examples train(double probability, long seed) {
    return relabelled(
        train, randomised(train.labels(), train.classes(), probability, seed, "landscape/labels"));
  }

  /** The test images, likewise: what the public code of the paper calls test accuracy. */
  Examples test(double probability, long seed) {
    return relabelled(
        test,
        randomised(test.labels(), test.classes(), probability, seed, "landscape/test labels"));
  }

  private static Examples relabelled(Examples images, int... labels) {
    Tensor inputs = images.inputs();
    return new Examples(inputs.rows(0, inputs.dim(0)), labels, images.classes());
  }

  /** The labels that are replaced for a lower probability are so for a higher one, too. */
  static int[] randomised(int[] labels, int classes, double probability, long seed, String stream) {
    SplittableRandom random = Seeds.stream(seed, stream);
    int[] drawn = labels.clone();
    for (int i = 0; i < drawn.length; i++) {
      double at = random.nextDouble();
      int other = random.nextInt(classes);
      drawn[i] = at < probability ? other : drawn[i];
    }
    return drawn;
  }
}
