// SPDX-License-Identifier: Apache-2.0
package org.merganser.cli;

import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import org.merganser.align.AlignmentSet;
import org.merganser.compute.Workspace;
import org.merganser.internal.Opened;
import org.merganser.io.Checkpoint;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Parameters;

/** Finds the maps of one model into another's features. */
@Command(
    name = "align",
    description = "Finds the feature maps of model B into model A, and keeps them (*.mgalign).")
final class AlignCommand extends Computation {
  @Mixin AlignmentOptions alignment;
  @Mixin Output output;
  @Mixin ModelOptions forms;

  @Parameters(index = "0", paramLabel = "A", description = "The reference.")
  Path reference;

  @Parameters(index = "1", paramLabel = "B", description = "The model to be mapped.")
  Path model;

  @Override
  void run(PrintWriter out) throws IOException {
    alignment.check(false);
    try (Workspace ws = open(0);
        Opened opened = new Opened()) {
      List<Path> paths = List.of(reference, model);
      List<Checkpoint> files = Aligning.open(paths, opened);
      output.check(Output.Kind.MAPS, paths, alignment.inputs());
      Optional<RunningNetwork> network = alignment.network.open(spec, opened);
      Aligning aligning =
          opened.add(new Aligning(alignment, paths, forms.adapt(files), network, ws));
      AlignmentSet maps = aligning.maps(2, out);
      aligning.report(maps, out);
      maps.of(1).save(output.path, ws);
      out.println(output.wrote());
    }
  }
}
