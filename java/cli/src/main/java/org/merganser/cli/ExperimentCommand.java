// SPDX-License-Identifier: Apache-2.0
package org.merganser.cli;

import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import org.merganser.lab.experiment.Experiments;
import org.merganser.method.Settings;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Model.OptionSpec;
import picocli.CommandLine.Spec;

/** Published experiments by name. */
@Command(
    name = "experiment",
    mixinStandardHelpOptions = true,
    description = "Runs a published experiment at the scale of this machine.",
    synopsisSubcommandLabel = "NAME")
final class ExperimentCommand {
  private static final Map<String, String> LABELS =
      Map.of(
          "number",
          "X",
          "numbers",
          "X,...",
          "integer",
          "N",
          "integers",
          "N,...",
          "text",
          "NAME",
          "path",
          "DIR");

  /** Adds the commands of all experiments to this one. */
  static void addExperiments(CommandLine command) {
    for (Experiments.Kind<?> kind : Experiments.all()) {
      CommandLine one = new CommandLine(new Named(kind));
      one.getCommandSpec().usageMessage().description(kind.summary());
      kind.settings().entries().forEach(s -> one.getCommandSpec().addOption(option(s)));
      command.addSubcommand(kind.id(), one);
    }
  }

  private static boolean isFlag(Settings.Entry setting) {
    return setting.type().equals("true, false");
  }

  /** What is on unless said otherwise is said otherwise. */
  private static boolean isOff(Settings.Entry setting) {
    return isFlag(setting) && setting.initial().equals("true");
  }

  private static String name(Settings.Entry setting) {
    return (isOff(setting) ? "--no-" : "--") + setting.name();
  }

  private static OptionSpec option(Settings.Entry setting) {
    String help = setting.help().replace("%", "%%");
    help = help.substring(0, 1).toUpperCase(Locale.ROOT) + help.substring(1);
    OptionSpec.Builder option = OptionSpec.builder(name(setting));
    if (isFlag(setting)) {
      return option
          .type(boolean.class)
          .description((isOff(setting) ? "Leave out: " + setting.help() : help) + ".")
          .build();
    }
    String initial = setting.list() ? setting.initial().replace(':', ',') : setting.initial();
    option.description(help + (initial.isEmpty() ? "." : " (default: " + initial + ")."));
    String label = LABELS.get(setting.type());
    if (label == null) {
      List<String> constants = Arrays.asList(setting.type().split(", "));
      option.completionCandidates(constants);
      label = String.join("|", constants);
    }
    // Names of files are read as those of other commands are.
    Class<?> type = setting.type().equals("path") ? Path.class : String.class;
    return option.type(type).arity("1").paramLabel(label).build();
  }

  /** One experiment; its options are those that it declares. */
  @Command(mixinStandardHelpOptions = true)
  private static final class Named implements Callable<Integer> {
    @Spec CommandSpec spec;
    @Mixin CommonOptions common;

    private final Experiments.Kind<?> kind;

    Named(Experiments.Kind<?> kind) {
      this.kind = kind;
    }

    @Override
    public Integer call() throws IOException {
      Map<String, String> given = new LinkedHashMap<>();
      for (Settings.Entry setting : kind.settings().entries()) {
        OptionSpec option = spec.optionsMap().get(name(setting));
        if (spec.commandLine().getParseResult().hasMatchedOption(option)) {
          String text = isFlag(setting) ? "" + !isOff(setting) : option.getValue().toString();
          if (text.isEmpty()) {
            throw new IllegalArgumentException(
                name(setting) + " is empty; a variable may not be set");
          }
          given.put(setting.name(), setting.list() ? text.replace(',', ':') : text);
        }
      }
      given.putIfAbsent("out", "merganser-" + kind.id());
      given.putIfAbsent("cache", Path.of(given.get("out")).resolve("models").toString());
      ExperimentRun.run(kind.with(given), common, spec.commandLine().getOut());
      return 0;
    }
  }
}
