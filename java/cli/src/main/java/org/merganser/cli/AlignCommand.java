// SPDX-License-Identifier: Apache-2.0
package org.merganser.cli;

import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.Callable;
import org.merganser.align.Alignment;
import org.merganser.compute.Workspace;
import org.merganser.io.PartialFile;
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
      Models opened = forms.adapt(files);
      Architecture architecture = alignment.architecture(opened.checkpoints().get(0));
      opened.require(architecture);
      PartialFile.requireSpace(out, mostBytes(architecture));
      Alignment found = alignment.align(architecture, 2, ws).of(1);
      found.save(out, ws);
      progress.finish();
      AlignmentTable.print(found, ws, print);
      print.println("not mapped: " + architecture.unbound(opened.checkpoints().get(1)));
      print.println("wrote " + out);
      print.flush();
    }
    return 0;
  }

  /** Of the maps: two F64 matrices for each space when they are dense, else two vectors. */
  private long mostBytes(Architecture architecture) {
    boolean dense = !alignment.method.equals("permutation") && !alignment.method.equals("identity");
    return architecture.spaces().stream()
        .mapToLong(space -> 16 * space.width() * (dense ? space.width() : 1))
        .sum();
  }
}
