// SPDX-License-Identifier: Apache-2.0
package org.merganser.cli;

import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import org.merganser.compute.Workspace;
import org.merganser.io.ShardPlan;
import org.merganser.io.ShardedWriter;
import org.merganser.io.ShardedWriter.Digest;
import org.merganser.io.ShardedWriter.Existing;
import org.merganser.recipe.MergeJob;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Model.OptionSpec;
import picocli.CommandLine.Option;

/** The part of {@code merge} that follows a recipe: a folder in the layout of Hugging Face. */
final class RecipeMerge {
  /** Options of merge that a recipe leaves to the command line. */
  private static final Set<String> COMMON =
      Set.of("--out", "--force", "--digest", "--threads", "--verbose");

  @Mixin RecipeOptions recipes;

  @Option(
      names = "--max-shard",
      paramLabel = "SIZE",
      description = "For recipes: bytes of tensors in a file at most, such as 2GB (default: 5GB).")
  String maxShard;

  @Option(
      names = "--shard",
      paramLabel = "I/N",
      description =
          "For recipes: writes every N-th file, counted from I = 1, so that N machines share the"
              + " work; 'merganser merge index OUT' then finishes.")
  String shard;

  @Option(
      names = "--resume",
      description = "For recipes: goes on where a merge into the same folder was stopped.")
  boolean resume;

  @Option(
      names = "--digest",
      paramLabel = "WHICH",
      description =
          "SHA-256 in merganser.json: of a recipe's tensors (tensor, its default), of files and"
              + " inputs too, which are read once more (full), or none (the default without a"
              + " recipe).")
  Digest digest;

  /**
   * @param force replaces a model that the folder holds
   */
  void run(Path recipe, Path folder, boolean force, Computation command, PrintWriter out)
      throws IOException {
    RecipeFile file = RecipeFile.read(recipe);
    ShardedWriter.Options how = options(force);
    if (shard != null && file.repair().isPresent()) {
      throw new IllegalArgumentException(
          "--shard: each part would repair the whole model; leave it out, or leave out repair");
    }
    long shardBytes =
        maxShard == null ? ShardPlan.DEFAULT_SHARD_BYTES : Sizes.parse("--max-shard", maxShard);
    try (Workspace ws = command.open(0);
        MergeJob job = recipes.open(file, ws)) {
      for (String note : job.notes()) {
        out.println("note: " + Printable.line(note));
      }
      long start = System.nanoTime();
      job.write(folder, shardBytes, how, ws);
      double seconds = (System.nanoTime() - start) / 1e9;
      long bytes = job.plan(shardBytes).bytes();
      out.printf(
          "wrote %s: %d tensors, %d parameters%s%n",
          Printable.line(folder),
          job.result().tensors().size(),
          job.result().parameters(),
          shard == null
              ? ", %.2f GB in %.1f s".formatted(bytes / 1e9, seconds)
              : ", part " + shard);
    }
  }

  private ShardedWriter.Options options(boolean force) {
    if (force && resume) {
      throw new IllegalArgumentException("--force begins anew, --resume goes on; give one");
    }
    ShardedWriter.Options how =
        ShardedWriter.Options.defaults()
            .withDigest(digest == null ? Digest.TENSOR : digest)
            .withExisting(force ? Existing.REPLACE : resume ? Existing.RESUME : Existing.REFUSE);
    return shard == null ? how : part(how);
  }

  private ShardedWriter.Options part(ShardedWriter.Options how) {
    if (!shard.matches("\\d{1,4}/\\d{1,4}")) {
      throw new IllegalArgumentException("--shard " + shard + ": give I/N, such as 1/8");
    }
    int part = Integer.parseInt(shard.substring(0, shard.indexOf('/')));
    int parts = Integer.parseInt(shard.substring(shard.indexOf('/') + 1));
    if (part < 1 || part > parts) {
      throw new IllegalArgumentException(
          "--shard "
              + shard
              + ": parts are counted from 1, so 1/"
              + parts
              + " to "
              + parts
              + "/"
              + parts);
    }
    return how.withPart(part - 1, parts);
  }

  /** Whether files are read once more for their digests, where there is no recipe. */
  boolean digestsFiles() {
    if (digest == Digest.TENSOR) {
      throw new IllegalArgumentException(
          "--digest tensor is for recipes (*.yml, *.yaml); give full or none");
    }
    return digest == Digest.FULL;
  }

  /** Refuses options that do not go with a recipe, or only with one. */
  void check(CommandSpec spec, boolean recipe) {
    Set<OptionSpec> own = Set.copyOf(spec.mixins().get("recipe").options());
    for (OptionSpec option : List.copyOf(spec.commandLine().getParseResult().matchedOptionsSet())) {
      boolean common = COMMON.contains(option.longestName());
      if (!common && own.contains(option) != recipe) {
        throw new IllegalArgumentException(
            option.longestName()
                + (recipe
                    ? " does not go with a recipe, which says what is merged, and how"
                    : " is for recipes (*.yml, *.yaml)"));
      }
    }
  }
}
