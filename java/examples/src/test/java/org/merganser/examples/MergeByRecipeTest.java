// SPDX-License-Identifier: Apache-2.0
package org.merganser.examples;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.io.Safetensors;
import org.merganser.io.ShardedWriter;
import org.merganser.linalg.Tensor;

/** The example of recipes gives what its numbers say, and is what the README shows. */
class MergeByRecipeTest {
  private static final String ATTENTION = "model.layers.%d.self_attn.q_proj.weight";
  private static final String MLP = "model.layers.%d.mlp.up_proj.weight";

  @TempDir Path folder;

  @Test
  void weightsFollowLayersAndNames() throws IOException {
    try (Workspace ws = Workspace.open()) {
      write("base", 0, ws);
      write("a", 8, ws);
      write("b", 4, ws);
      Path out = folder.resolve("out");
      MergeByRecipe.main(new String[] {"base", "a", "b", out.toString(), folder.toString()});
      try (Checkpoint merged = Safetensors.open(out)) {
        // Task vectors agree everywhere, half of each is kept: (w_a 8 + w_b 4) / (w_a + w_b).
        assertValues(merged, ATTENTION.formatted(0), 0.9 * 8 + 0.1 * 4, ws);
        assertValues(merged, ATTENTION.formatted(2), 0.9 * 8 + 0.1 * 4, ws);
        assertValues(merged, MLP.formatted(0), 0.7 * 8 + 0.3 * 4, ws);
        assertValues(merged, MLP.formatted(1), 0.5 * 8 + 0.5 * 4, ws);
        assertValues(merged, MLP.formatted(2), 0.3 * 8 + 0.7 * 4, ws);
      }
      assertThat(out.resolve("README.md")).exists();
      assertThat(ShardedWriter.verify(out, ws)).isEmpty();
    }
  }

  @Test
  void readmeShowsTheCompiledExample() throws IOException {
    Path root = Path.of(System.getProperty("merganser.root"));
    String source =
        Files.readString(
            root.resolve("java/examples/src/main/java/org/merganser/examples/MergeByRecipe.java"));
    String shown =
        source.substring(source.indexOf("// README begin") + 15, source.indexOf("// README end"));
    shown = shown.strip().replaceFirst("^return ", "Recipe recipe = ");
    assertThat(unindent(Files.readString(root.resolve("README.md")))).contains(unindent(shown));
  }

  private static String unindent(String text) {
    return text.replaceAll("(?m)^ +", "");
  }

  private static void assertValues(Checkpoint model, String name, double value, Workspace ws)
      throws IOException {
    try (Tensor tensor = model.read(name, ws)) {
      float rounded =
          Float.intBitsToFloat(Float.floatToIntBits((float) value) + 0x8000 & 0xffff0000);
      assertThat(tensor.toDoubleArray()).containsExactly(rounded, rounded, 0, 0);
    }
  }

  /** Of layers 0 to 2; the first two elements are the larger ones. */
  private void write(String name, float value, Workspace ws) throws IOException {
    Map<String, Tensor> tensors = new LinkedHashMap<>();
    for (int layer = 0; layer < 3; layer++) {
      for (String each : new String[] {ATTENTION, MLP}) {
        try (Tensor wide = Tensor.of(new float[] {value, value, value / 8, value / 8}, 4)) {
          tensors.put(each.formatted(layer), wide.to(DType.BF16, ws));
        }
      }
    }
    Path model = Files.createDirectories(folder.resolve(name));
    try (Checkpoint checkpoint = MemoryCheckpoint.of(tensors)) {
      Safetensors.write(checkpoint, model.resolve("model.safetensors"), ws);
    }
  }
}
