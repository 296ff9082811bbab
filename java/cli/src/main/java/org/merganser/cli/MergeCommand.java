// SPDX-License-Identifier: Apache-2.0
package org.merganser.cli;

import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Optional;
import org.merganser.align.AlignmentSet;
import org.merganser.compute.Workspace;
import org.merganser.internal.Opened;
import org.merganser.io.Checkpoint;
import org.merganser.io.Safetensors;
import org.merganser.merge.MergeProblem;
import org.merganser.merge.Merger;
import org.merganser.merge.Merger.Importance;
import org.merganser.plan.Catalogue;
import org.merganser.repair.Repair;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Aligns checkpoints and merges them. */
@Command(
    name = "merge",
    description =
        "Aligns models to the first one, merges them into one checkpoint, and repairs that.",
    footer = {
      "",
      "Example:",
      "  merganser merge a.safetensors b.safetensors --method cca \\",
      "      --activations-a acts/a --activations-b acts/b -o merged.safetensors",
      "How to export activations from PyTorch: docs/activations.md. For networks that are known",
      "here they are computed:",
      "  merganser merge a.safetensors b.safetensors --method cca --repair bn-reset \\",
      "      --network resnet20 --data images -o merged.safetensors",
      "A recipe of mergekit (docs/mergekit.md), whose models are looked for in DIR and the hub's",
      "cache:",
      "  merganser merge recipe.yml --models DIR -o merged"
    })
final class MergeCommand extends Computation {
  @Mixin AlignmentOptions alignment;
  @Mixin Output output;
  @Mixin Staleness staleness;
  @Mixin ModelOptions forms;
  @Mixin ImportanceOptions importance;

  @Mixin(name = "recipe")
  RecipeMerge recipe;

  @Parameters(
      paramLabel = "MODEL",
      arity = "1..*",
      description =
          "Safetensors files, folders or indexes; the first is the reference. Or one recipe"
              + " (*.yml, *.yaml) in mergekit's format, whose result is a folder.")
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
      names = "--repair",
      paramLabel = "REPAIR",
      completionCandidates = Repairs.class,
      description =
          "One of ${COMPLETION-CANDIDATES}, for the merged model; needs --network and --data. May"
              + " be repeated: one after the other.")
  List<String> repairs = new ArrayList<>();

  /** What the catalogue holds. */
  static final class Mergers implements Iterable<String> {
    @Override
    public Iterator<String> iterator() {
      return Catalogue.mergers().ids().iterator();
    }
  }

  /** Likewise. */
  static final class Repairs implements Iterable<String> {
    @Override
    public Iterator<String> iterator() {
      return Catalogue.repairs().ids().iterator();
    }
  }

  @Override
  void run(PrintWriter out) throws IOException {
    boolean followed = models.size() == 1 && RecipeOptions.isRecipe(models.get(0));
    recipe.check(spec, followed);
    if (followed) {
      recipe.run(models.get(0), output.path, output.force, this, out);
    } else {
      merge(out);
    }
  }

  private void merge(PrintWriter out) throws IOException {
    Merger method = Catalogue.mergers().method(merger);
    MergeManifest manifest = new MergeManifest(recipe.digestsFiles());
    List<Repair> ways = repairs.stream().map(Catalogue.repairs()::method).toList();
    boolean measures = requireThatOptionsFit(method, ways);
    List<Path> all = new ArrayList<>(models);
    if (base != null) {
      all.add(base);
    }
    try (Workspace ws = open(0);
        Opened opened = new Opened()) {
      List<Checkpoint> read = read(all, opened);
      // Every mismatch is reported before any work.
      MergeProblem problem = problem(read).withImportances(importance.open(opened));
      Optional<RunningNetwork> network = alignment.network.open(spec, opened);
      if (network.isPresent()) {
        ways.forEach(way -> way.check(network.get().network()));
        problem =
            method.needs().objective() ? problem.withObjective(network.get().objective()) : problem;
      }
      if (!measures) {
        method.needs().check(method.id(), problem);
      }
      if (alignment.needsData() || alignment.architecture != null || network.isPresent()) {
        Aligning aligning = opened.add(new Aligning(alignment, all, read, network, ws));
        problem = aligned(problem, aligning, out);
      }
      if (measures) {
        Importance kind = method.needs().importance();
        problem =
            problem.withImportances(
                network.orElseThrow().importances(kind, problem.models(), opened, ws));
      }
      ImportanceOptions.tell(problem, out);
      Checkpoint merged = opened.add(method.merge(problem, ws));
      List<Double> shares = method.shares(models.size());
      for (Repair way : ways) {
        merged = opened.add(way.apply(network.get().broken(merged, problem.models(), shares), ws));
      }
      describe(manifest, method, ways, ws);
      write(forms.result(merged), problem, ws, out);
      // That of an older model must not stand beside this one while digests are taken.
      Files.deleteIfExists(MergeManifest.of(output.path));
      manifest.write(output.path);
    }
  }

  private void describe(MergeManifest manifest, Merger method, List<Repair> ways, Workspace ws)
      throws IOException {
    manifest.put("backend", ws.backend());
    manifest.put("merge", method);
    manifest.putModels("models", models);
    manifest.putModels("base", base == null ? List.of() : List.of(base));
    forms.describe(manifest);
    alignment.describe(manifest);
    manifest.putFiles("importances", importance.files);
    manifest.putMethods("repair", ways);
    staleness.describe(manifest);
  }

  /** Whether the network measures importances that the merger needs and no file has. */
  private boolean requireThatOptionsFit(Merger method, List<Repair> ways) {
    if (base != null) {
      requireSharedFeatures("--base: models trained from one base share its features");
    }
    if (!ways.isEmpty() && alignment.network.network == null) {
      Repair first = ways.get(0);
      throw new IllegalArgumentException(
          "%s needs %s: give --network and --data".formatted(first.id(), first.requires()));
    }
    Importance kind = method.needs().importance();
    boolean measures = importance.measured(kind) && alignment.network.network != null;
    if (kind != Importance.NONE && !measures) {
      requireSharedFeatures("--importance: importances are those of models as they are stored");
    }
    alignment.check(!ways.isEmpty() || method.needs().objective() || measures);
    return measures;
  }

  /** The models, once the output has a place. */
  private List<Checkpoint> read(List<Path> all, Opened opened) throws IOException {
    List<Checkpoint> files = Aligning.open(all, opened);
    List<Path> inputs = new ArrayList<>(alignment.inputs());
    inputs.addAll(importance.files);
    output.check(Output.Kind.CHECKPOINT, all, inputs);
    output.beside("-o", MergeManifest.of(output.path)).check(Output.Kind.MANIFEST, all, inputs);
    List<Checkpoint> read = forms.adapt(files);
    output.requireRoom(Safetensors.fileBytes(forms.result(read.get(0))));
    return read;
  }

  private MergeProblem aligned(MergeProblem problem, Aligning aligning, PrintWriter out)
      throws IOException {
    AlignmentSet maps = aligning.maps(models.size(), out);
    aligning.report(maps, out);
    List<Checkpoint> aligned = aligning.apply(maps);
    return new MergeProblem(
        aligned,
        problem.objective(),
        problem.base(),
        MergeProblem.of(aligning.architecture(), aligned).counters(),
        problem.importances());
  }

  private void write(Checkpoint result, MergeProblem problem, Workspace ws, PrintWriter out)
      throws IOException {
    staleness.write(result, output.path, ws, spec.commandLine().getErr());
    if (!problem.counters().isEmpty()) {
      out.println("counters, as in the first model: " + Printable.line(problem.counters()));
    }
    forms.tell(out);
    out.printf(
        "%s: %d tensors, %d parameters%n",
        output.wrote(), result.tensors().size(), result.parameters());
  }

  private void requireSharedFeatures(String why) {
    if (!spec.commandLine().getParseResult().hasMatchedOption("--method")) {
      alignment.method = "identity";
    }
    if (alignment.needsData()) {
      throw new IllegalArgumentException(why + "; use --method identity, not " + alignment.method);
    }
  }

  private MergeProblem problem(List<Checkpoint> read) {
    MergeProblem problem = MergeProblem.of(read.subList(0, models.size()));
    return base == null ? problem : problem.withBase(read.get(models.size()));
  }
}
