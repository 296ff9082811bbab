// SPDX-License-Identifier: Apache-2.0
package org.merganser.cli;

import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import org.merganser.align.AlignmentSet;
import org.merganser.align.Verification;
import org.merganser.compute.Workspace;
import org.merganser.error.IncompatibleModelsException;
import org.merganser.io.Checkpoint;
import org.merganser.io.Safetensors;
import org.merganser.merge.LinearMerger;
import org.merganser.merge.MergeProblem;
import org.merganser.model.Architecture;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** Aligns checkpoints and averages them. */
@Command(
    name = "merge",
    mixinStandardHelpOptions = true,
    description = "Aligns models to the first one and averages them into one checkpoint.",
    footer = {
      "",
      "Example:",
      "  merganser merge a.safetensors b.safetensors --method cca \\",
      "      --activations-a acts/a --activations-b acts/b -o merged.safetensors"
    })
final class MergeCommand implements Callable<Integer> {
  @Spec CommandSpec spec;
  @Mixin CommonOptions common;
  @Mixin AlignmentOptions alignment;

  @Parameters(paramLabel = "MODEL", arity = "2..*", description = "Safetensors files.")
  List<Path> models;

  @Option(
      names = "--weights",
      paramLabel = "W",
      split = ",",
      description = "Weight of each model, divided by their sum (default: equal).")
  double[] weights = {};

  @Option(
      names = {"-o", "--out"},
      paramLabel = "FILE",
      required = true,
      description = "The merged checkpoint.")
  Path out;

  @Override
  public Integer call() throws IOException {
    PrintWriter print = spec.commandLine().getOut();
    LinearMerger merger =
        weights.length == 0 ? LinearMerger.uniform() : LinearMerger.weights(weights);
    alignment.aligner();
    try (ConsoleProgress progress = new ConsoleProgress();
        Workspace ws = common.open(0, progress);
        Models opened = Models.open(models)) {
      Outputs.requireFile(out, models, alignment.inputs());
      Checkpoint merged = merger.merge(problem(opened, ws, print), ws);
      if (!merged.stale().isEmpty()) {
        throw new IncompatibleModelsException(
            "a dense map changes what normalisation statistics describe, and they are not reset"
                + " here; use --method permutation, or merge through the Java API with a reset",
            merged.stale().stream().sorted().toList());
      }
      Safetensors.write(merged, out, ws);
      progress.finish();
      print.println(
          "wrote "
              + out
              + ": "
              + merged.tensors().size()
              + " tensors, "
              + merged.parameters()
              + " parameters");
      print.flush();
    }
    return 0;
  }

  private MergeProblem problem(Models opened, Workspace ws, PrintWriter print) throws IOException {
    // Every mismatch is reported before any work.
    MergeProblem plain = MergeProblem.of(opened.checkpoints());
    if (alignment.method.equals("identity") && alignment.architecture == null) {
      return plain;
    }
    Architecture architecture = alignment.architecture(opened.checkpoints().get(0));
    opened.require(architecture);
    AlignmentSet found = alignment.align(architecture, opened.checkpoints().size(), ws);
    List<Checkpoint> aligned = new ArrayList<>();
    for (int k = 0; k < opened.checkpoints().size(); k++) {
      Verification checks =
          alignment.verify(found.of(k), k, models.get(k), opened.checkpoints().get(k), ws);
      if (k > 0) {
        print.println(models.get(k) + " into " + models.get(0) + " by " + alignment.method + ":");
        AlignmentTable.print(found.of(k), checks, print);
      } else {
        AlignmentTable.warnings(models.get(0) + ": ", checks, print);
      }
      aligned.add(found.of(k).apply(opened.checkpoints().get(k)));
    }
    print.println("not mapped: " + architecture.unbound(opened.checkpoints().get(0)));
    return MergeProblem.of(architecture, aligned);
  }
}
