// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.data;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import org.merganser.compute.DType;
import org.merganser.error.FormatException;
import org.merganser.internal.kernel.Block;
import org.merganser.io.Npy;
import org.merganser.lab.data.Pictures.Subset;
import org.merganser.linalg.Tensor;

/**
 * Images as NumPy arrays, a form any data set can be brought into without pickles: {@code
 * train-images.npy}, {@code train-labels.npy}, {@code test-images.npy}, {@code test-labels.npy}.
 * Images are unsigned bytes [n, height, width], [n, channels, height, width] or [n, height, width,
 * channels] with 1 or 3 channels; labels are integers [n].
 */
final class NpyImages {
  private static final List<String> NAMES =
      List.of("train-images.npy", "train-labels.npy", "test-images.npy", "test-labels.npy");
  private static final int MAX_CLASSES = 1 << 20;

  private NpyImages() {}

  static boolean isIn(Path folder) {
    return NAMES.stream().anyMatch(name -> Files.exists(folder.resolve(name)));
  }

  static Pictures read(Path folder, OptionalInt wanted) throws IOException {
    List<String> missing =
        NAMES.stream().filter(name -> !Files.isRegularFile(folder.resolve(name))).toList();
    if (!missing.isEmpty()) {
      throw new IOException(
          "data folder %s lacks %s; it holds %s"
              .formatted(folder, missing, ImageFiles.listing(folder)));
    }
    List<Path> paths = new ArrayList<>();
    NAMES.forEach(name -> paths.add(folder.resolve(name)));
    try (Npy trainImages = Npy.open(paths.get(0));
        Npy testImages = Npy.open(paths.get(2))) {
      Axes axes = Axes.of(paths.get(0), trainImages);
      Axes testAxes = Axes.of(paths.get(2), testImages);
      if (!axes.equals(testAxes)) {
        throw new FormatException(
            paths.get(0) + " holds images of " + axes + ", " + paths.get(2) + " of " + testAxes);
      }
      int[] trainLabels = labels(paths.get(1), trainImages.info().dim(0), paths.get(0));
      int[] testLabels = labels(paths.get(3), testImages.info().dim(0), paths.get(2));
      int largest = 0;
      for (int[] part : List.of(trainLabels, testLabels)) {
        for (int label : part) {
          largest = Math.max(largest, label);
        }
      }
      int trained = ImageFiles.count(wanted, trainLabels.length);
      int count = Pictures.withValidation(trained, trainLabels.length);
      return new Pictures(
          axes.channels,
          axes.height,
          axes.width,
          largest + 1,
          part(trainImages, axes, trainLabels, count),
          trained,
          part(testImages, axes, testLabels, testLabels.length),
          Optional.empty());
    }
  }

  /** What the axes of an array of images are. */
  private record Axes(int channels, int height, int width, boolean channelsLast) {
    static Axes of(Path path, Npy images) {
      long[] shape = images.info().dims();
      boolean fits = images.info().dtype() == DType.U8 && images.info().size() > 0;
      if (fits && shape.length == 3 && images.info().size() < Integer.MAX_VALUE) {
        return new Axes(1, (int) shape[1], (int) shape[2], false);
      }
      if (fits && shape.length == 4 && images.info().size() < Integer.MAX_VALUE) {
        boolean first = shape[1] == 1 || shape[1] == 3;
        boolean last = shape[3] == 1 || shape[3] == 3;
        if (first && !last) {
          return new Axes((int) shape[1], (int) shape[2], (int) shape[3], false);
        }
        if (last && !first) {
          return new Axes((int) shape[3], (int) shape[1], (int) shape[2], true);
        }
      }
      throw new FormatException(
          path
              + ": "
              + images.info()
              + "; images are U8 [n, height, width], [n, channels, height, width] or [n, height,"
              + " width, channels], with 1 or 3 channels, not both ways, and less than 2 GiB");
    }

    @Override
    public String toString() {
      return channels + "x" + height + "x" + width + (channelsLast ? ", channels last" : "");
    }
  }

  private static Subset part(Npy images, Axes axes, int[] labels, int count) throws IOException {
    long[] shape = images.info().dims();
    shape[0] = count;
    byte[] pixels = new byte[Math.toIntExact(Tensor.size(shape))];
    try (Tensor tensor = Tensor.allocate(DType.U8, shape)) {
      images.readRows(0, count, tensor);
      try (Block.View view = Block.view(tensor, 0, pixels.length)) {
        view.buffer().get(pixels);
      }
    }
    if (axes.channelsLast) {
      pixels = channelsFirst(pixels, count, axes);
    }
    int[] used = new int[count];
    System.arraycopy(labels, 0, used, 0, count);
    return new Subset(pixels, used);
  }

  private static byte[] channelsFirst(byte[] pixels, int count, Axes axes) {
    byte[] moved = new byte[pixels.length];
    int plane = axes.height * axes.width;
    for (int i = 0; i < count; i++) {
      int image = i * plane * axes.channels;
      for (int p = 0; p < plane; p++) {
        for (int c = 0; c < axes.channels; c++) {
          moved[image + c * plane + p] = pixels[image + p * axes.channels + c];
        }
      }
    }
    return moved;
  }

  private static int[] labels(Path path, long images, Path imagesPath) throws IOException {
    try (Tensor labels = Npy.read(path)) {
      if (labels.rank() != 1) {
        throw new FormatException(path + ": " + labels + "; labels are integers [n]");
      }
      if (labels.dim(0) != images) {
        throw new FormatException(
            imagesPath + " holds " + images + " images, " + path + " " + labels.dim(0) + " labels");
      }
      int[] classes = new int[Math.toIntExact(images)];
      int bytes = Math.toIntExact(labels.bytes());
      ByteBuffer buffer = labels.buffer(0, bytes).order(ByteOrder.LITTLE_ENDIAN);
      for (int i = 0; i < classes.length; i++) {
        long label =
            switch (labels.dtype()) {
              case I64, U64 -> buffer.getLong();
              case I32 -> buffer.getInt();
              case U32 -> buffer.getInt() & 0xffffffffL;
              case I16 -> buffer.getShort();
              case U16 -> buffer.getShort() & 0xffff;
              case I8 -> buffer.get();
              case U8 -> buffer.get() & 0xff;
              default ->
                  throw new FormatException(path + ": " + labels + "; labels are integers [n]");
            };
        if (label < 0 || label >= MAX_CLASSES) {
          throw new FormatException(
              path + ": label " + label + " of image " + i + " is not in 0.." + (MAX_CLASSES - 1));
        }
        classes[i] = (int) label;
      }
      return classes;
    }
  }
}
