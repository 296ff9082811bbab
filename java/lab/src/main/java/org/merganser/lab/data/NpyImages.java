// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.data;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import org.merganser.compute.DType;
import org.merganser.error.FormatException;
import org.merganser.io.Npy;
import org.merganser.lab.data.Pictures.Form;
import org.merganser.lab.data.Pictures.Labels;
import org.merganser.lab.data.Pictures.Part;
import org.merganser.linalg.Tensor;

/**
 * Images as NumPy arrays, a form any data set can be brought into without pickles: {@code
 * train-images.npy}, {@code train-labels.npy}, {@code test-images.npy}, {@code test-labels.npy}.
 * Images are unsigned bytes [n, height, width], [n, channels, height, width] or [n, height, width,
 * channels] with 1 or 3 channels; labels are integers [n].
 */
final class NpyImages {
  static final List<String> NAMES =
      List.of("train-images.npy", "train-labels.npy", "test-images.npy", "test-labels.npy");
  private static final int MAX_CLASSES = 1 << 20;

  private NpyImages() {}

  static Pictures read(Path folder, OptionalInt wanted) throws IOException {
    ImageFiles.require(folder, NAMES, "");
    Path[] paths = NAMES.stream().map(folder::resolve).toArray(Path[]::new);
    try (Npy train = Npy.open(paths[0]);
        Npy test = Npy.open(paths[2])) {
      Part training = part(paths[0], train, paths[1]);
      Part testing = part(paths[2], test, paths[3]);
      return Pictures.of(training, testing, wanted, OptionalInt.empty(), Optional.empty());
    }
  }

  private static Part part(Path path, Npy images, Path labelled) throws IOException {
    long[] shape = images.info().dims();
    boolean bytes = images.info().dtype() == DType.U8 && images.info().size() > 0;
    boolean fits = bytes && images.info().size() < Integer.MAX_VALUE;
    boolean colours = fits && shape.length == 4;
    boolean first = colours && (shape[1] == 1 || shape[1] == 3);
    boolean last = colours && (shape[3] == 1 || shape[3] == 3);
    boolean grey = fits && shape.length == 3;
    if (!grey && first == last) {
      throw new FormatException(
          ("%s: %s; images are U8 [n, height, width], [n, channels, height, width] or [n, height,"
                  + " width, channels], with 1 or 3 channels, not both ways, and less than 2 GiB")
              .formatted(path, images.info()));
    }
    int rows = first ? 2 : 1;
    int channels = grey ? 1 : (int) shape[first ? 1 : 3];
    Form form = new Form(channels, (int) shape[rows], (int) shape[rows + 1]);
    Labels labels = new Labels(labelled.toString(), labels(labelled));
    return Part.of(path.toString(), shape[0], form, n -> pixels(images, form, last, n), labels);
  }

  private static byte[] pixels(Npy images, Form form, boolean channelsLast, int count)
      throws IOException {
    long[] shape = images.info().dims();
    shape[0] = count;
    byte[] pixels = new byte[Math.multiplyExact(count, form.size())];
    try (Tensor tensor = Tensor.allocate(DType.U8, shape)) {
      images.readRows(0, count, tensor);
      tensor.buffer(0, pixels.length).get(pixels);
    }
    if (!channelsLast) {
      return pixels;
    }
    byte[] moved = new byte[pixels.length];
    int plane = form.height() * form.width();
    for (int i = 0; i < pixels.length; i++) {
      int in = i % form.size();
      moved[i - in + in % form.channels() * plane + in / form.channels()] = pixels[i];
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
