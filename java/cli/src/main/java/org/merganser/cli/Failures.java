// SPDX-License-Identifier: Apache-2.0
package org.merganser.cli;

import java.io.IOException;
import java.io.PrintWriter;
import java.io.UncheckedIOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.FileSystemException;
import java.nio.file.InvalidPathException;
import java.nio.file.NoSuchFileException;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import org.merganser.error.CancelledException;
import org.merganser.error.FormatException;
import org.merganser.error.IncompatibleModelsException;
import org.merganser.error.MerganserException;
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
  static final int MEMORY = 71;
  static final int CANCELLED = 130;

  /** As a shell reports a program that ended on a broken pipe. */
  static final int PIPE = 141;

  @Override
  public int handleExecutionException(Exception e, CommandLine command, ParseResult result) {
    Exception cause = e instanceof UncheckedIOException io ? io.getCause() : e;
    Optional<String> memory = outOfMemory(cause);
    if (memory.isPresent()) {
      command.getErr().println("merganser: " + memory.get());
      command.getErr().flush();
      return MEMORY;
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
    if (e instanceof IOException
        || e instanceof FormatException
        || e instanceof InvalidPathException) {
      return INPUT_OUTPUT;
    }
    if (e instanceof NativeLibraryException) {
      return NATIVE;
    }
    if (isTooLarge(e)) {
      return INPUT_OUTPUT;
    }
    return e instanceof IllegalArgumentException ? USAGE : BUG;
  }

  /** Runs a command; what a command may not catch itself comes to the handler all the same. */
  static int run(ParseResult result) {
    try {
      return new CommandLine.RunLast().execute(result);
    } catch (OutOfMemoryError | StackOverflowError | LinkageError e) {
      List<CommandLine> commands = result.asCommandLineList();
      CommandLine last = commands.get(commands.size() - 1);
      throw new CommandLine.ExecutionException(last, String.valueOf(e), e);
    }
  }

  /**
   * The exit code when standard output took less than what was written to it: everything a command
   * found may have been lost. A reader that went away, such as {@code head}, had what it wanted.
   *
   * @param failure null when all was written
   */
  static int ofOutput(int code, IOException failure, PrintWriter err) {
    if (failure == null || code != 0) {
      return code;
    }
    if (String.valueOf(failure.getMessage()).toLowerCase(Locale.ROOT).contains("broken pipe")) {
      return PIPE;
    }
    err.println("merganser: cannot write to standard output: " + failure.getMessage());
    err.flush();
    return INPUT_OUTPUT;
  }

  private static Optional<String> outOfMemory(Throwable e) {
    String told = null;
    for (Throwable cause = e; cause != null; cause = cause.getCause()) {
      if (cause instanceof OutOfMemoryError full) {
        return Optional.of(memory(full, told));
      }
      told = cause instanceof MerganserException ? cause.getMessage() : null;
    }
    return Optional.empty();
  }

  /**
   * @param told by whoever caught it, or null
   */
  private static String memory(OutOfMemoryError full, String told) {
    String message = String.valueOf(full.getMessage());
    if (message.contains("Java heap space") || message.contains("GC overhead")) {
      return heap();
    }
    if (JavaCppLimit.isLimit(full)) {
      return JavaCppLimit.explained(full).getMessage();
    }
    return told != null ? told : "out of memory: " + message;
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
      return Printable.line(denied.getFile()) + ": access denied";
    }
    if (e instanceof NoSuchFileException missing) {
      return Printable.line(missing.getFile()) + ": no such file";
    }
    if (e instanceof FileAlreadyExistsException exists) {
      return Printable.line(exists.getFile()) + ": exists already, and is no folder";
    }
    if (e instanceof FileSystemException file && file.getReason() == null) {
      return Printable.line(file.getFile()) + ": " + e.getClass().getSimpleName();
    }
    if (e instanceof InvalidPathException path) {
      return Printable.line(FileNames.message(path));
    }
    if (isTooLarge(e)) {
      return "a size in the input goes beyond what is handled (" + e.getMessage() + ")";
    }
    String message = String.valueOf(e.getMessage());
    // A list of problems, and what the loader of a library says, have lines of their own.
    return e instanceof IncompatibleModelsException || e instanceof NativeLibraryException
        ? message
        : Printable.line(message);
  }

  /** A size or number of the input that an int or long does not hold. */
  private static boolean isTooLarge(Exception e) {
    StackTraceElement[] trace = e.getStackTrace();
    return e instanceof ArithmeticException
        && trace.length > 0
        && trace[0].getClassName().equals(Math.class.getName());
  }

  private static String bug(Exception e) {
    return "internal error, please report it with the output of 'merganser doctor': " + e;
  }
}
