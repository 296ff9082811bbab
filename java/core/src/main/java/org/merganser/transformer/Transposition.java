// SPDX-License-Identifier: Apache-2.0
package org.merganser.transformer;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.function.IntBinaryOperator;
import org.merganser.linalg.Tensor;

/** Copies matrices on the host transposed, whatever their type; in squares that the caches hold. */
final class Transposition {
  private static final int SIDE = 32;

  private Transposition() {}

  /**
   * {@code to[toFirst + c, r] = from[r, fromFirst + c]}, or the other way round, for all rows r and
   * {@code columns} columns c of the matrix that is wider; elements are whole bytes.
   *
   * @param wide [rows, width]
   * @param tall [columns, rows]
   * @param first the column of {@code wide} that is row 0 of {@code tall}
   * @param toTall whether {@code tall} is written, else {@code wide}
   */
  static void copy(Tensor wide, Tensor tall, long first, boolean toTall) {
    int bytes = wide.dtype().bits() / 8;
    int rows = Math.toIntExact(wide.dim(0));
    int width = Math.toIntExact(wide.dim(1));
    int columns = Math.toIntExact(tall.dim(0));
    ByteBuffer w = wide.buffer(0, Math.toIntExact(wide.bytes())).order(ByteOrder.nativeOrder());
    ByteBuffer t = tall.buffer(0, Math.toIntExact(tall.bytes())).order(ByteOrder.nativeOrder());
    int shift = Math.toIntExact(first);
    IntBinaryOperator inWide = (r, c) -> (r * width + shift + c) * bytes;
    IntBinaryOperator inTall = (r, c) -> (c * rows + r) * bytes;
    ByteBuffer from = toTall ? w : t;
    ByteBuffer to = toTall ? t : w;
    IntBinaryOperator source = toTall ? inWide : inTall;
    IntBinaryOperator target = toTall ? inTall : inWide;
    for (int r0 = 0; r0 < rows; r0 += SIDE) {
      for (int c0 = 0; c0 < columns; c0 += SIDE) {
        for (int r = r0; r < Math.min(rows, r0 + SIDE); r++) {
          for (int c = c0; c < Math.min(columns, c0 + SIDE); c++) {
            move(from, source.applyAsInt(r, c), to, target.applyAsInt(r, c), bytes);
          }
        }
      }
    }
  }

  private static void move(ByteBuffer from, int at, ByteBuffer to, int place, int bytes) {
    switch (bytes) {
      case 2 -> to.putShort(place, from.getShort(at));
      case 4 -> to.putInt(place, from.getInt(at));
      default -> to.putLong(place, from.getLong(at));
    }
  }
}
