// SPDX-License-Identifier: Apache-2.0
package org.merganser.cli;

import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import org.merganser.align.AlignmentSet;
import org.merganser.compute.Workspace;
import org.merganser.internal.Opened;
import org.merganser.io.Checkpoint;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.OptionSpec;
import picocli.CommandLine.Parameters;

/** Finds the maps of one model into another's features. */
@Command(
    name = "align",
    description = {
      "Finds the feature maps of model B into model A, and keeps them (*.mgalign);",
      "or of transformers the symmetry that brings their weights together (--weights)."
    })
final class AlignCommand extends Computation {
  private static final Set<String> COMMON = Set.of("--out", "--force", "--threads", "--verbose");

  @Mixin AlignmentOptions alignment;
  @Mixin Output output;
  @Mixin ModelOptions forms;

  @Mixin(name = "weights")
  WeightsAlignment weights;

  @Parameters(index = "0", arity = "0..1", paramLabel = "A", description = "The reference.")
  Path reference;

  @Parameters(
      index = "1",
      arity = "0..1",
      paramLabel = "B",
      description = "The model to be mapped.")
  Path model;

  @Override
  void run(PrintWriter out) throws IOException {
    check();
    if (weights.isMeant()) {
      try (Workspace ws = open(0)) {
        weights.run(output, ws, out);
      }
      return;
    }
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

  /** Refuses what does not go with two models and their activations, or with two transformers. */
  private void check() {
    boolean symmetry = weights.isMeant();
    boolean given = symmetry ? reference == null : model != null;
    if (!given) {
      throw new CommandLine.ParameterException(
          spec.commandLine(),
          symmetry
              ? "--weights names both models; leave out " + reference
              : "Missing required parameter"
                  + (reference == null ? "s: 'A', 'B'" : ": 'B'")
                  + "; or give --weights SOURCE TARGET");
    }
    Set<OptionSpec> own = Set.copyOf(spec.mixins().get("weights").options());
    for (OptionSpec option : List.copyOf(spec.commandLine().getParseResult().matchedOptionsSet())) {
      boolean common = COMMON.contains(option.longestName());
      if (!common && own.contains(option) != symmetry) {
        throw new IllegalArgumentException(
            option.longestName()
                + (symmetry
                    ? " does not go with --weights, which needs no activations; drop it"
                    : " is for transformers: give --weights SOURCE TARGET, or drop it"));
      }
    }
  }
}
