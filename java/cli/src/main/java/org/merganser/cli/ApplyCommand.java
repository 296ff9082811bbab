// SPDX-License-Identifier: Apache-2.0
package org.merganser.cli;

import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.List;
import org.merganser.align.Alignment;
import org.merganser.compute.Workspace;
import org.merganser.io.Checkpoint;
import org.merganser.io.Safetensors;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Writes a model in the features of another. */
@Command(
    name = "apply",
    description = "Applies the maps that align found: writes a model in the reference's features.",
    footer = {
      "",
      "Example:",
      "  merganser align a.safetensors b.safetensors --activations-a acts/a \\",
      "      --activations-b acts/b -o b-to-a.mgalign",
      "  merganser apply b-to-a.mgalign b.safetensors -o b-like-a.safetensors"
    })
final class ApplyCommand extends Computation {
  @Mixin Output output;
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

  @Override
  void run(PrintWriter out) throws IOException {
    try (Workspace ws = open(0);
        Checkpoint file = Safetensors.open(model)) {
      output.check(Output.Kind.CHECKPOINT, List.of(model), List.of(maps));
      Checkpoint read = forms.adapt(List.of(file)).get(0);
      output.requireRoom(Safetensors.fileBytes(forms.result(read)));
      try (Alignment found = Alignment.load(maps, ws);
          Alignment used = inverse ? inverse(found) : found) {
        Checkpoint mapped = forms.result(used.apply(read));
        staleness.write(mapped, output.path, ws, spec.commandLine().getErr());
        AlignmentTable.print(used, used.verify(ws), out);
        out.println("not mapped: " + Printable.line(used.architecture().unbound(read)));
      }
      forms.tell(out);
      out.println(output.wrote());
    }
  }

  private static Alignment inverse(Alignment found) {
    if (!found.isInvertible()) {
      throw new IllegalArgumentException(
          "--inverse: the maps of method %s are pairs and have no inverse; align the models the other way round"
              .formatted(found.method()));
    }
    return found.inverse();
  }
}
