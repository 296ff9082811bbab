// SPDX-License-Identifier: Apache-2.0
package org.merganser.io;

import java.io.IOException;
import java.util.Collections;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalLong;
import org.merganser.compute.DType;
import org.merganser.internal.Names;
import org.merganser.internal.io.FileBytes;

/**
 * The header of a GGUF file (version 2 or 3, little-endian), read without trusting it: magic,
 * version, counts, metadata, and for each tensor its name, sizes, type and place. Layout: ggml's
 * docs/gguf.md.
 *
 * @param metadata numbers and texts as text
 * @param arrays where those of the metadata lie, such as vocabularies
 */
record GgufHeader(
    Map<String, String> metadata, Map<String, Array> arrays, Map<String, Entry> tensors) {
  private static final int MAGIC_NUMBER = 0x46554747;

  /** Vocabularies take some 10 MB. */
  static final long MAX_BYTES = 1 << 28;

  private static final int MAX_ENTRIES = 100_000;
  static final int MAX_NAME = 0xffff;
  private static final int MAX_TEXT = 1 << 26;
  private static final int MAX_RANK = 4;
  private static final int MAX_NESTING = 4;
  static final int TEXT = 8;
  private static final int ARRAY = 9;

  /** Bytes of a value of each type, by its number; 0 where that varies. */
  private static final int[] WIDTHS = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};

  /**
   * Where a tensor lies.
   *
   * @param info as it is stored, sizes from the slowest axis on; of F32 where it is quantised
   * @param begin first byte in the file
   */
  record Entry(GgufType type, TensorInfo info, long begin) {
    long bytes() {
      return info.size() / type.elements * type.bytes;
    }
  }

  /**
   * An array of the metadata.
   *
   * @param type of its elements
   * @param begin of the first of them in the file
   */
  record Array(int type, long count, long begin) {}

  static GgufHeader read(FileBytes file) throws IOException {
    GgufCursor in = new GgufCursor(file, MAX_BYTES);
    if (in.i32() != MAGIC_NUMBER) {
      throw in.bad(0, "no GGUF file");
    }
    requireVersion(in);
    long tensors = count(in, "tensors");
    long values = count(in, "metadata values");
    Map<String, String> metadata = new LinkedHashMap<>();
    Map<String, Array> arrays = new LinkedHashMap<>();
    for (long i = 0; i < values; i++) {
      long at = in.at();
      String key = in.text("the name of a metadata value", MAX_NAME);
      if (metadata.containsKey(key) || arrays.containsKey(key)) {
        throw in.bad(at, "metadata " + Names.quote(key) + " is there twice");
      }
      int type = in.i32();
      if (type == ARRAY) {
        arrays.put(key, skipArray(in, Names.quote(key), 1));
      } else {
        metadata.put(key, value(in, Names.quote(key), type));
      }
    }
    refuseParts(in, metadata);
    long alignment = alignment(in, metadata);
    Map<String, Entry> entries = new LinkedHashMap<>();
    for (long i = 0; i < tensors; i++) {
      long at = in.at();
      String name = in.text("the name of a tensor", MAX_NAME);
      if (name.isEmpty() || entries.put(name, entry(in, Names.quote(name), alignment)) != null) {
        throw in.bad(
            at, name.isEmpty() ? "a tensor without a name" : Names.quote(name) + " is there twice");
      }
    }
    long dataStart = Math.multiplyExact((in.at() + alignment - 1) / alignment, alignment);
    Map<String, Entry> placed = new LinkedHashMap<>();
    entries.forEach(
        (name, e) -> placed.put(name, new Entry(e.type(), e.info(), dataStart + e.begin())));
    requireRoom(in, placed, file.size());
    return new GgufHeader(
        Collections.unmodifiableMap(metadata),
        Collections.unmodifiableMap(arrays),
        Collections.unmodifiableMap(placed));
  }

  private static void requireVersion(GgufCursor in) throws IOException {
    int version = in.i32();
    if (version != 2 && version != 3) {
      boolean swapped = (version & 0xffff) == 0 && version != 0;
      throw in.bad(
          4,
          swapped
              ? "a big-endian GGUF file; convert it, in Python: gguf-convert-endian FILE little"
              : "GGUF version "
                  + Integer.toUnsignedString(version)
                  + ", read are 2 and 3; convert the model again with a newer llama.cpp");
    }
  }

  private static long count(GgufCursor in, String what) throws IOException {
    long at = in.at();
    long count = in.i64();
    if (count < 0 || count > MAX_ENTRIES) {
      throw in.bad(
          at, Long.toUnsignedString(count) + " " + what + ", at most " + MAX_ENTRIES + " are read");
    }
    return count;
  }

  /** A value that is no array, as text. */
  private static String value(GgufCursor in, String key, int type) throws IOException {
    return switch (type) {
      case 0 -> Integer.toString(in.u8());
      case 1 -> Byte.toString((byte) in.u8());
      case 2 -> Integer.toString(Short.toUnsignedInt(in.i16()));
      case 3 -> Short.toString(in.i16());
      case 4 -> Integer.toUnsignedString(in.i32());
      case 5 -> Integer.toString(in.i32());
      case 6 -> Float.toString(Float.intBitsToFloat(in.i32()));
      case 7 -> truth(in, key);
      case TEXT -> in.text("metadata " + key, MAX_TEXT);
      case 10 -> Long.toUnsignedString(in.i64());
      case 11 -> Long.toString(in.i64());
      case 12 -> Double.toString(Double.longBitsToDouble(in.i64()));
      default -> throw unknown(in, key, type);
    };
  }

  private static RuntimeException unknown(GgufCursor in, String key, int type) {
    return in.bad(
        in.at() - 4, "metadata " + key + " has the type " + Integer.toUnsignedString(type));
  }

  private static String truth(GgufCursor in, String key) throws IOException {
    int value = in.u8();
    if (value > 1) {
      throw in.bad(
          in.at() - 1, "metadata " + key + " is true or false, but has the value " + value);
    }
    return Boolean.toString(value == 1);
  }

  private static Array skipArray(GgufCursor in, String key, int depth) throws IOException {
    int type = in.i32();
    if (type < 0 || type >= WIDTHS.length) {
      throw unknown(in, key, type);
    }
    long at = in.at();
    long count = in.i64();
    int least = type == TEXT ? 8 : type == ARRAY ? 12 : WIDTHS[type];
    if (count < 0 || count > in.left() / least) {
      throw in.bad(
          at,
          "metadata "
              + key
              + " has "
              + Long.toUnsignedString(count)
              + " elements, where "
              + in.left()
              + " bytes are left; the file is truncated or damaged");
    }
    if (type == ARRAY && depth == MAX_NESTING) {
      throw in.bad(at, "metadata " + key + " has arrays in arrays, more than " + MAX_NESTING);
    }
    Array array = new Array(type, count, in.at());
    if (WIDTHS[type] > 0) {
      in.skip(count * WIDTHS[type], "metadata " + key);
      return array;
    }
    for (long i = 0; i < count; i++) {
      if (type == TEXT) {
        in.skipText();
      } else {
        skipArray(in, key, depth + 1);
      }
    }
    return array;
  }

  private static void refuseParts(GgufCursor in, Map<String, String> metadata) {
    OptionalLong parts = number(metadata, "split.count");
    if (parts.isPresent() && parts.getAsLong() > 1) {
      throw in.bad(
          0,
          "one of "
              + parts.getAsLong()
              + " parts of a model; join them: llama-gguf-split --merge FIRST_PART WHOLE");
    }
  }

  private static long alignment(GgufCursor in, Map<String, String> metadata) {
    String text = metadata.getOrDefault("general.alignment", "32");
    long alignment = number(metadata, "general.alignment").orElse(text.equals("32") ? 32 : 0);
    if (Long.bitCount(alignment) != 1 || alignment < 1 || alignment > MAX_BYTES) {
      throw in.bad("general.alignment is " + Names.quote(text) + ", no power of two");
    }
    return alignment;
  }

  /** A number among the metadata. */
  OptionalLong number(String key) {
    return number(metadata, key);
  }

  private static OptionalLong number(Map<String, String> metadata, String key) {
    String text = metadata.getOrDefault(key, "");
    // As long as any number of 63 bits.
    return text.matches("[0-9]{1,18}")
        ? OptionalLong.of(Long.parseLong(text))
        : OptionalLong.empty();
  }

  private static Entry entry(GgufCursor in, String name, long alignment) throws IOException {
    long at = in.at();
    int rank = in.i32();
    if (rank < 0 || rank > MAX_RANK) {
      throw in.bad(
          at, name + " has " + Integer.toUnsignedString(rank) + " axes, at most " + MAX_RANK);
    }
    long[] shape = new long[rank];
    long size = 1;
    for (int axis = rank - 1; axis >= 0; axis--) {
      shape[axis] = in.i64();
      if (shape[axis] < 1 || Math.multiplyHigh(size, shape[axis]) != 0 || size * shape[axis] < 0) {
        throw in.bad(at, name + " has sizes that are not positive or too large");
      }
      size *= shape[axis];
    }
    int code = in.i32();
    GgufType type = GgufType.of(code);
    if (type == null) {
      throw in.bad(
          in.at() - 4,
          name
              + " is of type "
              + GgufType.unread(code)
              + ", which is not read (read are "
              + List.of(GgufType.values())
              + "); take another file of the model, or convert it: llama-quantize"
              + " --allow-requantize FILE OUT Q8_0");
    }
    if ((rank == 0 ? 1 : shape[rank - 1]) % type.elements != 0) {
      throw in.bad(
          at,
          name
              + " has rows of "
              + (rank == 0 ? 1 : shape[rank - 1])
              + " elements, which are no whole blocks of "
              + type.elements
              + " ("
              + type
              + ")");
    }
    if (size > Long.MAX_VALUE / DType.F64.bits()) {
      throw in.bad(at, name + " has " + size + " elements");
    }
    long offset = in.i64();
    if (offset < 0 || offset % alignment != 0) {
      throw in.bad(
          in.at() - 8,
          name
              + " begins at byte "
              + Long.toUnsignedString(offset)
              + " of the data, no multiple of "
              + alignment);
    }
    return new Entry(type, TensorInfo.of(type.dtype, shape), offset);
  }

  /** Every tensor lies in the file, none in another. */
  private static void requireRoom(GgufCursor in, Map<String, Entry> tensors, long size) {
    List<Map.Entry<String, Entry>> sorted =
        tensors.entrySet().stream()
            .sorted(
                Comparator.comparingLong((Map.Entry<String, Entry> e) -> e.getValue().begin())
                    .thenComparingLong(e -> e.getValue().bytes()))
            .toList();
    String before = "";
    long end = 0;
    for (Map.Entry<String, Entry> item : sorted) {
      String name = Names.quote(item.getKey());
      Entry entry = item.getValue();
      if (entry.begin() < 0 || entry.begin() > size || entry.bytes() > size - entry.begin()) {
        throw in.bad(
            entry.begin(),
            name
                + " has "
                + entry.bytes()
                + " bytes, where the file of "
                + size
                + " ends; the file is truncated");
      }
      if (entry.begin() < end && entry.bytes() > 0) {
        throw in.bad(entry.begin(), name + " begins within " + before);
      }
      if (entry.bytes() > 0) {
        before = name;
        end = entry.begin() + entry.bytes();
      }
    }
  }
}
