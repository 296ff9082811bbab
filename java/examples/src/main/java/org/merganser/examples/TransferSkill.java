// SPDX-License-Identifier: Apache-2.0
package org.merganser.examples;

import java.io.IOException;
import java.nio.file.Path;
import org.merganser.compute.Workspace;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.io.ModelDirectory;
import org.merganser.io.ShardPlan;
import org.merganser.io.ShardedWriter;
import org.merganser.recipe.MergeJob;
import org.merganser.recipe.SkillTransfer;
import org.merganser.symmetry.SymmetryAligner;
import org.merganser.torch.transformer.TransformerNetwork;
import org.merganser.torch.transformer.TransformerSession;

/**
 * Adds what a decoder learned to another one of the same structure, in the coordinates of that: the
 * strength is the one with which texts of the skill are likeliest. Writes a folder that Hugging
 * Face's libraries load.
 *
 * <p>Run with the arguments {@code TARGET SKILL BASE OUT}, folders in the layout of Hugging Face.
 */
public final class TransferSkill {
  private TransferSkill() {}

  /**
   * @param texts of the skill that nothing was trained on, as token ids
   */
  static double transfer(Path target, Path skill, Path base, int[][] texts, Path out, Workspace ws)
      throws IOException {
    double lambda;
    try (ModelDirectory t = ModelDirectory.open(target);
        ModelDirectory s = ModelDirectory.open(skill);
        ModelDirectory b = ModelDirectory.open(base)) {
      SkillTransfer transfer = SkillTransfer.of(t, s, b, SkillTransfer.Options.defaults());
      SymmetryAligner.Result aligned = transfer.align(ws);
      System.out.print(aligned.report());
      TransformerNetwork network = TransformerNetwork.of(transfer.config());
      SkillTransfer.Search search =
          transfer.search(
              aligned.element(),
              SkillTransfer.LAMBDAS,
              view -> {
                try (MemoryCheckpoint model = MemoryCheckpoint.copyOf(view, ws);
                    TransformerSession session = network.open(model, ws)) {
                  double sum = 0;
                  for (double[] text : session.logProbabilities(texts)) {
                    for (double p : text) {
                      sum += p;
                    }
                  }
                  return sum;
                }
              },
              ws);
      System.out.println(search);
      lambda = search.lambda();
    }
    // The same as a recipe, which writes the files beside the weights too.
    try (MergeJob job =
        MergeJob.open(
            SkillTransfer.recipe(target.toString(), skill.toString(), base.toString(), lambda, ""),
            MergeJob.Options.defaults(),
            ws)) {
      job.write(out, ShardPlan.DEFAULT_SHARD_BYTES, ShardedWriter.Options.defaults(), ws);
    }
    return lambda;
  }

  /** With texts of the ids that follow each other, in place of those of a skill. */
  public static void main(String[] args) throws IOException {
    int[][] texts = {{1, 2, 3, 4, 5, 6, 7, 8}, {3, 4, 5, 6, 7, 8, 9, 10}};
    try (Workspace ws = Workspace.open()) {
      Path out = Path.of(args[3]);
      transfer(Path.of(args[0]), Path.of(args[1]), Path.of(args[2]), texts, out, ws);
    }
  }
}
