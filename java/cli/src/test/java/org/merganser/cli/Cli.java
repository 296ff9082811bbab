// SPDX-License-Identifier: Apache-2.0
package org.merganser.cli;

import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/** Runs the command line in this process. */
final class Cli {
  private Cli() {}

  /** How a command ended and what it printed. */
  record Run(int code, String out, String err) {}

  /** Paths and numbers may be given as they are. */
  static Run run(Object... args) {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    ByteArrayOutputStream err = new ByteArrayOutputStream();
    int code =
        Main.run(
            new Printable(out, StandardCharsets.UTF_8),
            new Printable(err, StandardCharsets.UTF_8),
            Arrays.stream(args).map(Object::toString).toArray(String[]::new));
    return new Run(
        code, out.toString(StandardCharsets.UTF_8), err.toString(StandardCharsets.UTF_8));
  }
}
