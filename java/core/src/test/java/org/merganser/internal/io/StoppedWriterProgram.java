// SPDX-License-Identifier: Apache-2.0
package org.merganser.internal.io;

import java.nio.file.Path;
import java.util.concurrent.atomic.AtomicInteger;
import org.merganser.compute.Workspace;
import org.merganser.io.Checkpoint;
import org.merganser.io.ShardPlan;
import org.merganser.io.ShardedWriter;
import org.merganser.io.ShardedWriter.Existing;
import org.merganser.io.ShardedWriter.Options;
import org.merganser.testing.ShardedWriterProgram;

/** Writes a merged model, and ends at once after some step, running nothing that would tidy up. */
public final class StoppedWriterProgram {
  /** What {@code kill -9} makes a process end with. */
  public static final int KILLED = 137;

  /** Of two shards. */
  public static final long SHARD_BYTES = 3 * ShardedWriterProgram.SHARD_BYTES;

  private StoppedWriterProgram() {}

  /** Arguments: folder, the step after which it ends, what becomes of what is there. */
  public static void main(String[] args) throws Exception {
    AtomicInteger left = new AtomicInteger(Integer.parseInt(args[1]));
    try (Workspace ws = Workspace.builder().threads(1).open()) {
      Checkpoint model = ShardedWriterProgram.model(ws);
      ShardPlan plan = ShardPlan.of(model, SHARD_BYTES);
      Options options = Options.defaults().withJob("test").withExisting(Existing.valueOf(args[2]));
      Steps.observe(
          () -> {
            if (left.decrementAndGet() == 0) {
              Runtime.getRuntime().halt(KILLED);
            }
          });
      try (ShardedWriter writer = ShardedWriter.open(plan, Path.of(args[0]), options)) {
        writer.write(model, ws);
      }
    }
  }
}
