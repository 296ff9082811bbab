// SPDX-License-Identifier: Apache-2.0
package org.merganser.cli;

import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.concurrent.Callable;
import org.merganser.align.AlignmentSet;
import org.merganser.align.Verification;
import org.merganser.compute.Workspace;
import org.merganser.internal.Opened;
import org.merganser.internal.io.PartialFile;
import org.merganser.io.Checkpoint;
import org.merganser.io.Safetensors;
import org.merganser.merge.MergeProblem;
import org.merganser.merge.Merger;
import org.merganser.model.Architecture;
import org.merganser.plan.Catalogue;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** Aligns checkpoints and merges them. */
@Command(
    name = "merge",
    mixinStandardHelpOptions = true,
    description = "Aligns models to the first one and merges them into one checkpoint.",
    footer = {
      "",
      "Example:",
      "  merganser merge a.safetensors b.safetensors --method cca \\",
      "      --activations-a acts/a --activations-b acts/b -o merged.safetensors",
      "How to export activations from PyTorch: docs/activations.md"
    })
final class MergeCommand implements Callable<Integer> {
  @Spec CommandSpec spec;
  @Mixin CommonOptions common;
  @Mixin AlignmentOptions alignment;
  @Mixin Replacement replacement;
  @Mixin Staleness staleness;
  @Mixin ModelOptions forms;

  @Parameters(
      paramLabel = "MODEL",
      arity = "1..*",
      description = "Safetensors files, folders or indexes; the first is the reference.")
  List<Path> models;

  @Option(
      names = "--merger",
      paramLabel = "MERGER",
      defaultValue = "linear",
      completionCandidates = Mergers.class,
      description =
          "One of ${COMPLETION-CANDIDATES} (default: ${DEFAULT-VALUE}), with settings as 'merganser"
              + " methods' shows them.")
  String merger;

  @Option(
      names = "--base",
      paramLabel = "MODEL",
      description =
          "The model that the others were trained from, for mergers of differences; they share its"
              + " features, so --method is identity.")
  Path base;

  @Option(
      names = "--weights",
      paramLabel = "W",
      description =
          "Weight of each model, divided by commas: short for the setting weights of the merger.")
  String weights;

  /** What the catalogue holds. */
  static final class Mergers implements Iterable<String> {
    @Override
    public Iterator<String> iterator() {
      return Catalogue.mergers().ids().iterator();
    }
  }

  @Option(
      names = {"-o", "--out"},
      paramLabel = "FILE",
      required = true,
      description = "The merged checkpoint.")
  Path out;

  @Override
  public Integer call() throws IOException {
    PrintWriter print = spec.commandLine().getOut();
    Merger method = merger();
    List<Path> all = new ArrayList<>(models);
    if (base != null) {
      requireSharedFeatures();
      all.add(base);
    }
    alignment.aligner();
    try (ConsoleProgress progress = new ConsoleProgress();
        Workspace ws = common.open(0, progress);
        Models files = Models.open(all);
        Opened maps = new Opened()) {
      Outputs.requireFile(out, all, alignment.inputs());
      alignment.requireOwnActivations(models);
      replacement.check(out, Replacement.Kind.CHECKPOINT);
      Models opened = forms.adapt(files);
      PartialFile.requireSpace(
          out, Safetensors.fileBytes(forms.result(opened.checkpoints().get(0))));
      MergeProblem problem = problem(method, opened, maps, ws, print);
      Checkpoint merged = forms.result(method.merge(problem, ws));
      staleness.write(merged, out, ws, spec.commandLine().getErr());
      progress.finish();
      if (!problem.counters().isEmpty()) {
        print.println("counters, as in the first model: " + Printable.line(problem.counters()));
      }
      if (!forms.leftOut(files).isEmpty()) {
        print.println("left out: " + Printable.line(forms.leftOut(files)));
      }
      print.println(
          replacement.wrote(out)
              + ": "
              + merged.tensors().size()
              + " tensors, "
              + merged.parameters()
              + " parameters");
      print.flush();
    }
    return 0;
  }

  private void requireSharedFeatures() {
    if (!spec.commandLine().getParseResult().hasMatchedOption("--method")) {
      alignment.method = "identity";
    }
    if (alignment.needsData()) {
      throw new IllegalArgumentException(
          "--base: models trained from one base share its features; use --method identity, not "
              + alignment.method);
    }
  }

  private Merger merger() {
    if (weights == null) {
      return Catalogue.mergers().method(merger);
    }
    if (weights.isEmpty()) {
      throw new IllegalArgumentException("--weights is empty; give one for each model");
    }
    return Catalogue.mergers()
        .method(
            MethodText.with(
                Catalogue.mergers(),
                merger,
                "--weights",
                "weights",
                "weights=" + weights.replace(',', ':')));
  }

  /**
   * @param maps gets those that the models are mapped by while they are read
   */
  private MergeProblem problem(
      Merger method, Models opened, Opened maps, Workspace ws, PrintWriter print)
      throws IOException {
    List<Checkpoint> given = opened.checkpoints().subList(0, models.size());
    // Every mismatch is reported before any work.
    MergeProblem plain = MergeProblem.of(given);
    if (base != null) {
      plain = plain.withBase(opened.checkpoints().get(models.size()));
    }
    method.needs().check(method.id(), plain);
    if (!alignment.needsData() && alignment.architecture == null) {
      return plain;
    }
    Architecture architecture = alignment.architecture(opened.checkpoints().get(0));
    opened.require(architecture);
    AlignmentSet found = maps.add(alignment.align(architecture, given.size(), ws, print));
    List<Checkpoint> aligned = new ArrayList<>();
    for (int k = 0; k < given.size(); k++) {
      Verification checks = alignment.verify(found.of(k), k, models.get(k), given.get(k), ws);
      if (k > 0) {
        print.println(
            Printable.line(
                models.get(k) + " into " + models.get(0) + " by " + alignment.method + ":"));
        AlignmentTable.print(found.of(k), checks, print);
      } else {
        AlignmentTable.warnings(models.get(0) + ": ", checks, print);
      }
      aligned.add(found.of(k).apply(given.get(k)));
    }
    print.println("not mapped: " + Printable.line(architecture.unbound(given.get(0))));
    MergeProblem problem = MergeProblem.of(architecture, aligned);
    return plain.base().map(problem::withBase).orElse(problem);
  }
}
