// SPDX-License-Identifier: Apache-2.0
package org.merganser.testing;

import java.nio.file.Path;
import java.util.List;
import org.merganser.compute.Workspace;
import org.merganser.io.Checkpoint;
import org.merganser.io.ShardPlan;
import org.merganser.io.ShardedWriter;
import org.merganser.io.ShardedWriter.Existing;
import org.merganser.io.ShardedWriter.Options;
import org.merganser.merge.LinearMerger;
import org.merganser.merge.MergeProblem;

/** Writes a merged model, going on where an earlier process was killed. */
public final class ShardedWriterProgram {
  public static final long SHARD_BYTES = 6_000_000;

  private ShardedWriterProgram() {}

  /** Arguments: folder, threads, milliseconds for each part, then part and parts. */
  public static void main(String[] args) throws Exception {
    Options options =
        Options.defaults()
            .withThreads(Integer.parseInt(args[1]))
            .withJob("test")
            .withExisting(Existing.RESUME)
            .withPart(Integer.parseInt(args[3]), Integer.parseInt(args[4]));
    try (Workspace ws = Workspace.builder().threads(1).open()) {
      Checkpoint model = NoiseCheckpoint.slow(model(ws), Long.parseLong(args[2]));
      ShardPlan plan = ShardPlan.of(model, SHARD_BYTES);
      try (ShardedWriter writer = ShardedWriter.open(plan, Path.of(args[0]), options)) {
        System.out.println("writing");
        writer.write(model, ws);
      }
    }
  }

  public static Checkpoint model(Workspace ws) {
    Checkpoint a = new NoiseCheckpoint(NoiseCheckpoint.shapes(), 1, 1);
    Checkpoint b = new NoiseCheckpoint(NoiseCheckpoint.shapes(), 2, 1);
    return LinearMerger.uniform().merge(MergeProblem.of(List.of(a, b)), ws);
  }
}
