// SPDX-License-Identifier: Apache-2.0
package org.merganser.cli;

import java.io.IOException;
import java.io.OutputStream;
import java.io.Writer;
import java.nio.charset.Charset;
import java.nio.charset.CharsetEncoder;

/**
 * The one way to the terminal. Names in files are anybody's: control characters, marks that reorder
 * or hide text, and what the encoding lacks are written as {@code \}{@code uXXXX}, so that none of
 * them moves the cursor, sends a command, or reads as something else.
 *
 * <p>Line feeds and tabs pass, since text has them; {@link #line} is for what has none.
 */
final class Printable extends Writer {
  private final OutputStream out;
  private final Charset charset;
  private final CharsetEncoder encoder;
  private IOException failure;

  Printable(OutputStream out, Charset charset) {
    this.out = out;
    this.charset = charset;
    this.encoder = charset.newEncoder();
  }

  /** A name or path, which belongs on one line: its line feeds and tabs are escaped too. */
  static String line(Object text) {
    StringBuilder result = new StringBuilder();
    text.toString()
        .codePoints()
        .forEach(
            c -> {
              if (isHarmful(c)) {
                escape(c, result);
              } else {
                result.appendCodePoint(c);
              }
            });
    return result.toString();
  }

  private static boolean isHarmful(int codePoint) {
    return switch (Character.getType(codePoint)) {
      case Character.CONTROL,
          Character.FORMAT,
          Character.LINE_SEPARATOR,
          Character.PARAGRAPH_SEPARATOR,
          Character.SURROGATE ->
          true;
      default -> false;
    };
  }

  private static void escape(int codePoint, StringBuilder result) {
    switch (codePoint) {
      case '\n' -> result.append("\\n");
      case '\t' -> result.append("\\t");
      case '\r' -> result.append("\\r");
      default -> {
        for (char c : Character.toChars(codePoint)) {
          result.append(String.format("\\u%04x", (int) c));
        }
      }
    }
  }

  /** Why something could not be written, the first time; null when all was. */
  IOException failure() {
    return failure;
  }

  @Override
  public void write(char[] text, int offset, int length) throws IOException {
    StringBuilder shown = new StringBuilder(length);
    new String(text, offset, length)
        .codePoints()
        .forEach(
            c -> {
              boolean layout = c == '\n' || c == '\t';
              if (!layout && isHarmful(c) || !encoder.canEncode(Character.toString(c))) {
                escape(c, shown);
              } else {
                shown.appendCodePoint(c);
              }
            });
    noting(() -> out.write(shown.toString().getBytes(charset)));
  }

  @Override
  public void flush() throws IOException {
    noting(out::flush);
  }

  @Override
  public void close() throws IOException {
    noting(out::close);
  }

  private interface Attempt {
    void run() throws IOException;
  }

  /** A PrintWriter swallows the exception; whoever ends the program asks for it. */
  private void noting(Attempt attempt) throws IOException {
    try {
      attempt.run();
    } catch (IOException e) {
      if (failure == null) {
        failure = e;
      }
      throw e;
    }
  }
}
