// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.data;

import java.io.BufferedInputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.merganser.error.FormatException;
import org.merganser.lab.data.DataSet.PixelScale;
import org.merganser.lab.data.Pictures.Form;
import org.merganser.lab.data.Pictures.Part;
import org.merganser.lab.data.Pictures.Subset;

/**
 * The binary forms of CIFAR-10 and CIFAR-100 (Krizhevsky 2009). A record is the label (CIFAR-100:
 * coarse label, fine label) and 3072 bytes: 32 x 32 of red, then green, then blue, row by row.
 *
 * @param labels bytes before the pixels of a record; the last of them is the class
 */
record CifarFiles(
    String name, List<String> train, String test, int labels, int classes, PixelScale scale) {
  private static final Form FORM = new Form(3, 32, 32);
  private static final int PIXELS = FORM.size();
  private static final int COARSE_CLASSES = 20;

  static final CifarFiles TEN =
      new CifarFiles(
          "CIFAR-10",
          IntStream.rangeClosed(1, 5).mapToObj("data_batch_%d.bin"::formatted).toList(),
          "test_batch.bin",
          1,
          10,
          new PixelScale(List.of(0.4914, 0.4822, 0.4465), List.of(0.2470, 0.2435, 0.2616)));

  static final CifarFiles HUNDRED =
      new CifarFiles(
          "CIFAR-100",
          List.of("train.bin"),
          "test.bin",
          2,
          100,
          new PixelScale(List.of(0.5071, 0.4867, 0.4408), List.of(0.2675, 0.2565, 0.2761)));

  List<String> files() {
    return Stream.concat(train.stream(), Stream.of(test)).toList();
  }

  /** Reads as many training images as asked, from the first file on, and all test images. */
  Pictures read(Path folder, OptionalInt wanted) throws IOException {
    ImageFiles.require(folder, files(), " of " + name);
    Part all = part(train.stream().map(folder::resolve).toList());
    Part tests = part(List.of(folder.resolve(test)));
    return Pictures.of(all, tests, wanted, OptionalInt.of(classes), Optional.of(scale));
  }

  /** Images of several files, one after the other. */
  private Part part(List<Path> files) throws IOException {
    int available = 0;
    for (Path file : files) {
      available = Math.addExact(available, records(file));
    }
    return new Part(name, available, FORM, count -> first(files, count));
  }

  private int records(Path path) throws IOException {
    long bytes = Files.size(path);
    int record = labels + PIXELS;
    if (bytes == 0 || bytes % record != 0 || bytes / record > Integer.MAX_VALUE / PIXELS) {
      throw new FormatException(
          "%s: %s bytes; a file of %s in binary form is made of records of %s bytes%s"
              .formatted(
                  path,
                  bytes,
                  name,
                  record,
                  bytes % record == 0 ? "" : ", the last one here is truncated"));
    }
    return (int) (bytes / record);
  }

  private Subset first(List<Path> files, int count) throws IOException {
    Subset part = new Subset(new byte[Math.multiplyExact(count, PIXELS)], new int[count]);
    int done = 0;
    for (Path file : files) {
      int take = Math.min(count - done, records(file));
      try (InputStream in = new BufferedInputStream(Files.newInputStream(file))) {
        for (int i = 0; i < take; i++, done++) {
          byte[] head = in.readNBytes(labels);
          if (in.readNBytes(part.pixels(), done * PIXELS, PIXELS) < PIXELS) {
            throw new EOFException(file + ": became shorter while it was read");
          }
          if (labels == 2) {
            require(file, i, "coarse label", head[0] & 0xff, COARSE_CLASSES);
          }
          part.labels()[done] = head[labels - 1] & 0xff;
          require(file, i, "label", part.labels()[done], classes);
        }
      }
    }
    return part;
  }

  private void require(Path path, int record, String what, int label, int limit) {
    if (label >= limit) {
      throw new FormatException(
          "%s: %s %s of image %s is not in 0..%s; is this %s in binary form?"
              .formatted(path, what, label, record, limit - 1, name));
    }
  }
}
