// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.data;

import java.io.BufferedInputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import org.merganser.error.FormatException;
import org.merganser.lab.data.DataSet.PixelScale;
import org.merganser.lab.data.Pictures.Subset;

/**
 * The binary forms of CIFAR-10 and CIFAR-100 (Krizhevsky 2009). A record is the label (CIFAR-100:
 * coarse label, fine label) and 3072 bytes: 32 x 32 of red, then green, then blue, row by row.
 *
 * @param labels bytes before the pixels of a record; the last of them is the class
 */
record CifarFiles(
    String name, List<String> train, String test, int labels, int classes, PixelScale scale) {
  private static final int CHANNELS = 3;
  private static final int SIDE = 32;
  private static final int PIXELS = CHANNELS * SIDE * SIDE;
  private static final int COARSE_CLASSES = 20;

  static final CifarFiles TEN =
      new CifarFiles(
          "CIFAR-10",
          List.of(
              "data_batch_1.bin",
              "data_batch_2.bin",
              "data_batch_3.bin",
              "data_batch_4.bin",
              "data_batch_5.bin"),
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

  /** Whether a folder holds some of these files. */
  boolean isIn(Path folder) {
    return files().stream().anyMatch(file -> Files.exists(folder.resolve(file)));
  }

  private List<String> files() {
    List<String> files = new ArrayList<>(train);
    files.add(test);
    return files;
  }

  /** Reads as many training images as asked, from the first file on, and all test images. */
  Pictures read(Path folder, OptionalInt wanted) throws IOException {
    ImageFiles.require(folder, files(), " of " + name);
    int available = 0;
    for (String file : train) {
      available = Math.addExact(available, records(folder.resolve(file)));
    }
    int trained = Pictures.count(wanted, available);
    int count = Pictures.withValidation(trained, available);
    Subset part = new Subset(new byte[Math.multiplyExact(count, PIXELS)], new int[count]);
    int done = 0;
    for (String file : train) {
      int take = Math.min(count - done, records(folder.resolve(file)));
      read(folder.resolve(file), part, done, take);
      done += take;
    }
    int tests = records(folder.resolve(test));
    Subset testPart = new Subset(new byte[Math.multiplyExact(tests, PIXELS)], new int[tests]);
    read(folder.resolve(test), testPart, 0, tests);
    return new Pictures(CHANNELS, SIDE, SIDE, classes, part, trained, testPart, Optional.of(scale));
  }

  private int record() {
    return labels + PIXELS;
  }

  private int records(Path path) throws IOException {
    long bytes = Files.size(path);
    if (bytes == 0 || bytes % record() != 0 || bytes / record() > Integer.MAX_VALUE / PIXELS) {
      throw new FormatException(
          "%s: %s bytes; a file of %s in binary form is made of records of %s bytes%s"
              .formatted(
                  path,
                  bytes,
                  name,
                  record(),
                  (bytes % record() == 0 ? "" : ", the last one here is truncated")));
    }
    return (int) (bytes / record());
  }

  private void read(Path path, Subset part, int at, int count) throws IOException {
    try (InputStream in = new BufferedInputStream(Files.newInputStream(path))) {
      for (int i = 0; i < count; i++) {
        byte[] head = in.readNBytes(labels);
        if (in.readNBytes(part.pixels(), (at + i) * PIXELS, PIXELS) < PIXELS) {
          throw new EOFException(path + ": became shorter while it was read");
        }
        if (labels == 2) {
          require(path, i, "coarse label", head[0] & 0xff, COARSE_CLASSES);
        }
        part.labels()[at + i] = head[labels - 1] & 0xff;
        require(path, i, "label", part.labels()[at + i], classes);
      }
    }
  }

  private void require(Path path, int record, String what, int label, int limit) {
    if (label >= limit) {
      throw new FormatException(
          "%s: %s %s of image %s is not in 0..%s; is this %s in binary form?"
              .formatted(path, what, label, record, (limit - 1), name));
    }
  }
}
