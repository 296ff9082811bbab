// SPDX-License-Identifier: Apache-2.0
package org.merganser.cli;

import java.io.PrintWriter;
import java.util.Locale;
import java.util.logging.Handler;
import java.util.logging.Level;
import java.util.logging.LogRecord;
import java.util.logging.Logger;
import java.util.logging.SimpleFormatter;

/** What the library logs, one line each: names of files are in it too. */
final class LogLines extends Handler {
  /** Kept, since the log manager would forget its level. */
  private static final Logger LIBRARY = Logger.getLogger("org.merganser");

  private final PrintWriter err;

  private LogLines(PrintWriter err) {
    this.err = err;
    setFormatter(new SimpleFormatter());
  }

  /** Unless a file says what is logged where. */
  static void install(PrintWriter err) {
    if (System.getProperty("java.util.logging.config.file") == null) {
      LIBRARY.setLevel(Level.WARNING);
      LIBRARY.setUseParentHandlers(false);
      for (Handler handler : LIBRARY.getHandlers()) {
        LIBRARY.removeHandler(handler);
      }
      LIBRARY.addHandler(new LogLines(err));
    }
  }

  @Override
  public void publish(LogRecord record) {
    String level = record.getLevel().getName().toLowerCase(Locale.ROOT);
    String text = getFormatter().formatMessage(record);
    err.println("merganser: " + level + ": " + Printable.line(text));
    err.flush();
  }

  @Override
  public void flush() {
    err.flush();
  }

  @Override
  public void close() {
    // The error stream outlives it.
  }
}
