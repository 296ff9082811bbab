// SPDX-License-Identifier: Apache-2.0
package org.merganser.cli;

import java.io.IOException;
import java.io.OutputStream;
import java.io.Writer;
import java.nio.charset.Charset;
import java.nio.charset.CharsetEncoder;
import org.merganser.internal.Names;

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
    return Names.escape(text.toString(), Names::isUnsafe);
  }

  /** Why something could not be written, the first time; null when all was. */
  IOException failure() {
    return failure;
  }

  @Override
  public void write(char[] text, int offset, int length) throws IOException {
    String shown =
        Names.escape(
            new String(text, offset, length),
            c ->
                c != '\n' && c != '\t' && Names.isUnsafe(c)
                    || !encoder.canEncode(Character.toString(c)));
    try {
      out.write(shown.getBytes(charset));
    } catch (IOException e) {
      throw noted(e);
    }
  }

  @Override
  public void flush() throws IOException {
    try {
      out.flush();
    } catch (IOException e) {
      throw noted(e);
    }
  }

  @Override
  public void close() throws IOException {
    flush();
  }

  /** A PrintWriter swallows the exception; whoever ends the program asks for it. */
  private IOException noted(IOException e) {
    failure = failure == null ? e : failure;
    return e;
  }
}
