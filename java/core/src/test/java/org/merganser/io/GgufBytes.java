// SPDX-License-Identifier: Apache-2.0
package org.merganser.io;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.net.URISyntaxException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;

/** GGUF files: those that the gguf package wrote (fixtures/gguf/make.py), and made by hand. */
public final class GgufBytes {
  private final ByteArrayOutputStream values = new ByteArrayOutputStream();
  private final ByteArrayOutputStream infos = new ByteArrayOutputStream();
  private final ByteArrayOutputStream data = new ByteArrayOutputStream();
  private long valueCount;
  private long tensorCount;
  private int version = 3;
  private int alignment = 32;

  static Path fixture(String name) {
    try {
      return Path.of(GgufBytes.class.getResource("/fixtures/gguf/" + name).toURI());
    } catch (URISyntaxException e) {
      throw new AssertionError(e);
    }
  }

  GgufBytes version(int value) {
    version = value;
    return this;
  }

  static byte[] i32(long value) {
    return ByteBuffer.allocate(4).order(ByteOrder.LITTLE_ENDIAN).putInt((int) value).array();
  }

  static byte[] i64(long value) {
    return ByteBuffer.allocate(8).order(ByteOrder.LITTLE_ENDIAN).putLong(value).array();
  }

  public static byte[] floats(float... values) {
    ByteBuffer bytes = ByteBuffer.allocate(4 * values.length).order(ByteOrder.LITTLE_ENDIAN);
    bytes.asFloatBuffer().put(values);
    return bytes.array();
  }

  static byte[] text(String text) {
    byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
    return join(i64(bytes.length), bytes);
  }

  static byte[] join(byte[]... parts) {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    for (byte[] part : parts) {
      out.writeBytes(part);
    }
    return out.toByteArray();
  }

  /** A metadata value of a type. */
  public GgufBytes value(String key, int type, byte[] value) {
    values.writeBytes(join(text(key), i32(type), value));
    valueCount++;
    return this;
  }

  /** An array of texts. */
  public GgufBytes texts(String key, String... texts) {
    byte[] all = join(i32(8), i64(texts.length));
    for (String text : texts) {
      all = join(all, text(text));
    }
    return value(key, 9, all);
  }

  /** An array of signed integers. */
  public GgufBytes integers(String key, int... numbers) {
    byte[] all = join(i32(5), i64(numbers.length));
    for (int number : numbers) {
      all = join(all, i32(number));
    }
    return value(key, 9, all);
  }

  public GgufBytes value(String key, String value) {
    return value(key, 8, text(value));
  }

  public GgufBytes value(String key, int value) {
    alignment = key.equals("general.alignment") && value > 0 ? value : alignment;
    return value(key, 4, i32(value));
  }

  /** A tensor after those before; {@code sizes} from the fastest axis on. */
  public GgufBytes tensor(String name, int type, byte[] bytes, long... sizes) {
    while (data.size() % alignment != 0) {
      data.write(0);
    }
    tensorAt(name, type, data.size(), sizes);
    data.writeBytes(bytes);
    return this;
  }

  GgufBytes tensorAt(String name, int type, long offset, long... sizes) {
    infos.writeBytes(join(text(name), i32(sizes.length)));
    for (long size : sizes) {
      infos.writeBytes(i64(size));
    }
    infos.writeBytes(join(i32(type), i64(offset)));
    tensorCount++;
    return this;
  }

  GgufBytes counts(long tensors, long keys) {
    tensorCount = tensors;
    valueCount = keys;
    return this;
  }

  byte[] bytes() {
    byte[] header =
        join(
            "GGUF".getBytes(StandardCharsets.US_ASCII),
            i32(version),
            i64(tensorCount),
            i64(valueCount),
            values.toByteArray(),
            infos.toByteArray());
    int padding = (alignment - header.length % alignment) % alignment;
    return join(header, new byte[padding], data.toByteArray());
  }

  public Path write(Path file) throws IOException {
    return Files.write(file, bytes());
  }
}
