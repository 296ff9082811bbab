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
import org.merganser.plan.Catalogue;
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
  /** Adds the commands of all experiments to this one. */
  static void addExperiments(CommandLine command) {
    for (Experiments.Kind<?> kind : Experiments.all()) {
      CommandLine one = new CommandLine(new Named(kind));
      one.getCommandSpec().usageMessage().description(kind.summary());
      kind.settings().entries().forEach(s -> one.getCommandSpec().addOption(option(s)));
      command.addSubcommand(kind.id(), one);
    }
  }

  private static boolean isOff(Settings.Entry setting) {
    return setting.item() == boolean.class && setting.initial().equals("true");
  }

  private static String name(Settings.Entry setting) {
    return (isOff(setting) ? "--no-" : "--") + setting.name();
  }

  private static OptionSpec option(Settings.Entry setting) {
    Class<?> item = setting.item();
    String help = setting.help().substring(0, 1).toUpperCase(Locale.ROOT);
    help = (isOff(setting) ? "Leave out: " + setting.help() : help + setting.help().substring(1));
    String initial = setting.list() ? setting.initial().replace(':', ',') : setting.initial();
    boolean told = item != boolean.class && !initial.isEmpty();
    OptionSpec.Builder option =
        OptionSpec.builder(name(setting))
            .description(help.replace("%", "%%") + (told ? " (default: " + initial + ")." : "."));
    if (item == boolean.class) {
      return option.type(boolean.class).build();
    }
    if (item.isEnum()) {
      List<String> constants = Arrays.asList(setting.type().split(", "));
      option.completionCandidates(constants).paramLabel(String.join("|", constants));
    } else {
      option.paramLabel(
          item == Path.class
              ? "DIR"
              : item == String.class ? "NAME" : item == double.class ? "X" : "N");
    }
    boolean text = item.isEnum() || item == String.class;
    return setting.list()
        ? option.type(List.class).auxiliaryTypes(String.class).arity("1").build()
        : option.type(text ? String.class : item).arity("1").build();
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
      Map<String, Object> given = new LinkedHashMap<>();
      for (Settings.Entry setting : kind.settings().entries()) {
        OptionSpec option = spec.optionsMap().get(name(setting));
        if (spec.commandLine().getParseResult().hasMatchedOption(option)) {
          given.put(
              setting.name(), setting.item() == boolean.class ? !isOff(setting) : value(option));
        }
      }
      given.putIfAbsent("out", "merganser-" + kind.id());
      given.putIfAbsent("cache", Path.of(given.get("out").toString()).resolve("models"));
      ExperimentRun.run(kind.with(given), common, spec.commandLine().getOut());
      return 0;
    }

    private static Object value(OptionSpec option) {
      return option.getValue() instanceof List<?> texts
          ? texts.stream().flatMap(t -> Catalogue.Methods.split((String) t).stream()).toList()
          : option.getValue();
    }
  }
}
