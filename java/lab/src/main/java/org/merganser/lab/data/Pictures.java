// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.data;

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
 * @param scale the published one; empty to measure one mean and deviation on the training images
 */
record Pictures(
    int channels,
    int height,
    int width,
    int classes,
    Part train,
    Part test,
    Optional<PixelScale> scale) {
  /** Convolutional networks of the published experiments halve their input five times. */
  private static final int LEAST_SIDE = 32;

  /**
   * Some images.
   *
   * @param pixels [n, channels, height, width], row-major; may hold more images than there are
   *     labels, which are then not used
   */
  record Part(byte[] pixels, int[] labels) {}

  DataSet dataSet(String name, ImageForm form) {
    Pictures input = form == ImageForm.PLANES ? padded() : this;
    PixelScale used = scale.orElseGet(input::measured);
    return new DataSet(
        name,
        input.examples(input.train, form, used),
        input.examples(input.test, form, used),
        Optional.of(used));
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
        channels, tall, wide, classes, padded(train, tall, wide), padded(test, tall, wide), scale);
  }

  private Part padded(Part part, int tall, int wide) {
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
    return new Part(pixels, part.labels);
  }

  private PixelScale measured() {
    long pixels = (long) train.labels.length * size();
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
  private Examples examples(Part part, ImageForm form, PixelScale scale) {
    int count = part.labels.length;
    Tensor inputs =
        form == ImageForm.PLANES
            ? Tensor.allocate(DType.F32, count, channels, height, width)
            : Tensor.allocate(DType.F32, count, size());
    float[][] values = table(scale);
    float[] image = new float[size()];
    int plane = height * width;
    for (int i = 0; i < count; i++) {
      int start = i * image.length;
      for (int p = 0; p < image.length; p++) {
        image[p] = values[p / plane][part.pixels[start + p] & 0xff];
      }
      try (Block.View target = inputs.view(4L * start, 4 * image.length)) {
        target.buffer().asFloatBuffer().put(image);
      }
    }
    return new Examples(inputs, part.labels, classes);
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
