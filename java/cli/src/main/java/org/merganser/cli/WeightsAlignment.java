// SPDX-License-Identifier: Apache-2.0
package org.merganser.cli;

import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.List;
import org.merganser.compute.Workspace;
import org.merganser.internal.Opened;
import org.merganser.io.ModelDirectory;
import org.merganser.lab.report.Json;
import org.merganser.recipe.SkillTransfer;
import org.merganser.symmetry.SymmetryAligner;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** The part of {@code align} that finds symmetries of transformers. */
final class WeightsAlignment {
  static final String WEIGHTS = "--weights";

  @Option(
      names = WEIGHTS,
      arity = "2",
      paramLabel = "SOURCE TARGET",
      hideParamSyntax = true,
      description =
          "Two transformers of one structure, instead of A and B: finds the symmetry that brings"
              + " the weights of SOURCE nearest to TARGET, and keeps it (*.mgsymmetry).")
  List<Path> models;

  @Option(
      names = "--report",
      paramLabel = "FILE",
      description = "For --weights: writes how it went as JSON.")
  Path report;

  @Mixin SymmetryOptions symmetry;

  boolean isMeant() {
    return models != null;
  }

  void run(Output output, Workspace ws, PrintWriter out) throws IOException {
    SkillTransfer.Options options = SkillTransfer.Options.parse(symmetry.text());
    output.check(Output.Kind.SYMMETRY, models, List.of());
    Output second = output.beside("--report", report);
    if (report != null) {
      if (second.isSame(output)) {
        throw new IllegalArgumentException("--report and -o name one file; give each its own");
      }
      second.check(Output.Kind.SYMMETRY_REPORT, models, List.of());
    }
    try (Opened opened = new Opened()) {
      ModelDirectory source = opened.add(ModelDirectory.open(models.get(0)));
      ModelDirectory target = opened.add(ModelDirectory.open(models.get(1)));
      SkillTransfer transfer = SkillTransfer.of(target, source, source, options);
      transfer.notes().forEach(note -> out.println("note: " + Printable.line(note)));
      SymmetryAligner.Result found = transfer.align(ws);
      out.println(Printable.line(source) + " into " + Printable.line(target) + ":");
      out.print(found.report());
      found.element().save(output.path, ws);
      if (report != null) {
        Json.write(found.report(), report);
        out.println(second.wrote());
      }
      out.println(output.wrote());
    }
  }
}
