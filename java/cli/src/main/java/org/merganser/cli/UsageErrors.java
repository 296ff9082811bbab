// SPDX-License-Identifier: Apache-2.0
package org.merganser.cli;

import java.io.PrintWriter;
import java.util.List;
import java.util.Optional;
import picocli.CommandLine;
import picocli.CommandLine.IParameterExceptionHandler;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.ParseResult;
import picocli.CommandLine.UnmatchedArgumentException;

/** Says in one line what is wrong with a command line, and in a second where help is. */
final class UsageErrors implements IParameterExceptionHandler {
  @Override
  public int handleParseException(ParameterException e, String[] args) {
    ParameterException told = unknownName(args).orElse(e);
    CommandLine command = told.getCommandLine();
    PrintWriter err = e.getCommandLine().getErr();
    boolean unmatched = told instanceof UnmatchedArgumentException u && !u.getUnmatched().isEmpty();
    String message =
        unmatched ? unknown((UnmatchedArgumentException) told) : Printable.line(told.getMessage());
    err.println("merganser: " + message);
    if (!unmatched && !command.getSubcommands().isEmpty()) {
      command.usage(err);
    } else {
      err.println("see '" + command.getCommandSpec().qualifiedName() + " --help'");
    }
    err.flush();
    return Failures.USAGE;
  }

  /**
   * A mistyped name is told before anything else that is wrong: it is often the reason, when a
   * required option seems to be missing, or its value to be an argument.
   */
  private static Optional<ParameterException> unknownName(String[] args) {
    CommandLine again = Main.commandLine();
    collectErrors(again);
    ParseResult result = again.parseArgs(args);
    return result.asCommandLineList().stream()
        .flatMap(command -> command.getParseResult().errors().stream())
        .filter(UsageErrors::isName)
        .map(ParameterException.class::cast)
        .findFirst();
  }

  /** Else it may be what is left of a value that was wrong. */
  private static boolean isName(Exception e) {
    return e instanceof UnmatchedArgumentException unmatched
        && !unmatched.getUnmatched().isEmpty()
        && (unmatched.getUnmatched().get(0).startsWith("-")
            || !unmatched.getCommandLine().getSubcommands().isEmpty());
  }

  private static void collectErrors(CommandLine command) {
    command.getCommandSpec().parser().collectErrors(true);
    command.getSubcommands().values().forEach(UsageErrors::collectErrors);
  }

  private static String unknown(UnmatchedArgumentException e) {
    CommandLine command = e.getCommandLine();
    String first = e.getUnmatched().get(0);
    boolean option = first.startsWith("-");
    if (!option && command.getSubcommands().isEmpty()) {
      return "'" + Printable.line(first) + "' is one argument too many";
    }
    String name = option ? first.split("=", 2)[0] : first;
    List<String> known = new UnmatchedArgumentException(command, List.of(name)).getSuggestions();
    String meant = known.isEmpty() ? "" : "; did you mean " + known.get(0) + "?";
    return "unknown %s '%s'%s"
        .formatted(option ? "option" : "command", Printable.line(name), meant);
  }
}
