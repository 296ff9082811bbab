// SPDX-License-Identifier: Apache-2.0
package org.merganser.cli;

import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.Callable;
import org.merganser.align.Alignment;
import org.merganser.compute.Workspace;
import org.merganser.internal.io.PartialFile;
import org.merganser.io.Checkpoint;
import org.merganser.io.Safetensors;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** Writes a model in the features of another. */
@Command(
    name = "apply",
    mixinStandardHelpOptions = true,
    description = "Applies the maps that align found: writes a model in the reference's features.",
    footer = {
      "",
      "Example:",
      "  merganser align a.safetensors b.safetensors --activations-a acts/a \\",
      "      --activations-b acts/b -o b-to-a.mgalign",
      "  merganser apply b-to-a.mgalign b.safetensors -o b-like-a.safetensors"
    })
final class ApplyCommand implements Callable<Integer> {
  @Spec CommandSpec spec;
  @Mixin CommonOptions common;
  @Mixin Replacement replacement;
  @Mixin Staleness staleness;
  @Mixin ModelOptions forms;

  @Parameters(index = "0", paramLabel = "MAPS", description = "The maps (*.mgalign).")
  Path maps;

  @Parameters(index = "1", paramLabel = "MODEL", description = "The model to be mapped.")
  Path model;

  @Option(
      names = "--inverse",
      description =
          "The other way: takes a model in the reference's features, writes it in those of B.")
  boolean inverse;

  @Option(
      names = {"-o", "--out"},
      paramLabel = "FILE",
      required = true,
      description = "The mapped checkpoint.")
  Path out;

  @Override
  public Integer call() throws IOException {
    PrintWriter print = spec.commandLine().getOut();
    try (ConsoleProgress progress = new ConsoleProgress();
        Workspace ws = common.open(0, progress);
        Checkpoint file = Safetensors.open(model)) {
      Outputs.requireFile(out, List.of(model), List.of(maps));
      replacement.check(out, Replacement.Kind.CHECKPOINT);
      Models files = new Models(List.of(model), List.of(file));
      Checkpoint opened = forms.adapt(files).checkpoints().get(0);
      PartialFile.requireSpace(out, Safetensors.fileBytes(forms.result(opened)));
      try (Alignment found = Alignment.load(maps, ws);
          Alignment used = inverse ? inverse(found) : found) {
        Checkpoint mapped = forms.result(used.apply(opened));
        staleness.write(mapped, out, ws, spec.commandLine().getErr());
        progress.finish();
        AlignmentTable.print(used, used.verify(ws), print);
        print.println("not mapped: " + Printable.line(used.architecture().unbound(opened)));
      }
      if (!forms.leftOut(files).isEmpty()) {
        print.println("left out: " + Printable.line(forms.leftOut(files)));
      }
      print.println(replacement.wrote(out));
    }
    return 0;
  }

  private Alignment inverse(Alignment found) {
    if (!found.isInvertible()) {
      throw new ParameterException(
          spec.commandLine(),
          "--inverse: the maps of method "
              + found.method()
              + " are pairs and have no inverse; align the models the other way round");
    }
    return found.inverse();
  }
}
