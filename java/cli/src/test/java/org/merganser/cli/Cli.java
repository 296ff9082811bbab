// SPDX-License-Identifier: Apache-2.0
package org.merganser.cli;

import java.io.PrintWriter;
import java.io.StringWriter;
import java.util.Arrays;
import picocli.CommandLine;

/** Runs the command line in this process. */
final class Cli {
  private Cli() {}

  /** How a command ended and what it printed. */
  record Run(int code, String out, String err) {}

  /** Paths and numbers may be given as they are. */
  static Run run(Object... args) {
    StringWriter out = new StringWriter();
    StringWriter err = new StringWriter();
    CommandLine commandLine = Main.commandLine();
    commandLine.setOut(new PrintWriter(out));
    commandLine.setErr(new PrintWriter(err));
    int code =
        commandLine.execute(Arrays.stream(args).map(Object::toString).toArray(String[]::new));
    return new Run(code, out.toString(), err.toString());
  }
}
