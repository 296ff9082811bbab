// SPDX-License-Identifier: Apache-2.0
package org.merganser.cli;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.Callable;
import org.merganser.lab.experiment.BatchNormTreatment;
import org.merganser.lab.experiment.CcaMergeExperiment;
import org.merganser.lab.experiment.CcaMergeOptions;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** The experiment of CCA Merge. */
@Command(
    name = "cca-merge",
    mixinStandardHelpOptions = true,
    description = "Trains, aligns with every method, merges and compares (CCA Merge, 2024).")
final class CcaMergeCommand implements Callable<Integer> {
  @Spec CommandSpec spec;
  @Mixin CommonOptions common;
  @Mixin ExperimentOptions experiment;

  @Option(
      names = "--aligners",
      paramLabel = "ID",
      split = ",",
      description = "Methods to compare (default: all).")
  List<String> aligners;

  @Option(
      names = "--no-repair",
      description =
          "Leave out the rows of merged models after repair (those of --batch-norm with batch"
              + " normalisation, repair without).")
  boolean noRepair;

  @Option(
      names = "--batch-norm",
      paramLabel = "spread|mapped|reference|fold",
      split = ",",
      description =
          "What becomes of scale and shift of batch normalisation: the scale by its spread; both"
              + " mapped like weights, as published; those of the first model; folded into the"
              + " layer before and put back with those of the first model (default: spread,fold).")
  List<String> batchNorm;

  @Option(
      names = "--points",
      paramLabel = "N",
      defaultValue = "11",
      description =
          "Models evaluated on the line between the first two; 0 for none (default:"
              + " ${DEFAULT-VALUE}).")
  int points;

  @Option(
      names = "--out",
      paramLabel = "DIR",
      defaultValue = "merganser-cca-merge",
      description = "Where results.json and report.html go (default: ${DEFAULT-VALUE}).")
  Path out;

  @Override
  public Integer call() throws IOException {
    CcaMergeOptions.Builder builder =
        CcaMergeOptions.builder(experiment.data).repair(!noRepair).points(points);
    if (batchNorm != null) {
      ExperimentOptions.refuse(
          "--batch-norm", !experiment.isBatchNormalised(), "there is no batch normalisation");
      builder.treatments(batchNorm.stream().map(BatchNormTreatment::of).toList());
    }
    experiment.apply(builder, aligners, out);
    CcaMergeOptions options = builder.build();
    ExperimentRun.run(
        options.settings(),
        ws -> CcaMergeExperiment.run(options, ws),
        out,
        common,
        spec.commandLine().getOut());
    return 0;
  }
}
