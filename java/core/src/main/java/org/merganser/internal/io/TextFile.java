// SPDX-License-Identifier: Apache-2.0
package org.merganser.internal.io;

import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.CharBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import org.merganser.error.FormatException;

/** Small files of UTF-8 text, such as JSON; a byte order mark is allowed. */
public final class TextFile {
  private static final int MAX_SIZE = 1 << 28;

  private TextFile() {}

  /**
   * Reads a whole file.
   *
   * @throws FormatException when it is no UTF-8, naming what it is
   */
  public static String read(Path path) throws IOException {
    if (Files.isDirectory(path)) {
      throw new IOException("cannot read " + path + ": it is a folder, not a file");
    }
    byte[] bytes;
    // As a stream: it may be a pipe.
    try (InputStream in = Files.newInputStream(path)) {
      bytes = in.readNBytes(MAX_SIZE + 1);
    } catch (NoSuchFileException e) {
      throw new NoSuchFileException(path.toString(), null, "no such file");
    }
    if (bytes.length > MAX_SIZE) {
      throw new FormatException(path + ": more than " + MAX_SIZE + " bytes, too many for text");
    }
    if (FileKind.isUtf16(bytes)) {
      throw new FormatException(
          path
              + ": the text is UTF-16, as PowerShell's > and some editors write it; save it as"
              + " UTF-8");
    }
    String kind = FileKind.ofText(bytes);
    if (!kind.isEmpty()) {
      throw new FormatException(path + ": " + kind);
    }
    try {
      String text = StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(bytes)).toString();
      return text.startsWith("\ufeff") ? text.substring(1) : text;
    } catch (CharacterCodingException e) {
      throw new FormatException(path + ": no valid UTF-8", e);
    }
  }

  /**
   * Writes a whole file, or nothing.
   *
   * @throws IllegalArgumentException when the text holds half a character
   */
  public static void write(Path path, String text) throws IOException {
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
