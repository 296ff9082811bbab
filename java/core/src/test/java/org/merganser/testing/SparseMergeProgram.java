// SPDX-License-Identifier: Apache-2.0
package org.merganser.testing;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import org.merganser.compute.Workspace;
import org.merganser.io.Checkpoint;
import org.merganser.io.Safetensors;
import org.merganser.io.ShardPlan;
import org.merganser.io.ShardedWriter;
import org.merganser.merge.LinearMerger;
import org.merganser.merge.MergeProblem;

/** Averages two files and prints the peak of its resident memory in bytes. */
public final class SparseMergeProgram {
  private SparseMergeProgram() {}

  /** Arguments: two models, a folder. */
  public static void main(String[] args) throws Exception {
    try (Workspace ws = Workspace.builder().threads(2).open();
        Checkpoint a = Safetensors.open(Path.of(args[0]));
        Checkpoint b = Safetensors.open(Path.of(args[1]))) {
      Checkpoint merged = LinearMerger.uniform().merge(MergeProblem.of(List.of(a, b)), ws);
      ShardPlan plan = ShardPlan.of(merged, ShardPlan.DEFAULT_SHARD_BYTES);
      long start = System.nanoTime();
      try (ShardedWriter writer =
          ShardedWriter.open(plan, Path.of(args[2]), ShardedWriter.Options.defaults())) {
        writer.write(merged, ws);
      }
      System.err.printf(Locale.ROOT, "%.1f s%n", 1e-9 * (System.nanoTime() - start));
    }
    long peak =
        Files.readAllLines(Path.of("/proc/self/status")).stream()
            .filter(line -> line.startsWith("VmHWM:"))
            .mapToLong(line -> 1024 * Long.parseLong(line.replaceAll("[^0-9]", "")))
            .findFirst()
            .orElse(0);
    System.out.println(peak);
  }
}
