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
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;
import org.merganser.error.CancelledException;
import org.merganser.error.FormatException;
import org.merganser.error.IncompatibleModelsException;
import org.merganser.error.MerganserException;
import org.merganser.error.NativeLibraryException;
import org.merganser.error.NumericalException;
import org.merganser.error.RecipeException;
import org.merganser.error.ShapeException;
import org.merganser.internal.kernel.JavaCppLimit;
import picocli.CommandLine;
import picocli.CommandLine.IExecutionExceptionHandler;
import picocli.CommandLine.ParseResult;

/** Turns an exception into one message and an exit code; {@code -v} adds the stack trace. */
final class Failures implements IExecutionExceptionHandler {
  static final int USAGE = 2;
  static final int INPUT_OUTPUT = 5;
  static final int NATIVE = 6;
  static final int BUG = 70;
  static final int MEMORY = 71;

  /** As a shell reports a program that ended on a broken pipe. */
  static final int PIPE = 141;

  /** The first kind that an exception is of counts. */
  private static final List<Kind> KINDS =
      List.of(
          new Kind(130, CancelledException.class),
          new Kind(3, IncompatibleModelsException.class, ShapeException.class),
          new Kind(4, NumericalException.class),
          new Kind(
              INPUT_OUTPUT, IOException.class, FormatException.class, InvalidPathException.class),
          new Kind(NATIVE, NativeLibraryException.class),
          new Kind(USAGE, IllegalArgumentException.class, RecipeException.class));

  private record Kind(int code, Class<?>... types) {
    boolean has(Exception e) {
      return Stream.of(types).anyMatch(type -> type.isInstance(e));
    }
  }

  /** What the file system says by the type of its exceptions only. */
  private static final Map<Class<?>, String> OF_FILES =
      Map.of(
          AccessDeniedException.class, "access denied",
          NoSuchFileException.class, "no such file",
          FileAlreadyExistsException.class, "exists already, and is no folder");

  @Override
  public int handleExecutionException(Exception e, CommandLine command, ParseResult result) {
    Exception cause = e instanceof UncheckedIOException io ? io.getCause() : e;
    Optional<String> memory = outOfMemory(cause);
    int code = memory.isPresent() ? MEMORY : code(cause);
    PrintWriter err = command.getErr();
    err.println("merganser: " + memory.orElseGet(() -> message(cause, code)));
    boolean verbose = command.getCommand() instanceof Computation c && c.verbose;
    if (code == BUG || code != MEMORY && verbose) {
      cause.printStackTrace(err);
    }
    err.flush();
    return code;
  }

  private static int code(Exception e) {
    return isTooLarge(e)
        ? INPUT_OUTPUT
        : KINDS.stream().filter(kind -> kind.has(e)).findFirst().map(Kind::code).orElse(BUG);
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
        String message = String.valueOf(full.getMessage());
        if (message.contains("Java heap space") || message.contains("GC overhead")) {
          String text =
              "out of memory: the Java heap of %d MiB is full; use less data or a smaller model, or"
                  + " allow more, such as MERGANSER_JAVA_OPTS=-Xmx8g";
          return Optional.of(text.formatted(Runtime.getRuntime().maxMemory() >> 20));
        }
        if (JavaCppLimit.isLimit(full)) {
          return Optional.of(JavaCppLimit.explained(full).getMessage());
        }
        // Whoever caught it knows better what for.
        return Optional.of(told != null ? told : "out of memory: " + message);
      }
      told = cause instanceof MerganserException ? cause.getMessage() : null;
    }
    return Optional.empty();
  }

  private static String message(Exception e, int code) {
    if (code == BUG) {
      return "internal error, please report it with the output of 'merganser doctor': " + e;
    }
    if (isTooLarge(e)) {
      return "a size in the input goes beyond what is handled (" + e.getMessage() + ")";
    }
    String message = String.valueOf(e.getMessage());
    if (e instanceof FileSystemException file && file.getReason() == null) {
      String reason = OF_FILES.getOrDefault(e.getClass(), e.getClass().getSimpleName());
      message = file.getFile() + ": " + reason;
    } else if (e instanceof InvalidPathException path) {
      message = FileNames.message(path);
    }
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
}
