// SPDX-License-Identifier: Apache-2.0
package org.merganser.examples;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.io.ModelStore;
import org.merganser.io.ShardPlan;
import org.merganser.io.ShardedWriter;
import org.merganser.recipe.MergeJob;
import org.merganser.recipe.Recipe;
import org.merganser.recipe.Recipe.Input;
import org.merganser.recipe.Recipe.Parameter;

/**
 * Merges two fine-tuned models by TIES, attention more from the one, the rest more from the other
 * towards the last layers, and writes a folder that Hugging Face's libraries load.
 *
 * <p>Run with the arguments {@code BASE A B OUT [MODELS]}; models are paths, or names in the folder
 * MODELS.
 */
public final class MergeByRecipe {
  private MergeByRecipe() {}

  /** The recipe as a value; {@code merganser merge} reads the same from YAML. */
  static Recipe recipe(String base, String a, String b) {
    // README begin
    return Recipe.of(
            "ties",
            Input.of(a).with("weight", Parameter.gradient(0.7, 0.3).where("self_attn", 0.9)),
            Input.of(b).with("weight", Parameter.gradient(0.3, 0.7).where("self_attn", 0.1)))
        .withBase(base)
        .with("density", 0.5)
        .withDtype(DType.BF16);
    // README end
  }

  /** Prints the plan, then writes the result. */
  public static void main(String[] args) throws IOException {
    List<Path> folders = args.length > 4 ? List.of(Path.of(args[4])) : List.of();
    MergeJob.Options how = MergeJob.Options.defaults().withStore(ModelStore.of(folders));
    long shard = ShardPlan.DEFAULT_SHARD_BYTES;
    try (Workspace ws = Workspace.open();
        MergeJob job = MergeJob.open(recipe(args[0], args[1], args[2]), how, ws)) {
      job.describe().forEach(System.out::println);
      System.out.println("writes    " + job.plan(shard).bytes() + " bytes");
      job.write(Path.of(args[3]), shard, ShardedWriter.Options.defaults(), ws);
    }
  }
}
