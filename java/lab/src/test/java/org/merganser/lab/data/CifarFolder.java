// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.data;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.SplittableRandom;

/** Writes small folders in the binary forms of CIFAR. */
public final class CifarFolder {
  static final int PIXELS = 3 * 32 * 32;

  private CifarFolder() {}

  /** One record with random pixels that depend on the seed. */
  static byte[] image(long seed, int... labels) {
    byte[] record = new byte[labels.length + PIXELS];
    byte[] pixels = new byte[PIXELS];
    new SplittableRandom(seed).nextBytes(pixels);
    for (int i = 0; i < labels.length; i++) {
      record[i] = (byte) labels[i];
    }
    System.arraycopy(pixels, 0, record, labels.length, PIXELS);
    return record;
  }

  /** Image i of a file has the seed {@code first + i} and label {@code (first + i) % 10}. */
  static byte[] tenFile(int first, int count) {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    for (int i = first; i < first + count; i++) {
      bytes.writeBytes(image(i, i % 10));
    }
    return bytes.toByteArray();
  }

  /** CIFAR-10 with {@code perFile} images in each of its six files. */
  public static Path ten(Path folder, int perFile) throws IOException {
    Files.createDirectories(folder);
    for (int f = 0; f < 5; f++) {
      Files.write(folder.resolve("data_batch_" + (f + 1) + ".bin"), tenFile(f * perFile, perFile));
    }
    Files.write(folder.resolve("test_batch.bin"), tenFile(5 * perFile, perFile));
    return folder;
  }

  /** CIFAR-100: image i has the coarse label {@code i % 20} and the fine label {@code i % 100}. */
  public static Path hundred(Path folder, int train, int test) throws IOException {
    Files.createDirectories(folder);
    for (boolean isTrain : new boolean[] {true, false}) {
      ByteArrayOutputStream bytes = new ByteArrayOutputStream();
      int first = isTrain ? 0 : train;
      for (int i = first; i < first + (isTrain ? train : test); i++) {
        bytes.writeBytes(image(i, i % 20, i % 100));
      }
      Files.write(folder.resolve(isTrain ? "train.bin" : "test.bin"), bytes.toByteArray());
    }
    return folder;
  }
}
