// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.data;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.merganser.error.FormatException;

/**
 * The fields of one message of Protocol Buffers, in their order: as much of the format as is needed
 * to walk through it.
 *
 * @param fields of wire types 0 (numbers) and 2 (bytes); others are skipped
 */
record ProtoFields(String file, List<Field> fields) {
  private static final int VARINT = 0;
  private static final int FIXED64 = 1;
  private static final int BYTES = 2;
  private static final int FIXED32 = 5;
  private static final int LONGEST = 10;

  /**
   * One of them.
   *
   * @param value of a number
   * @param bytes of a text, of a message, or of packed numbers; empty for a number
   */
  record Field(int number, long value, ByteBuffer bytes) {}

  /**
   * @param file named in messages
   * @throws FormatException when lengths lead beyond the message
   */
  static ProtoFields of(String file, ByteBuffer message) {
    ByteBuffer in = message.slice();
    List<Field> fields = new ArrayList<>();
    while (in.hasRemaining()) {
      long key = varint(file, in);
      int number = (int) (key >>> 3);
      switch ((int) key & 7) {
        case VARINT -> fields.add(new Field(number, varint(file, in), ByteBuffer.allocate(0)));
        case BYTES -> fields.add(new Field(number, 0, take(file, in, varint(file, in))));
        case FIXED64 -> take(file, in, Long.BYTES);
        case FIXED32 -> take(file, in, Integer.BYTES);
        default ->
            throw new FormatException(
                "%s: no ONNX model: a field of wire type %d".formatted(file, key & 7));
      }
    }
    return new ProtoFields(file, fields);
  }

  private static long varint(String file, ByteBuffer in) {
    long value = 0;
    for (int i = 0; i < LONGEST; i++) {
      byte next = take(file, in, 1).get(0);
      value |= (long) (next & 0x7f) << 7 * i;
      if (next >= 0) {
        return value;
      }
    }
    throw new FormatException(file + ": no ONNX model: a number of more than 10 bytes");
  }

  private static ByteBuffer take(String file, ByteBuffer in, long length) {
    if (length < 0 || length > in.remaining()) {
      throw new FormatException(
          "%s: %d bytes expected where %d are left; the file is truncated, or no ONNX model"
              .formatted(file, length, in.remaining()));
    }
    ByteBuffer part = in.slice(in.position(), (int) length);
    in.position(in.position() + (int) length);
    return part;
  }

  /** Bytes of every field of a number. */
  List<ByteBuffer> all(int number) {
    return fields.stream().filter(f -> f.number == number).map(Field::bytes).toList();
  }

  /** The texts of a field. */
  List<String> texts(int number) {
    return all(number).stream()
        .map(bytes -> StandardCharsets.UTF_8.decode(bytes.duplicate()).toString())
        .toList();
  }

  /** Its text; empty when it has none. */
  String text(int number) {
    List<String> texts = texts(number);
    return texts.isEmpty() ? "" : texts.get(texts.size() - 1);
  }

  /** Its numbers, one by one or packed. */
  List<Long> numbers(int number) {
    List<Long> numbers = new ArrayList<>();
    for (Field field : fields) {
      if (field.number == number && field.bytes.hasRemaining()) {
        ByteBuffer packed = field.bytes.duplicate();
        while (packed.hasRemaining()) {
          numbers.add(varint(file, packed));
        }
      } else if (field.number == number) {
        numbers.add(field.value);
      }
    }
    return numbers;
  }
}
