// SPDX-License-Identifier: Apache-2.0
package org.merganser.io;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.CharBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import org.merganser.error.FormatException;

/** Small files of UTF-8 text, such as JSON; a byte order mark is allowed. */
final class TextFile {
  private static final long MAX_SIZE = 1L << 28;

  private TextFile() {}

  /**
   * Reads a whole file.
   *
   * @throws FormatException when it is no UTF-8, naming what it is
   */
  static String read(Path path) throws IOException {
    try (FileBytes file = new FileBytes(path)) {
      if (file.size() > MAX_SIZE) {
        throw new FormatException(
            path + ": " + file.size() + " bytes are too many for a file of text");
      }
      ByteBuffer bytes = file.read(0, (int) file.size());
      if (FileKind.isUtf16(bytes)) {
        throw new FormatException(
            path
                + ": the text is UTF-16, as PowerShell's > and some editors write it; save it as"
                + " UTF-8");
      }
      String text;
      try {
        text = StandardCharsets.UTF_8.newDecoder().decode(bytes).toString();
      } catch (CharacterCodingException e) {
        throw new FormatException(path + ": " + FileKind.or(file, "no valid UTF-8"), e);
      }
      return text.startsWith("\ufeff") ? text.substring(1) : text;
    }
  }

  /**
   * Writes a whole file, or nothing.
   *
   * @throws IllegalArgumentException when the text holds half a character
   */
  static void write(Path path, String text) throws IOException {
    ByteBuffer bytes;
    try {
      bytes = StandardCharsets.UTF_8.newEncoder().encode(CharBuffer.wrap(text));
    } catch (CharacterCodingException e) {
      throw new IllegalArgumentException(
          path + ": the text holds a lone surrogate, which UTF-8 cannot hold", e);
    }
    try (PartialFile file = new PartialFile(path, bytes.remaining())) {
      file.write(bytes);
      file.commit();
    }
  }
}
