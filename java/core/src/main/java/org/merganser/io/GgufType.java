// SPDX-License-Identifier: Apache-2.0
package org.merganser.io;

import java.nio.ByteBuffer;
import java.util.Map;
import org.merganser.compute.DType;
import org.merganser.internal.Halves;

/**
 * Element types of GGUF that are read. A type is stored in blocks of so many elements and bytes;
 * blocks run along the last axis. What is quantised has a scale {@code d} in each block (binary16)
 * and is multiplied out in F32, each operation rounded. Layout and order of operations: ggml's
 * {@code dequantize_row_*}.
 */
enum GgufType {
  F32(0, 1, 4, DType.F32),
  F16(1, 1, 2, DType.F16),
  Q4_0(2, 32, 18, DType.F32),
  Q4_1(3, 32, 20, DType.F32),
  Q8_0(8, 32, 34, DType.F32),
  Q6_K(14, 256, 210, DType.F32),
  BF16(30, 1, 2, DType.BF16);

  /** What the others are called, for messages. */
  private static final Map<Integer, String> UNREAD =
      Map.ofEntries(
          Map.entry(6, "Q5_0"),
          Map.entry(7, "Q5_1"),
          Map.entry(9, "Q8_1"),
          Map.entry(10, "Q2_K"),
          Map.entry(11, "Q3_K"),
          Map.entry(12, "Q4_K"),
          Map.entry(13, "Q5_K"),
          Map.entry(15, "Q8_K"),
          Map.entry(16, "IQ2_XXS"),
          Map.entry(17, "IQ2_XS"),
          Map.entry(18, "IQ3_XXS"),
          Map.entry(19, "IQ1_S"),
          Map.entry(20, "IQ4_NL"),
          Map.entry(21, "IQ3_S"),
          Map.entry(22, "IQ2_S"),
          Map.entry(23, "IQ4_XS"),
          Map.entry(24, "I8"),
          Map.entry(25, "I16"),
          Map.entry(26, "I32"),
          Map.entry(27, "I64"),
          Map.entry(28, "F64"),
          Map.entry(29, "IQ1_M"),
          Map.entry(34, "TQ1_0"),
          Map.entry(35, "TQ2_0"),
          Map.entry(39, "MXFP4"),
          Map.entry(40, "NVFP4"));

  private final int code;

  /** Elements and bytes of a block. */
  final int elements;

  final int bytes;

  /** As which it is read. */
  final DType dtype;

  GgufType(int code, int elements, int bytes, DType dtype) {
    this.code = code;
    this.elements = elements;
    this.bytes = bytes;
    this.dtype = dtype;
  }

  /** The type of a code, or null when it is not read. */
  static GgufType of(int code) {
    for (GgufType type : values()) {
      if (type.code == code) {
        return type;
      }
    }
    return null;
  }

  static String unread(int code) {
    return UNREAD.getOrDefault(code, "number " + Integer.toUnsignedString(code));
  }

  boolean isQuantised() {
    return elements > 1;
  }

  /** The elements of whole blocks. */
  void decode(ByteBuffer in, int blocks, float[] out) {
    switch (this) {
      case F32 -> in.asFloatBuffer().get(out, 0, blocks);
      case F16 -> {
        for (int i = 0; i < blocks; i++) {
          out[i] = Halves.toFloat(in.getShort(2 * i));
        }
      }
      case BF16 -> {
        for (int i = 0; i < blocks; i++) {
          out[i] = Float.intBitsToFloat(in.getShort(2 * i) << 16);
        }
      }
      case Q4_0 -> {
        for (int b = 0; b < blocks; b++) {
          // Adding -0 changes nothing, not even the sign of a zero.
          float d = Halves.toFloat(in.getShort(b * bytes));
          q4(in, b * bytes + 2, d, -8, -0.0f, out, b * elements);
        }
      }
      case Q4_1 -> {
        for (int b = 0; b < blocks; b++) {
          float d = Halves.toFloat(in.getShort(b * bytes));
          float m = Halves.toFloat(in.getShort(b * bytes + 2));
          q4(in, b * bytes + 4, d, 0, m, out, b * elements);
        }
      }
      case Q8_0 -> {
        for (int b = 0; b < blocks; b++) {
          float d = Halves.toFloat(in.getShort(b * bytes));
          for (int i = 0; i < elements; i++) {
            out[b * elements + i] = d * in.get(b * bytes + 2 + i);
          }
        }
      }
      case Q6_K -> {
        for (int b = 0; b < blocks; b++) {
          float d = Halves.toFloat(in.getShort(b * bytes + 208));
          q6(in, b * bytes, d, 0, out, b * elements);
          q6(in, b * bytes, d, 1, out, b * elements + 128);
        }
      }
    }
  }

  /** {@code d (q + shift) + m}: the low halves of 16 bytes, then the high ones. */
  private static void q4(
      ByteBuffer in, int at, float d, int shift, float m, float[] out, int first) {
    for (int i = 0; i < 16; i++) {
      int q = in.get(at + i);
      out[first + i] = d * ((q & 15) + shift) + m;
      out[first + 16 + i] = d * ((q >> 4 & 15) + shift) + m;
    }
  }

  /**
   * One half of a block of Q6_K: 6 bits, of which 4 are in bytes 0 to 127 and 2 in bytes 128 to
   * 191, times one of the scales of 8 bits in bytes 192 to 207.
   */
  private static void q6(ByteBuffer in, int at, float d, int half, float[] out, int first) {
    int low = at + 64 * half;
    int high = at + 128 + 32 * half;
    int scale = at + 192 + 8 * half;
    for (int i = 0; i < 32; i++) {
      for (int part = 0; part < 4; part++) {
        int four = in.get(low + i + 32 * (part & 1)) >> 4 * (part >> 1) & 15;
        int two = in.get(high + i) >> 2 * part & 3;
        float scaled = d * in.get(scale + 2 * part + i / 16);
        out[first + 32 * part + i] = scaled * ((four | two << 4) - 32);
      }
    }
  }
}
