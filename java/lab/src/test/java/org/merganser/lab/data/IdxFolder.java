// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.data;

import java.io.ByteArrayOutputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.zip.GZIPOutputStream;

/** Writes small IDX files. */
public final class IdxFolder {
  private IdxFolder() {}

  /** The bytes of a file. */
  public static byte[] idx(byte[] data, int... shape) throws IOException {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    DataOutputStream out = new DataOutputStream(bytes);
    out.writeInt(8 << 8 | shape.length);
    for (int size : shape) {
      out.writeInt(size);
    }
    out.write(data);
    return bytes.toByteArray();
  }

  public static byte[] zipped(byte[] bytes) throws IOException {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    try (GZIPOutputStream gzip = new GZIPOutputStream(out)) {
      gzip.write(bytes);
    }
    return out.toByteArray();
  }

  /** Pixel p of image i: its class decides where it is bright. */
  static byte[] pixels(int count, int size) {
    byte[] pixels = new byte[count * size];
    for (int i = 0; i < count; i++) {
      for (int p = 0; p < size; p++) {
        pixels[i * size + p] = (byte) (p % 3 == i % 3 ? 200 + i * 7 % 50 : (i * 13 + p * 29) % 90);
      }
    }
    return pixels;
  }

  static byte[] labels(int count) {
    byte[] labels = new byte[count];
    for (int i = 0; i < count; i++) {
      labels[i] = (byte) (i % 3);
    }
    return labels;
  }

  /** Three classes of images of {@code side} x {@code side}. */
  public static Path write(Path folder, int train, int test, int side) throws IOException {
    Files.createDirectories(folder);
    int size = side * side;
    Files.write(
        folder.resolve("train-images-idx3-ubyte"), idx(pixels(train, size), train, side, side));
    Files.write(folder.resolve("train-labels-idx1-ubyte"), idx(labels(train), train));
    Files.write(
        folder.resolve("t10k-images-idx3-ubyte.gz"),
        zipped(idx(pixels(test, size), test, side, side)));
    Files.write(folder.resolve("t10k-labels-idx1-ubyte.gz"), zipped(idx(labels(test), test)));
    return folder;
  }
}
