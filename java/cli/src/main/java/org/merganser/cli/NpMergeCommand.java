// SPDX-License-Identifier: Apache-2.0
package org.merganser.cli;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.Callable;
import org.merganser.lab.experiment.NpMergeExperiment;
import org.merganser.lab.experiment.NpMergeOptions;
import org.merganser.merge.NpMerger;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** The experiment of NP Merge. */
@Command(
    name = "np-merge",
    mixinStandardHelpOptions = true,
    description =
        "Trains, aligns, learns a coefficient for each parameter, compares with averages,"
            + " fine-tuned averages and the ensemble (NP Merge, 2024).")
final class NpMergeCommand implements Callable<Integer> {
  @Spec CommandSpec spec;
  @Mixin CommonOptions common;
  @Mixin ExperimentOptions experiment;

  @Option(
      names = "--aligners",
      paramLabel = "ID",
      split = ",",
      description = "Methods to compare (default: identity,permutation,cca).")
  List<String> aligners;

  @Option(
      names = "--steps",
      paramLabel = "N",
      defaultValue = "200",
      description = "Steps of NP Merge and of fine-tuning, at most (default: ${DEFAULT-VALUE}).")
  long steps;

  @Option(
      names = "--batch",
      paramLabel = "N",
      defaultValue = "128",
      description = "Samples of one step (default: ${DEFAULT-VALUE}).")
  int batch;

  @Option(
      names = "--lr",
      paramLabel = "RATE",
      defaultValue = "0.05",
      description = "Learning rate of the coefficients, by Adam (default: ${DEFAULT-VALUE}).")
  double rate;

  @Option(
      names = "--form",
      paramLabel = "sigmoid|clamp|softmax",
      defaultValue = "sigmoid",
      description = "How what is learned becomes a coefficient (default: ${DEFAULT-VALUE}).")
  String form;

  @Option(
      names = "--granularity",
      paramLabel = "parameter|row|tensor",
      defaultValue = "parameter",
      description = "What has a coefficient of its own (default: ${DEFAULT-VALUE}).")
  String granularity;

  @Option(
      names = "--held-out",
      paramLabel = "PART",
      defaultValue = "0.1",
      description =
          "Part of the training samples that steps do not see and stopping is decided by; 0 for no"
              + " stopping (default: ${DEFAULT-VALUE}).")
  double heldOut;

  @Option(
      names = "--eval-every",
      paramLabel = "N",
      defaultValue = "10",
      description =
          "Steps between two evaluations of the held-out loss (default: ${DEFAULT-VALUE}).")
  int evalEvery;

  @Option(
      names = "--patience",
      paramLabel = "N",
      defaultValue = "5",
      description = "Evaluations without improvement that end a run (default: ${DEFAULT-VALUE}).")
  int patience;

  @Option(
      names = "--np-train",
      paramLabel = "N",
      description =
          "Training samples that NP Merge and fine-tuning see, drawn at random (default: all that"
              + " are used).")
  Integer npTrain;

  @Option(
      names = "--samples",
      paramLabel = "N",
      split = ",",
      description =
          "Numbers of training samples of a curve; 0 for none (default: 128,512,2048 for mlp as far"
              + " as there are as many, none for the others).")
  List<Integer> samples;

  @Option(
      names = "--out",
      paramLabel = "DIR",
      defaultValue = "merganser-np-merge",
      description = "Where results.json and report.html go (default: ${DEFAULT-VALUE}).")
  Path out;

  @Override
  public Integer call() throws IOException {
    NpMergeOptions.Builder builder =
        NpMergeOptions.builder(experiment.data)
            .np(
                NpMerger.Options.defaults()
                    .withForm(ExperimentOptions.named(NpMerger.Form.class, "form", form))
                    .withGranularity(
                        ExperimentOptions.named(
                            NpMerger.Granularity.class, "granularity", granularity))
                    .withOptimizer(new NpMerger.Optimizer.Adam(rate))
                    .withSteps(steps)
                    .withEvalEvery(evalEvery)
                    .withPatience(patience))
            .batch(batch)
            .heldOut(heldOut);
    if (npTrain != null) {
      builder.npTrain(npTrain);
    }
    if (samples != null) {
      builder.samples(samples.equals(List.of(0)) ? List.of() : samples);
    }
    experiment.apply(builder, aligners, out);
    NpMergeOptions options = builder.build();
    ExperimentRun.run(
        options.settings(),
        ws -> NpMergeExperiment.run(options, ws),
        out,
        common,
        spec.commandLine().getOut());
    return 0;
  }
}
