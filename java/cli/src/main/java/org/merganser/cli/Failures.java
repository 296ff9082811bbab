// SPDX-License-Identifier: Apache-2.0
package org.merganser.cli;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileSystemException;
import org.merganser.error.CancelledException;
import org.merganser.error.FormatException;
import org.merganser.error.IncompatibleModelsException;
import org.merganser.error.NativeLibraryException;
import org.merganser.error.NumericalException;
import org.merganser.error.ShapeException;
import picocli.CommandLine;
import picocli.CommandLine.IExecutionExceptionHandler;
import picocli.CommandLine.ParseResult;

/** Turns an exception into one message and an exit code; {@code -v} adds the stack trace. */
final class Failures implements IExecutionExceptionHandler {
  static final int USAGE = 2;
  static final int INCOMPATIBLE = 3;
  static final int NUMERICAL = 4;
  static final int INPUT_OUTPUT = 5;
  static final int NATIVE = 6;
  static final int BUG = 70;
  static final int CANCELLED = 130;

  @Override
  public int handleExecutionException(Exception e, CommandLine command, ParseResult result) {
    Exception cause = e instanceof UncheckedIOException io ? io.getCause() : e;
    int code = code(cause);
    command.getErr().println("merganser: " + (code == BUG ? bug(cause) : message(cause)));
    if (code == BUG || CommonOptions.isVerbose(command)) {
      cause.printStackTrace(command.getErr());
    }
    command.getErr().flush();
    return code;
  }

  private static int code(Exception e) {
    if (e instanceof CancelledException) {
      return CANCELLED;
    }
    if (e instanceof IncompatibleModelsException || e instanceof ShapeException) {
      return INCOMPATIBLE;
    }
    if (e instanceof NumericalException) {
      return NUMERICAL;
    }
    if (e instanceof IOException || e instanceof FormatException) {
      return INPUT_OUTPUT;
    }
    if (e instanceof NativeLibraryException) {
      return NATIVE;
    }
    return e instanceof IllegalArgumentException ? USAGE : BUG;
  }

  /** Messages of the file system are often a bare path. */
  private static String message(Exception e) {
    if (e instanceof AccessDeniedException denied) {
      return denied.getFile() + ": access denied";
    }
    if (e instanceof FileSystemException file && file.getReason() == null) {
      return file.getFile() + ": " + e.getClass().getSimpleName();
    }
    return String.valueOf(e.getMessage());
  }

  private static String bug(Exception e) {
    return "internal error, please report it with the output of 'merganser doctor': " + e;
  }
}
