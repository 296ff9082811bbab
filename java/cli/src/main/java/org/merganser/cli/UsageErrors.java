// SPDX-License-Identifier: Apache-2.0
package org.merganser.cli;

import java.io.PrintWriter;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import picocli.CommandLine;
import picocli.CommandLine.IParameterExceptionHandler;
import picocli.CommandLine.Model.OptionSpec;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.UnmatchedArgumentException;

/** Says in one line what is wrong with a command line, and in a second where help is. */
final class UsageErrors implements IParameterExceptionHandler {
  @Override
  public int handleParseException(ParameterException e, String[] args) {
    CommandLine command = e.getCommandLine();
    PrintWriter err = command.getErr();
    err.println("merganser: " + unknownName(command, args).orElseGet(() -> message(e)));
    if (isWithoutSubcommand(e)) {
      command.usage(err);
    } else {
      err.println("see '" + command.getCommandSpec().qualifiedName() + " --help'");
    }
    err.flush();
    return Failures.USAGE;
  }

  private static boolean isWithoutSubcommand(ParameterException e) {
    return !(e instanceof UnmatchedArgumentException)
        && !e.getCommandLine().getSubcommands().isEmpty();
  }

  private static String message(ParameterException e) {
    if (!(e instanceof UnmatchedArgumentException unmatched)) {
      return Printable.line(e.getMessage());
    }
    String first = unmatched.getUnmatched().get(0);
    if (first.startsWith("-")) {
      return unknown("option", first, e.getCommandLine());
    }
    return e.getCommandLine().getSubcommands().isEmpty()
        ? "'" + Printable.line(first) + "' is one argument too many"
        : unknown("command", first, e.getCommandLine());
  }

  /**
   * A mistyped name is told before anything else that is wrong: it is often the reason, when a
   * required option seems to be missing, or its value to be an argument.
   */
  private static Optional<String> unknownName(CommandLine command, String[] args) {
    CommandLine at = root(command);
    boolean value = false;
    for (String arg : args) {
      if (arg.equals("--")) {
        break;
      }
      if (at.getSubcommands().containsKey(arg)) {
        at = at.getSubcommands().get(arg);
        continue;
      }
      Map<String, OptionSpec> options = at.getCommandSpec().optionsMap();
      String name = arg.startsWith("--") ? arg.split("=", 2)[0] : arg;
      OptionSpec known = options.get(name);
      boolean joined = arg.length() > 2 && options.containsKey(arg.substring(0, 2));
      boolean option = arg.startsWith("--") || !value && arg.matches("-[A-Za-z].*");
      if (option && known == null && !joined) {
        return Optional.of(unknown("option", name, at));
      }
      if (!arg.startsWith("-") && !at.getSubcommands().isEmpty()) {
        return Optional.of(unknown("command", arg, at));
      }
      value = known != null && name.equals(arg) && known.arity().max() > 0;
    }
    return Optional.empty();
  }

  private static CommandLine root(CommandLine command) {
    return command.getParent() == null ? command : root(command.getParent());
  }

  private static String unknown(String what, String name, CommandLine command) {
    List<String> known = new UnmatchedArgumentException(command, List.of(name)).getSuggestions();
    return "unknown "
        + what
        + " '"
        + Printable.line(name)
        + "'"
        + (known.isEmpty() ? "" : "; did you mean " + known.get(0) + "?");
  }
}
