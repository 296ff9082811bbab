// SPDX-License-Identifier: Apache-2.0
package org.merganser.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.merganser.internal.kernel.Natives;

/** Commands close what they open, whether they end well or not. */
class NativeMemoryTest {
  @TempDir Path temp;

  @Test
  void noCommandLeavesMemoryBehind() throws IOException, InterruptedException {
    Fixture files = new Fixture(temp);
    Path maps = temp.resolve("maps.mgalign");
    Object[] activations = {
      "--activations-a", files.activations("a"), "--activations-b", files.activations("c")
    };
    settle();
    for (String method : new String[] {"permutation", "cca", "procrustes", "procrustes-scaled"}) {
      Object[] models = {files.model("a"), files.model("c"), "--method", method};
      leavesNothing(0, join("align", models, activations, "-o", maps));
      leavesNothing(0, "inspect", maps);
      leavesNothing(0, "apply", maps, files.model("c"), "-o", temp.resolve("mapped.safetensors"));
      leavesNothing(
          0, "apply", maps, files.model("c"), "--inverse", "-o", temp.resolve("back.safetensors"));
      leavesNothing(
          0, join("merge", models, activations, "-o", temp.resolve("merged.safetensors")));
    }
    Path damaged = temp.resolve("damaged.mgalign");
    byte[] bytes = Files.readAllBytes(maps);
    Files.write(damaged, Arrays.copyOf(bytes, bytes.length - 8));
    leavesNothing(5, "inspect", damaged);
  }

  private static Object[] join(
      String command, Object[] models, Object[] activations, Object... more) {
    List<Object> all = new ArrayList<>(List.of(command));
    all.addAll(List.of(models));
    all.addAll(List.of(activations));
    all.addAll(List.of(more));
    return all.toArray();
  }

  private static void leavesNothing(int code, Object... args) {
    long before = Natives.allocatedBytes();
    Cli.Run run = Cli.run(args);
    assertThat(run.code()).as(run.err()).isEqualTo(code);
    assertThat(Natives.allocatedBytes() - before)
        .as("bytes left by " + List.of(args))
        .isLessThanOrEqualTo(0);
  }

  /** Frees what other tests left to the collector. */
  private static void settle() throws InterruptedException {
    for (int i = 0; i < 5; i++) {
      System.gc();
      Thread.sleep(20);
    }
  }
}
