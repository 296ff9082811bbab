// SPDX-License-Identifier: Apache-2.0
package org.merganser.cli;

import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.DirectoryNotEmptyException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.function.Predicate;
import org.merganser.compute.Workspace;
import org.merganser.lab.experiment.Experiment;
import org.merganser.lab.experiment.ExperimentResult;
import org.merganser.lab.experiment.Experiments;
import org.merganser.lab.experiment.Runs;
import org.merganser.method.Settings;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Model.OptionSpec;

/**
 * Runs a published experiment, prints its table and writes its report; its options are those that
 * it declares.
 */
@Command
final class ExperimentCommand extends Computation {
  private static final String RESULTS = "results.json";

  private final Experiments.Kind<?> kind;
  private final Map<String, String> preset;

  private ExperimentCommand(Experiments.Kind<?> kind, Map<String, String> preset) {
    this.kind = kind;
    this.preset = preset;
  }

  /** Those that there are, by name. */
  @Command(
      description = "Runs a published experiment at the scale of this machine.",
      synopsisSubcommandLabel = "NAME")
  private static final class All {}

  static CommandLine all() {
    CommandLine all = new CommandLine(new All());
    for (Experiments.Kind<?> kind : Experiments.all()) {
      Map<String, String> preset = Map.of("out", "merganser-" + kind.id());
      // A file of the state is that of one run of NP Merge, and an experiment makes many.
      Predicate<String> offered = setting -> !setting.equals("state");
      all.addSubcommand(kind.id(), command(kind, preset, offered, kind.summary()));
    }
    return all;
  }

  /** The first experiment on embedded data. */
  static CommandLine quickstart() {
    return command(
        Experiments.all().get(0),
        Map.of("seeds", "3", "repair", "false", "out", "merganser-quickstart"),
        List.of("hidden", "out", "keep")::contains,
        "Trains pairs of networks on embedded images and merges them: table and report.",
        "Three pairs, since one says little. No download, well under a minute on two cores.");
  }

  private static CommandLine command(
      Experiments.Kind<?> kind,
      Map<String, String> preset,
      Predicate<String> offered,
      String... description) {
    CommandLine command = new CommandLine(new ExperimentCommand(kind, preset));
    command.getCommandSpec().usageMessage().description(description);
    declare(command.getCommandSpec(), kind.settings(), offered);
    return command;
  }

  /** Offers settings as options. */
  static void declare(CommandSpec command, Settings<?> settings, Predicate<String> offered) {
    settings.entries().stream()
        .filter(setting -> offered.test(setting.name()))
        .forEach(setting -> command.addOption(option(setting)));
  }

  /** Those of the settings that were given. */
  static Map<String, String> given(
      CommandSpec command, Settings<?> settings, Predicate<String> offered) {
    Map<String, String> given = new LinkedHashMap<>();
    for (Settings.Entry setting : settings.entries()) {
      String name = name(setting);
      if (offered.test(setting.name())
          && command.commandLine().getParseResult().hasMatchedOption(name)) {
        String text =
            isFlag(setting)
                ? "" + !isOff(setting)
                : command.optionsMap().get(name).getValue().toString();
        if (text.isEmpty()) {
          throw new IllegalArgumentException(name + " is empty; a variable may not be set");
        }
        given.put(setting.name(), setting.list() ? text.replace(',', ':') : text);
      }
    }
    return given;
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
    String values = String.join("|", setting.constants());
    // Names of files are read as those of other commands are.
    return option
        .type(setting.type().equals("path") ? Path.class : String.class)
        .arity("1")
        .description(help + (initial.isEmpty() ? "." : " (default: " + initial + ")."))
        .completionCandidates(setting.constants())
        .paramLabel(values.isEmpty() ? setting.type().toUpperCase(Locale.ROOT) : values)
        .build();
  }

  @Override
  void run(PrintWriter print) throws IOException {
    Map<String, String> given = new LinkedHashMap<>(preset);
    given.putAll(given(spec, kind.settings(), setting -> true));
    Optional<Path> models = models(given);
    models.ifPresent(folder -> given.put("cache", folder.toString()));
    Experiment experiment = kind.with(given);
    Runs options = experiment.runs();
    Path out = options.out().orElseThrow();
    Deque<Path> made = new ArrayDeque<>();
    ExperimentResult result;
    String replaced = Files.exists(out.resolve(RESULTS)) ? " (replaced)" : "";
    try {
      // Before any work: a run must not end on a folder that cannot be written.
      for (Optional<Path> folder : List.of(options.out(), models, options.keep())) {
        if (folder.isPresent()) {
          make(folder.get().toAbsolutePath(), made);
        }
      }
      try (Workspace ws = open(options.seed())) {
        result = experiment.run(ws);
      }
      progress.close();
      // Before it is written: a full disk does not take it away.
      print.printf("%n%s%n", result.report().tables());
      print.flush();
      experiment.write(result);
    } finally {
      removeEmpty(made);
    }
    print.printf(
        "models   %s(%d trained, %d there before)%n",
        models.map(folder -> folder + " ").orElse(""),
        result.training().trained(),
        result.training().cached());
    print.println("results  " + out.resolve(RESULTS) + replaced);
    print.println("report   " + out.resolve("report.html") + replaced);
  }

  /** Where trained models are kept for later runs; empty for an experiment that keeps none. */
  private Optional<Path> models(Map<String, String> given) {
    if (!kind.settings().has("cache")) {
      return Optional.empty();
    }
    String usual = Path.of(given.get("out")).resolve("models").toString();
    return Optional.of(Path.of(given.getOrDefault("cache", usual)));
  }

  /**
   * @param made gets the folders that were not there, inner ones first
   */
  private static void make(Path folder, Deque<Path> made) throws IOException {
    if (!Files.isDirectory(folder)) {
      make(folder.getParent(), made);
      Files.createDirectory(folder);
      made.push(folder);
    }
  }

  /** Nothing is left of a run that failed before it found anything worth keeping. */
  private static void removeEmpty(Deque<Path> made) throws IOException {
    for (Path folder : made) {
      try {
        Files.deleteIfExists(folder);
      } catch (DirectoryNotEmptyException e) {
        // Such as models already trained.
      }
    }
  }
}
