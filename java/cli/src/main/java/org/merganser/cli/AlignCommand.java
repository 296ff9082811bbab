// SPDX-License-Identifier: Apache-2.0
package org.merganser.cli;

import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.Callable;
import org.merganser.align.Aligner;
import org.merganser.align.Alignment;
import org.merganser.align.AlignmentSet;
import org.merganser.align.Verification;
import org.merganser.compute.Workspace;
import org.merganser.internal.io.PartialFile;
import org.merganser.model.Architecture;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** Finds the maps of one model into another's features. */
@Command(
    name = "align",
    mixinStandardHelpOptions = true,
    description = "Finds the feature maps of model B into model A, and keeps them.")
final class AlignCommand implements Callable<Integer> {
  @Spec CommandSpec spec;
  @Mixin CommonOptions common;
  @Mixin AlignmentOptions alignment;
  @Mixin Replacement replacement;
  @Mixin ModelOptions forms;

  @Parameters(index = "0", paramLabel = "A", description = "The reference.")
  Path reference;

  @Parameters(index = "1", paramLabel = "B", description = "The model to be mapped.")
  Path model;

  @Option(
      names = {"-o", "--out"},
      paramLabel = "FILE",
      required = true,
      description = "The maps (*.mgalign).")
  Path out;

  @Override
  public Integer call() throws IOException {
    PrintWriter print = spec.commandLine().getOut();
    alignment.aligner();
    try (ConsoleProgress progress = new ConsoleProgress();
        Workspace ws = common.open(0, progress);
        Models files = Models.open(List.of(reference, model))) {
      Outputs.requireFile(out, files.paths(), alignment.inputs());
      alignment.requireOwnActivations(files.paths());
      replacement.check(out, Replacement.Kind.MAPS);
      Models opened = forms.adapt(files);
      Architecture architecture = alignment.architecture(opened.checkpoints().get(0));
      opened.require(architecture);
      PartialFile.requireSpace(out, mostBytes(architecture));
      try (AlignmentSet maps = alignment.align(architecture, 2, ws, print)) {
        Alignment found = maps.of(1);
        Verification ofReference =
            alignment.verify(maps.of(0), 0, reference, opened.checkpoints().get(0), ws);
        Verification checks = alignment.verify(found, 1, model, opened.checkpoints().get(1), ws);
        found.save(out, ws);
        progress.finish();
        AlignmentTable.warnings(reference + ": ", ofReference, print);
        AlignmentTable.print(found, checks, print);
      }
      print.println(
          "not mapped: " + Printable.line(architecture.unbound(opened.checkpoints().get(1))));
      print.println(replacement.wrote(out));
      print.flush();
    }
    return 0;
  }

  /** Of the maps: two F64 matrices for each space when they are dense, else two vectors. */
  private long mostBytes(Architecture architecture) {
    boolean dense = !alignment.aligner().traits().contains(Aligner.Trait.ONE_TO_ONE);
    return architecture.spaces().stream()
        .mapToLong(space -> 16 * space.width() * (dense ? space.width() : 1))
        .sum();
  }
}
