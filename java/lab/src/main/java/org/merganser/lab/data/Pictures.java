// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.data;

import java.util.Arrays;
import java.util.Optional;
import org.merganser.compute.DType;
import org.merganser.error.FormatException;
import org.merganser.internal.kernel.Block;
import org.merganser.lab.data.DataSet.PixelScale;
import org.merganser.linalg.Tensor;
import org.merganser.torch.Examples;

/**
 * Images as files hold them: bytes, not yet standardised.
 *
 * @param classes labels are 0 to classes-1
 * @param train training images, those for validation at the end
 * @param trained how many of them models are trained on
 * @param scale the published one; empty to measure one mean and deviation on the training images
 */
record Pictures(
    int channels,
    int height,
    int width,
    int classes,
    Subset train,
    int trained,
    Subset test,
    Optional<PixelScale> scale) {
  /** Convolutional networks of the published experiments halve their input five times. */
  private static final int LEAST_SIDE = 32;

  /**
   * Some images.
   *
   * @param pixels [n, channels, height, width], row-major; may hold more images than there are
   *     labels, which are then not used
   */
  record Subset(byte[] pixels, int[] labels) {}

  DataSet dataSet(String name, ImageForm form) {
    Pictures input = (form.planes() ? padded() : this).shrunk(form.shrink());
    PixelScale used = scale.orElseGet(input::measured);
    int all = train.labels.length;
    return new DataSet(
        name,
        input.examples(input.train, 0, trained, form, used),
        trained == all
            ? Optional.empty()
            : Optional.of(input.examples(input.train, trained, all, form, used)),
        input.examples(input.test, 0, test.labels.length, form, used),
        Optional.of(used));
  }

  /** How many training images to read for so many to train on: those for validation too. */
  static int withValidation(int trained, int available) {
    return (int) Math.min(available, (long) trained + DataSet.VALIDATION);
  }

  private int size() {
    return channels * height * width;
  }

  private Pictures padded() {
    int tall = Math.max(height, LEAST_SIDE);
    int wide = Math.max(width, LEAST_SIDE);
    if (tall == height && wide == width) {
      return this;
    }
    return new Pictures(
        channels,
        tall,
        wide,
        classes,
        padded(train, tall, wide),
        trained,
        padded(test, tall, wide),
        scale);
  }

  private Subset padded(Subset part, int tall, int wide) {
    int planes = Math.multiplyExact(part.labels.length, channels);
    byte[] pixels = new byte[Math.multiplyExact(planes, tall * wide)];
    int top = (tall - height) / 2;
    int left = (wide - width) / 2;
    for (int plane = 0; plane < planes; plane++) {
      for (int row = 0; row < height; row++) {
        System.arraycopy(
            part.pixels,
            (plane * height + row) * width,
            pixels,
            (plane * tall + top + row) * wide + left,
            width);
      }
    }
    return new Subset(pixels, part.labels);
  }

  private Pictures shrunk(int by) {
    if (by == 1) {
      return this;
    }
    if (height % by != 0 || width % by != 0) {
      throw new IllegalArgumentException(
          "images of %sx%s do not shrink by %s; take a number that divides both sides"
              .formatted(height, width, by));
    }
    return new Pictures(
        channels,
        height / by,
        width / by,
        classes,
        shrunk(train, by),
        trained,
        shrunk(test, by),
        scale);
  }

  private Subset shrunk(Subset part, int by) {
    int low = height / by;
    int thin = width / by;
    int area = by * by;
    byte[] pixels = new byte[part.labels.length * channels * low * thin];
    for (int i = 0; i < pixels.length; i++) {
      int row = i / thin * by;
      int sum = 0;
      for (int k = 0; k < area; k++) {
        sum += part.pixels[(row + k / by) * width + i % thin * by + k % by] & 0xff;
      }
      pixels[i] = (byte) ((sum + area / 2) / area);
    }
    return new Subset(pixels, part.labels);
  }

  private PixelScale measured() {
    long pixels = (long) trained * size();
    // Sums of integers: exact.
    long sum = 0;
    long squares = 0;
    for (int i = 0; i < pixels; i++) {
      int value = train.pixels[i] & 0xff;
      sum += value;
      squares += (long) value * value;
    }
    double mean = (double) sum / pixels;
    double variance = (double) squares / pixels - mean * mean;
    if (!(variance > 0)) {
      throw new FormatException("the training images are all one colour");
    }
    return PixelScale.of(mean / 255, Math.sqrt(variance) / 255);
  }

  /** Image by image, so that only one of them is on the heap as numbers. */
  private Examples examples(Subset part, int from, int to, ImageForm form, PixelScale scale) {
    int count = to - from;
    Tensor inputs =
        form.planes()
            ? Tensor.allocate(DType.F32, count, channels, height, width)
            : Tensor.allocate(DType.F32, count, size());
    float[][] values = table(scale);
    float[] image = new float[size()];
    int plane = height * width;
    for (int i = 0; i < count; i++) {
      int start = (from + i) * image.length;
      for (int p = 0; p < image.length; p++) {
        image[p] = values[p / plane][part.pixels[start + p] & 0xff];
      }
      try (Block.View target = Block.view(inputs, 4L * i * image.length, 4 * image.length)) {
        target.buffer().asFloatBuffer().put(image);
      }
    }
    return new Examples(inputs, Arrays.copyOfRange(part.labels, from, to), classes);
  }

  /** What each byte becomes in each channel. */
  private float[][] table(PixelScale scale) {
    float[][] table = new float[channels][256];
    for (int c = 0; c < channels; c++) {
      for (int value = 0; value < 256; value++) {
        table[c][value] = (float) ((value / 255.0 - scale.mean(c)) / scale.sd(c));
      }
    }
    return table;
  }
}
