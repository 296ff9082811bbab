// SPDX-License-Identifier: Apache-2.0
package org.merganser.recipe;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Path;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.merganser.compute.Workspace;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.io.Safetensors;
import org.merganser.linalg.Tensor;
import org.merganser.recipe.Recipe.Input;
import org.merganser.recipe.Recipe.Slice;

/** Slices whose method has no use for the base: as in mergekit it gives files, and that is said. */
class UnusedBaseTest {
  @TempDir Path folder;

  private String model(String name, float... values) throws IOException {
    Path file = folder.resolve(name + ".safetensors");
    try (Workspace ws = Workspace.open();
        Checkpoint model =
            MemoryCheckpoint.of(Map.of("model.layers.0.q", Tensor.of(values, values.length)))) {
      Safetensors.write(model, file, ws);
    }
    return file.toString();
  }

  @Test
  void itIsNotMergedAndANoteSaysSo() throws IOException {
    String base = model("base", 100);
    Recipe recipe =
        Recipe.of("linear", Slice.of(Input.of(model("a", 1), 0, 1), Input.of(model("b", 3), 0, 1)))
            .with("weight", 1)
            .withBase(base);
    try (Workspace ws = Workspace.open();
        MergeJob job = MergeJob.open(recipe, MergeJob.Options.defaults(), ws);
        Tensor merged = job.result().read("model.layers.0.q", ws)) {
      assertThat(merged.toDoubleArray()).containsExactly(2);
      assertThat(job.notes())
          .contains(
              "slices[0]: linear uses no base: "
                  + base
                  + " gives configuration and tokenizer, and is not merged");
    }
  }

  @Test
  void oneThatIsListedIsMerged() throws IOException {
    String base = model("base", 3);
    Recipe recipe =
        Recipe.of("linear", Slice.of(Input.of(model("a", 1), 0, 1), Input.of(base, 0, 1)))
            .with("weight", 1)
            .withBase(base);
    try (Workspace ws = Workspace.open();
        MergeJob job = MergeJob.open(recipe, MergeJob.Options.defaults(), ws);
        Tensor merged = job.result().read("model.layers.0.q", ws)) {
      assertThat(merged.toDoubleArray()).containsExactly(2);
      assertThat(job.notes()).noneMatch(note -> note.contains("uses no base"));
    }
  }
}
