// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.data;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.OptionalInt;
import org.merganser.compute.DType;
import org.merganser.error.FormatException;
import org.merganser.internal.kernel.Block;
import org.merganser.io.Npy;
import org.merganser.lab.data.Pictures.Part;
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
    ImageFiles.require(folder, NAMES, "");
    Path[] paths = NAMES.stream().map(folder::resolve).toArray(Path[]::new);
    try (Npy train = Npy.open(paths[0]);
        Npy test = Npy.open(paths[2])) {
      return Pictures.of(part(paths[0], train, paths[1]), part(paths[2], test, paths[3]), wanted);
    }
  }

  private static Part part(Path path, Npy images, Path labelled) throws IOException {
    Axes axes = Axes.of(path, images);
    return new Part(
        path.toString(),
        labelled.toString(),
        images.info().dim(0),
        List.of(axes.channels, axes.height, axes.width),
        labels(labelled),
        count -> pixels(images, axes, count));
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
  }

  private static byte[] pixels(Npy images, Axes axes, int count) throws IOException {
    long[] shape = images.info().dims();
    shape[0] = count;
    byte[] pixels = new byte[Math.toIntExact(Tensor.size(shape))];
    try (Tensor tensor = Tensor.allocate(DType.U8, shape)) {
      images.readRows(0, count, tensor);
      try (Block.View view = Block.view(tensor, 0, pixels.length)) {
        view.buffer().get(pixels);
      }
    }
    return axes.channelsLast ? channelsFirst(pixels, axes) : pixels;
  }

  private static byte[] channelsFirst(byte[] pixels, Axes axes) {
    byte[] moved = new byte[pixels.length];
    int plane = axes.height * axes.width;
    int image = plane * axes.channels;
    for (int i = 0; i < pixels.length; i++) {
      int in = i % image;
      moved[i - in + in % axes.channels * plane + in / axes.channels] = pixels[i];
    }
    return moved;
  }

  private static int[] labels(Path path) throws IOException {
    try (Tensor labels = Npy.read(path)) {
      FormatException other =
          new FormatException(path + ": " + labels + "; labels are integers [n]");
      if (labels.rank() != 1) {
        throw other;
      }
      int[] classes = new int[Math.toIntExact(labels.size())];
      ByteBuffer buffer =
          labels.buffer(0, Math.toIntExact(labels.bytes())).order(ByteOrder.LITTLE_ENDIAN);
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
              default -> throw other;
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
