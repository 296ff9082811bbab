// SPDX-License-Identifier: Apache-2.0
package org.merganser.io;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import org.merganser.error.FormatException;
import org.merganser.internal.io.FileBytes;

/** Reads a header from its beginning on, through a window, and never beyond its limit. */
final class GgufCursor {
  private static final int WINDOW = 1 << 16;

  private final FileBytes file;
  private final long limit;
  private ByteBuffer window = ByteBuffer.allocate(0);

  /** Of the file, behind the window. */
  private long end;

  /**
   * @param limit what a header may have at most
   */
  GgufCursor(FileBytes file, long limit) {
    this.file = file;
    this.limit = Math.min(file.size(), limit);
  }

  /** Where the next byte is. */
  long at() {
    return end - window.remaining();
  }

  long left() {
    return limit - at();
  }

  private void require(long bytes, String what) {
    if (bytes < 0 || bytes > left()) {
      throw bad(
          what
              + " of "
              + Long.toUnsignedString(bytes)
              + " bytes, where "
              + left()
              + (limit < file.size() ? " are left of the longest header" : " are left of the file")
              + "; the file is truncated or damaged");
    }
  }

  private ByteBuffer take(int bytes, String what) throws IOException {
    require(bytes, what);
    if (window.remaining() < bytes) {
      long begin = at();
      int length = (int) Math.min(WINDOW, limit - begin);
      window = file.read(begin, length);
      end = begin + length;
    }
    return window;
  }

  int u8() throws IOException {
    return Byte.toUnsignedInt(take(1, "a number").get());
  }

  short i16() throws IOException {
    return take(2, "a number").getShort();
  }

  int i32() throws IOException {
    return take(4, "a number").getInt();
  }

  long i64() throws IOException {
    return take(8, "a number").getLong();
  }

  void skip(long bytes, String what) throws IOException {
    require(bytes, what);
    if (bytes <= window.remaining()) {
      window.position(window.position() + (int) bytes);
    } else {
      end = at() + bytes;
      window = ByteBuffer.allocate(0);
    }
  }

  void skipText() throws IOException {
    skip(i64(), "text");
  }

  String text(String what, int longest) throws IOException {
    long begin = at();
    long length = i64();
    require(length, what);
    if (length > longest) {
      throw bad(begin, what + " of " + length + " bytes, at most " + longest);
    }
    ByteBuffer bytes;
    if (length <= WINDOW) {
      bytes = take((int) length, what).slice().limit((int) length);
    } else {
      bytes = file.read(at(), (int) length);
    }
    skip(length, what);
    try {
      return StandardCharsets.UTF_8.newDecoder().decode(bytes).toString();
    } catch (CharacterCodingException e) {
      throw bad(begin, what + " that is no UTF-8");
    }
  }

  FormatException bad(String message) {
    return bad(at(), message);
  }

  FormatException bad(long at, String message) {
    return new FormatException(file.path() + ": " + message + ", at byte " + at);
  }
}
