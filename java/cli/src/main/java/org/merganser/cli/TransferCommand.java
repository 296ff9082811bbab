// SPDX-License-Identifier: Apache-2.0
package org.merganser.cli;

import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.error.RecipeException;
import org.merganser.io.ModelStore;
import org.merganser.io.ShardPlan;
import org.merganser.io.ShardedWriter;
import org.merganser.io.ShardedWriter.Existing;
import org.merganser.recipe.MergeJob;
import org.merganser.recipe.Recipe;
import org.merganser.recipe.SkillTransfer;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Adds what a transformer learned to another one. */
@Command(
    name = "transfer",
    description = {
      "Adds what a transformer learned to another one of the same structure, in its coordinates:",
      "target + lambda g (skill - base), written as a folder in the layout of Hugging Face."
    },
    footer = {
      "",
      "Example:",
      "  merganser transfer org/chat --skill org/reasoner --base org/base --models DIR \\",
      "      --lambda 0.7 -o chat-that-reasons",
      "g moves the coordinates of base and skill to the target's; 'merganser align --weights' finds",
      "and keeps it. What lambda is best only an evaluation tells (docs/skill-transfer.md)."
    })
final class TransferCommand extends Computation {
  @Mixin SymmetryOptions symmetry;

  @Parameters(index = "0", paramLabel = "TARGET", description = "Path or name of the model.")
  String target;

  @Option(
      names = "--skill",
      paramLabel = "MODEL",
      required = true,
      description = "The model that learned something.")
  String skill;

  @Option(
      names = "--base",
      paramLabel = "MODEL",
      required = true,
      description = "What it learned it from: the model that it was before.")
  String base;

  @Option(
      names = "--lambda",
      paramLabel = "X",
      defaultValue = "1",
      description = "Times the difference (default: ${DEFAULT-VALUE}).")
  double lambda;

  @Option(
      names = "--element",
      paramLabel = "FILE",
      description = "The symmetry g, as 'align --weights BASE TARGET' keeps it; else it is found.")
  Path element;

  @Option(
      names = "--source",
      paramLabel = "base|skill",
      description = "Which of the two g is found for (default: base).")
  String source;

  @Option(
      names = "--models",
      paramLabel = "DIR",
      description =
          "A folder in which models that are no paths lie under their names, such as DIR/org/name"
              + " (may be repeated).")
  List<Path> folders = new ArrayList<>();

  @Option(
      names = "--dtype",
      paramLabel = "TYPE",
      description = "Of the result: f32, bf16, f16 or f64 (default: the target's types).")
  DType dtype;

  @Option(
      names = "--max-shard",
      paramLabel = "SIZE",
      description = "Bytes of tensors in a file at most, such as 2GB (default: 5GB).")
  String maxShard;

  @Option(
      names = {"-o", "--out"},
      paramLabel = "DIR",
      required = true,
      description = "The folder to write.")
  Path out;

  @Option(names = "--force", description = "Replaces a model that the folder holds.")
  boolean force;

  /** Places of the recipe and what they are called here. */
  private static final Map<String, String> PLACES =
      Map.of(
          "base_model", "TARGET",
          "models[0].model", "--skill",
          "align.from", "--base",
          "align.element", "--element",
          "align.method", SymmetryOptions.SETTINGS);

  @Override
  void run(PrintWriter print) throws IOException {
    Recipe recipe = recipe();
    long shardBytes =
        maxShard == null ? ShardPlan.DEFAULT_SHARD_BYTES : Sizes.parse("--max-shard", maxShard);
    ShardedWriter.Options how =
        ShardedWriter.Options.defaults().withExisting(force ? Existing.REPLACE : Existing.REFUSE);
    MergeJob.Options options = MergeJob.Options.defaults().withStore(ModelStore.of(folders));
    try (Workspace ws = open(0);
        MergeJob job = MergeJob.open(recipe, options, ws)) {
      job.notes().forEach(note -> print.println("note: " + Printable.line(note)));
      job.write(out, shardBytes, how, ws);
      print.printf(
          "wrote %s: %d tensors, %d parameters%n",
          Printable.line(out), job.result().tensors().size(), job.result().parameters());
    } catch (RecipeException e) {
      String place = PLACES.getOrDefault(e.place(), e.place());
      throw new IllegalArgumentException(
          e.getMessage()
              .replaceFirst(
                  "^" + java.util.regex.Pattern.quote(e.place()),
                  java.util.regex.Matcher.quoteReplacement(place)),
          e);
    }
  }

  private Recipe recipe() {
    if (dtype != null && !dtype.isArithmetic()) {
      throw new IllegalArgumentException("--dtype " + dtype + ": give f32, bf16, f16 or f64");
    }
    if (!Double.isFinite(lambda)) {
      throw new IllegalArgumentException("--lambda must be a number, not " + lambda);
    }
    String settings = symmetry.text();
    if (element != null && (symmetry.searches() || source != null)) {
      throw new IllegalArgumentException(
          "--element is the symmetry itself, so nothing is searched for; leave out %s, %s, %s and --source"
              .formatted(
                  SymmetryOptions.RESIDUAL, SymmetryOptions.SCALES, SymmetryOptions.SETTINGS));
    }
    if (source != null) {
      String of = SymmetryOptions.setting("--source", "source", source);
      settings = settings.isEmpty() ? of : settings + "," + of;
    }
    Recipe recipe = SkillTransfer.recipe(target, skill, base, lambda, settings);
    if (element != null) {
      recipe = recipe.withAlign(recipe.align().orElseThrow().withElement(element.toString()));
    }
    return dtype == null ? recipe : recipe.withDtype(dtype);
  }
}
