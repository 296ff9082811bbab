// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.data;

import java.io.IOException;
import java.util.Arrays;
import java.util.Optional;
import java.util.OptionalInt;
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
    Form form, int classes, Subset train, int trained, Subset test, Optional<PixelScale> scale) {
  /** Convolutional networks of the published experiments halve their input five times. */
  private static final int LEAST_SIDE = 32;

  /** Of one image. */
  record Form(int channels, int height, int width) {
    int size() {
      return channels * height * width;
    }

    @Override
    public String toString() {
      return channels + "x" + height + "x" + width;
    }
  }

  /**
   * Some images.
   *
   * @param pixels [n, channels, height, width], row-major; may hold more images than there are
   *     labels, which are then not used
   */
  record Subset(byte[] pixels, int[] labels) {}

  /**
   * Training or test images in files.
   *
   * @param name where they are, for messages
   * @param first reads the first so many of them
   */
  record Part(String name, int size, Form form, IOFunction<Integer, Subset> first) {
    /** Images in one file, which has its pixels read when they are wanted, labels in another. */
    static Part of(
        String images, long size, Form form, IOFunction<Integer, byte[]> pixels, Labels labels) {
      int[] all = labels.all;
      if (size != all.length) {
        throw new FormatException(
            "%s holds %s images, %s %s labels".formatted(images, size, labels.name, all.length));
      }
      return new Part(
          images, all.length, form, n -> new Subset(pixels.apply(n), Arrays.copyOf(all, n)));
    }
  }

  /** What a file of labels holds. */
  record Labels(String name, int[] all) {}

  /**
   * Reads as many training images as are needed, and all test images.
   *
   * @param wanted how many to train on, from the first; empty for the usual number, or all when
   *     there are fewer
   * @param classes empty for as many as the labels show
   */
  static Pictures of(
      Part train, Part test, OptionalInt wanted, OptionalInt classes, Optional<PixelScale> scale)
      throws IOException {
    if (!train.form.equals(test.form)) {
      throw new FormatException(
          "%s holds images of %s, %s of %s"
              .formatted(train.name, train.form, test.name, test.form));
    }
    int trained = wanted.orElse(Math.min(ImageFiles.DEFAULT_TRAIN, train.size));
    if (trained < 1 || trained > train.size) {
      throw new IllegalArgumentException(
          "cannot use " + trained + " training images; the data have 1 to " + train.size);
    }
    Subset first =
        train.first.apply((int) Math.min(train.size, trained + (long) DataSet.VALIDATION));
    Subset all = test.first.apply(test.size);
    int largest =
        Stream.of(first.labels, all.labels).flatMapToInt(IntStream::of).max().orElseThrow();
    return new Pictures(train.form, classes.orElse(1 + largest), first, trained, all, scale);
  }

  DataSet dataSet(String name, ImageForm wanted) {
    PixelScale used = scale(wanted);
    Subset ready = formed(train, wanted);
    int all = train.labels.length;
    return new DataSet(
        name,
        examples(ready, 0, trained, wanted, used),
        trained == all
            ? Optional.empty()
            : Optional.of(examples(ready, trained, all, wanted, used)),
        examples(test, wanted, used),
        Optional.of(used));
  }

  /** That by which they are standardised: the published one, or that of the training images. */
  PixelScale scale(ImageForm wanted) {
    return scale.orElseGet(() -> measured(formed(train, wanted), (long) trained * size(wanted)));
  }

  /** Images of this form, such as some of these or what became of them. */
  Examples examples(Subset images, ImageForm wanted, PixelScale scale) {
    return examples(formed(images, wanted), 0, images.labels.length, wanted, scale);
  }

  private Form whole(ImageForm wanted) {
    int least = wanted.planes() ? LEAST_SIDE : 0;
    return new Form(form.channels, Math.max(form.height, least), Math.max(form.width, least));
  }

  private Form small(ImageForm wanted) {
    Form whole = whole(wanted);
    int by = wanted.shrink();
    if (whole.height % by != 0 || whole.width % by != 0) {
      throw new IllegalArgumentException(
          "images of %sx%s do not shrink by %s; take a number that divides both sides"
              .formatted(whole.height, whole.width, by));
    }
    return new Form(form.channels, whole.height / by, whole.width / by);
  }

  private int size(ImageForm wanted) {
    return small(wanted).size();
  }

  private Subset formed(Subset part, ImageForm wanted) {
    return new Subset(formed(part, whole(wanted), small(wanted), wanted.shrink()), part.labels);
  }

  /** With a border of zeros as a whole, then means of so many by so many pixels. */
  private byte[] formed(Subset part, Form whole, Form small, int by) {
    if (by == 1 && whole.equals(form)) {
      return part.pixels;
    }
    byte[] pixels = new byte[Math.multiplyExact(part.labels.length, small.size())];
    int top = (whole.height - form.height) / 2;
    int left = (whole.width - form.width) / 2;
    for (int i = 0; i < pixels.length; i++) {
      int row = i / small.width;
      int plane = row / small.height * form.height;
      int sum = 0;
      for (int k = 0; k < by * by; k++) {
        int y = row % small.height * by + k / by - top;
        int x = i % small.width * by + k % by - left;
        boolean inside = y >= 0 && y < form.height && x >= 0 && x < form.width;
        sum += inside ? part.pixels[(plane + y) * form.width + x] & 0xff : 0;
      }
      pixels[i] = (byte) ((sum + by * by / 2) / (by * by));
    }
    return pixels;
  }

  private static PixelScale measured(Subset part, long pixels) {
    // Sums of integers: exact.
    long sum = 0;
    long squares = 0;
    for (int i = 0; i < pixels; i++) {
      int value = part.pixels[i] & 0xff;
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
  private Examples examples(Subset part, int from, int to, ImageForm wanted, PixelScale scale) {
    Form form = small(wanted);
    int count = to - from;
    Tensor inputs =
        wanted.planes()
            ? Tensor.allocate(DType.F32, count, form.channels, form.height, form.width)
            : Tensor.allocate(DType.F32, count, form.size());
    float[] image = new float[form.size()];
    int plane = form.height * form.width;
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
