// SPDX-License-Identifier: Apache-2.0
package org.merganser.cli;

import java.io.IOException;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import org.merganser.lab.experiment.CcaMergeExperiment;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** The main job on embedded data. */
@Command(
    name = "quickstart",
    mixinStandardHelpOptions = true,
    description = {
      "Trains pairs of networks on embedded images and merges them: table and report.",
      "Three pairs, since one says little. No download, well under a minute on two cores."
    })
final class QuickstartCommand implements Callable<Integer> {
  private static final int PAIRS = 3;

  @Spec CommandSpec spec;
  @Mixin CommonOptions common;

  @Option(
      names = "--hidden",
      paramLabel = "N",
      defaultValue = "32",
      description = "Width of the two hidden layers (default: ${DEFAULT-VALUE}).")
  int hidden;

  @Option(
      names = "--out",
      paramLabel = "DIR",
      defaultValue = "merganser-quickstart",
      description = "Where results.json and report.html go (default: ${DEFAULT-VALUE}).")
  Path out;

  @Option(
      names = "--keep",
      paramLabel = "DIR",
      description = "Keep models, statistics and merged models.")
  Path keep;

  @Override
  public Integer call() throws IOException {
    CcaMergeExperiment.Options options =
        CcaMergeExperiment.Options.defaults()
            .with("hidden", hidden)
            .with("seeds", PAIRS)
            .with("repair", false)
            .with("out", out)
            .with("cache", out.resolve("models"));
    ExperimentRun.run(
        new CcaMergeExperiment(keep == null ? options : options.with("keep", keep)),
        common,
        spec.commandLine().getOut());
    return 0;
  }
}
