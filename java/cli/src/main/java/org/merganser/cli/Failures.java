// SPDX-License-Identifier: Apache-2.0
package org.merganser.cli;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.FileSystemException;
import java.nio.file.NoSuchFileException;
import java.util.List;
import org.merganser.error.CancelledException;
import org.merganser.error.FormatException;
import org.merganser.error.IncompatibleModelsException;
import org.merganser.error.NativeLibraryException;
import org.merganser.error.NumericalException;
import org.merganser.error.ShapeException;
import org.merganser.internal.kernel.JavaCppLimit;
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
    OutOfMemoryError full = outOfMemory(cause);
    if (full != null) {
      boolean isNative = JavaCppLimit.isLimit(full);
      String text = isNative ? JavaCppLimit.explained(full).getMessage() : heap();
      command.getErr().println("merganser: " + text);
      command.getErr().flush();
      return isNative ? NATIVE : BUG;
    }
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

  /** Runs a command; what a command may not catch itself comes to the handler all the same. */
  static int run(ParseResult result) {
    try {
      return new CommandLine.RunLast().execute(result);
    } catch (OutOfMemoryError e) {
      List<CommandLine> commands = result.asCommandLineList();
      CommandLine last = commands.get(commands.size() - 1);
      throw new CommandLine.ExecutionException(last, "out of memory", e);
    }
  }

  /** The error at the root of it, or null. */
  private static OutOfMemoryError outOfMemory(Throwable e) {
    for (Throwable cause = e; cause != null; cause = cause.getCause()) {
      if (cause instanceof OutOfMemoryError full) {
        return full;
      }
    }
    return null;
  }

  private static String heap() {
    return "out of memory: the Java heap of "
        + (Runtime.getRuntime().maxMemory() >> 20)
        + " MiB is full; use less data or a smaller model, or allow more, such as"
        + " MERGANSER_JAVA_OPTS=-Xmx8g";
  }

  /** Messages of the file system are often a bare path. */
  private static String message(Exception e) {
    if (e instanceof AccessDeniedException denied) {
      return denied.getFile() + ": access denied";
    }
    if (e instanceof NoSuchFileException missing) {
      return missing.getFile() + ": no such file";
    }
    if (e instanceof FileAlreadyExistsException exists) {
      return exists.getFile() + ": exists already, and is no folder";
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
