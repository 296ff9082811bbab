// SPDX-License-Identifier: Apache-2.0
package org.merganser.cli;

import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Path;
import org.merganser.compute.Workspace;
import org.merganser.io.ShardPlan;
import org.merganser.recipe.MergeJob;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Parameters;

/** Checks a recipe as a merge does, and says what the merge would take. */
@Command(
    name = "plan",
    description = "Checks a recipe with its models, and says what merging them takes.")
final class PlanCommand extends Computation {
  @Mixin RecipeOptions recipes;

  @Parameters(paramLabel = "RECIPE", description = "A recipe in mergekit's YAML.")
  Path recipe;

  @Override
  void run(PrintWriter out) throws IOException {
    RecipeFile file = RecipeFile.read(recipe);
    try (Workspace ws = open(0);
        MergeJob job = recipes.open(file, ws)) {
      job.describe().forEach(line -> out.println(Printable.line(line)));
      ShardPlan plan = job.plan(ShardPlan.DEFAULT_SHARD_BYTES);
      out.printf(
          "reads     %.2f GB in %s%n",
          plan.reads() / 1e9,
          plan.passes() == 1 ? "one pass" : "up to " + plan.passes() + " passes");
      out.printf("writes    %.2f GB in %d files%n", plan.bytes() / 1e9, plan.shards().size());
      out.printf("memory    %.0f MB outside the heap%n", plan.memory(ws.threads()) / 1e6);
      out.printf(
          "time      about %.1f s with %d threads, judged by the largest tensor, without writing%n",
          Estimate.seconds(job.result(), ws.threads(), ws), ws.threads());
    }
  }
}
