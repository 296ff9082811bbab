// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.data;

import java.io.IOException;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.function.Function;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.apache.commons.io.function.IOFunction;
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

  /**
   * Training or test images in files that name no number of classes.
   *
   * @param images where the images come from, for messages
   * @param labelled where the labels come from
   * @param size how many images there are
   * @param form of one of them, {@code [channels, height, width]}
   * @param pixels of the first so many images, or of more
   */
  record Part(
      String images,
      String labelled,
      long size,
      List<Integer> form,
      int[] labels,
      IOFunction<Integer, byte[]> pixels) {
    private String shape() {
      return form.stream().map(String::valueOf).collect(Collectors.joining("x"));
    }

    private Subset first(int count) throws IOException {
      return new Subset(pixels.apply(count), Arrays.copyOf(labels, count));
    }
  }

  /**
   * @param wanted how many images to train on, from the first
   */
  static Pictures of(Part train, Part test, OptionalInt wanted) throws IOException {
    for (Part part : List.of(train, test)) {
      if (part.size != part.labels.length) {
        throw new FormatException(
            "%s holds %s images, %s %s labels"
                .formatted(part.images, part.size, part.labelled, part.labels.length));
      }
    }
    if (!train.form.equals(test.form)) {
      throw new FormatException(
          "%s holds images of %s, %s of %s"
              .formatted(train.images, train.shape(), test.images, test.shape()));
    }
    int trained = count(wanted, train.labels.length);
    return new Pictures(
        train.form.get(0),
        train.form.get(1),
        train.form.get(2),
        1 + Stream.of(train.labels, test.labels).flatMapToInt(IntStream::of).max().orElseThrow(),
        train.first(withValidation(trained, train.labels.length)),
        trained,
        test.first(test.labels.length),
        Optional.empty());
  }

  /** How many training images to use; empty for the usual number, or all when there are fewer. */
  static int count(OptionalInt wanted, int available) {
    int count = wanted.orElse(Math.min(ImageFiles.DEFAULT_TRAIN, available));
    if (count < 1 || count > available) {
      throw new IllegalArgumentException(
          "cannot use " + count + " training images; the data have 1 to " + available);
    }
    return count;
  }

  /** How many training images to read for so many to train on: those for validation too. */
  static int withValidation(int trained, int available) {
    return (int) Math.min(available, (long) trained + DataSet.VALIDATION);
  }

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

  private int size() {
    return channels * height * width;
  }

  private Pictures resized(int tall, int wide, Function<Subset, byte[]> pixels) {
    return new Pictures(
        channels,
        tall,
        wide,
        classes,
        new Subset(pixels.apply(train), train.labels),
        trained,
        new Subset(pixels.apply(test), test.labels),
        scale);
  }

  private Pictures padded() {
    int tall = Math.max(height, LEAST_SIDE);
    int wide = Math.max(width, LEAST_SIDE);
    return tall == height && wide == width
        ? this
        : resized(tall, wide, part -> padded(part, tall, wide));
  }

  private byte[] padded(Subset part, int tall, int wide) {
    int planes = Math.multiplyExact(part.labels.length, channels);
    byte[] pixels = new byte[Math.multiplyExact(planes, tall * wide)];
    int corner = (tall - height) / 2 * wide + (wide - width) / 2;
    for (int row = 0; row < planes * height; row++) {
      int to = row / height * tall * wide + corner + row % height * wide;
      System.arraycopy(part.pixels, row * width, pixels, to, width);
    }
    return pixels;
  }

  private Pictures shrunk(int by) {
    if (height % by != 0 || width % by != 0) {
      throw new IllegalArgumentException(
          "images of %sx%s do not shrink by %s; take a number that divides both sides"
              .formatted(height, width, by));
    }
    return by == 1 ? this : resized(height / by, width / by, part -> shrunk(part, by));
  }

  private byte[] shrunk(Subset part, int by) {
    int thin = width / by;
    int area = by * by;
    byte[] pixels = new byte[part.labels.length * channels * (height / by) * thin];
    for (int i = 0; i < pixels.length; i++) {
      int row = i / thin * by;
      int sum = 0;
      for (int k = 0; k < area; k++) {
        sum += part.pixels[(row + k / by) * width + i % thin * by + k % by] & 0xff;
      }
      pixels[i] = (byte) ((sum + area / 2) / area);
    }
    return pixels;
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
    float[] image = new float[size()];
    int plane = height * width;
    for (int i = 0; i < count; i++) {
      int start = (from + i) * image.length;
      for (int p = 0; p < image.length; p++) {
        double value = (part.pixels[start + p] & 0xff) / 255.0;
        image[p] = (float) ((value - scale.mean(p / plane)) / scale.sd(p / plane));
      }
      try (Block.View target = Block.view(inputs, 4L * i * image.length, 4 * image.length)) {
        target.buffer().asFloatBuffer().put(image);
      }
    }
    return new Examples(inputs, Arrays.copyOfRange(part.labels, from, to), classes);
  }
}
