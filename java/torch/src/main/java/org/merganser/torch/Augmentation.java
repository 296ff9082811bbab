// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch;

import java.util.SplittableRandom;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.merganser.error.ShapeException;
import org.merganser.internal.Seeds;
import org.merganser.torch.internal.Bridge;

/**
 * Random changes of images that keep their class: mirrored left to right with probability 1/2, then
 * moved by up to {@code padding} pixels each way, zeros coming in (a padded random crop). What
 * happens to a sample depends on the seed, the epoch and the sample only, not on its batch.
 *
 * @param flip whether to mirror
 * @param padding rows and columns of zeros around an image before the crop, at least 0
 */
public record Augmentation(boolean flip, int padding) {
  /** Leaves samples as they are. */
  public static final Augmentation NONE = new Augmentation(false, 0);

  public Augmentation {
    if (padding < 0) {
      throw new IllegalArgumentException("padding must be at least 0, not " + padding);
    }
  }

  /** Mirrored, and cropped out of 4 more pixels on each side: as usual for CIFAR. */
  public static Augmentation flipAndCrop() {
    return new Augmentation(true, 4);
  }

  public boolean isNone() {
    return equals(NONE);
  }

  /**
   * Throws unless samples of this shape are images.
   *
   * @param shape [samples, channels, height, width]
   * @throws ShapeException for vectors
   */
  public void check(long... shape) {
    if (!isNone() && shape.length != 4) {
      StringBuilder text = new StringBuilder();
      for (int axis = 1; axis < shape.length; axis++) {
        text.append(axis == 1 ? "" : ", ").append(shape[axis]);
      }
      throw new ShapeException(
          "only images [channels, height, width] can be flipped and cropped, samples here are ["
              + text
              + "]; train without augmentation");
    }
  }

  /**
   * The augmented batch, inside the caller's scope.
   *
   * @param x [batch, channels, height, width]
   * @param samples which samples they are
   */
  public Tensor apply(Tensor x, long seed, long epoch, int[] samples) {
    if (isNone()) {
      return x;
    }
    long batch = x.size(0);
    long channels = x.size(1);
    int height = Math.toIntExact(x.size(2));
    int width = Math.toIntExact(x.size(3));
    long wide = width + 2L * padding;
    Tensor padded = torch.constant_pad_nd(x, padding, padding, padding, padding);
    Tensor index =
        Bridge.beside(x, sources(seed, epoch, samples, height, width))
            .view(batch, 1, (long) height * width)
            .expand(batch, channels, (long) height * width);
    return padded
        .view(batch, channels, (height + 2L * padding) * wide)
        .gather(2, index)
        .view(batch, channels, height, width);
  }

  /** Where each pixel comes from: its index in a plane of the padded image. */
  private long[] sources(long seed, long epoch, int[] samples, int height, int width) {
    long[] sources = new long[Math.multiplyExact(samples.length, height * width)];
    int wide = width + 2 * padding;
    int at = 0;
    for (int sample : samples) {
      SplittableRandom random = Seeds.stream(seed, "augment/" + epoch + "/" + sample);
      boolean mirrored = flip && random.nextBoolean();
      int down = random.nextInt(2 * padding + 1);
      int right = random.nextInt(2 * padding + 1);
      for (int row = 0; row < height; row++) {
        for (int column = 0; column < width; column++) {
          int source = column + right;
          sources[at++] = (long) (row + down) * wide + (mirrored ? wide - 1 - source : source);
        }
      }
    }
    return sources;
  }
}
