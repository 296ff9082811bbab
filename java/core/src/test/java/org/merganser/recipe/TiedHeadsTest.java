// SPDX-License-Identifier: Apache-2.0
package org.merganser.recipe;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.merganser.compute.Workspace;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.io.Safetensors;
import org.merganser.linalg.Tensor;
import org.merganser.recipe.Recipe.Input;

/** Models whose head is their embeddings, beside models with one of its own. */
class TiedHeadsTest {
  @TempDir Path folder;

  @Test
  void modelsThatShareTheirHeadFitThoseThatDoNot() throws IOException {
    headed("tied", false);
    headed("free", true);
    Recipe recipe =
        Recipe.of("linear", Input.of(path("tied")), Input.of(path("free"))).with("weight", 1);
    try (Workspace ws = Workspace.open();
        MergeJob job = MergeJob.open(recipe, MergeJob.Options.defaults(), ws)) {
      assertThat(values(job, "model.embed_tokens.weight", ws)).containsExactly(2, 3);
      assertThat(values(job, "lm_head.weight", ws)).containsExactly(4, 5);
      assertThat(job.notes()).anyMatch(note -> note.contains("has no lm_head.weight"));
      assertThat(job.unties()).isTrue();
    }
    // Whose configuration the result has does not matter, if it has a head.
    unties(true, "free", "tied");
    unties(false, "tied", "tied2");
    unties(false, "free", "free2");
  }

  private void unties(boolean expected, String first, String second) throws IOException {
    headed(second, second.startsWith("free"));
    Recipe recipe =
        Recipe.of("linear", Input.of(path(first)), Input.of(path(second))).with("weight", 1);
    try (Workspace ws = Workspace.open();
        MergeJob job = MergeJob.open(recipe, MergeJob.Options.defaults(), ws)) {
      assertThat(job.unties()).isEqualTo(expected);
    }
  }

  private void headed(String name, boolean head) throws IOException {
    Map<String, Tensor> tensors = new LinkedHashMap<>();
    tensors.put("model.embed_tokens.weight", Tensor.of(new float[] {2, 3}, 1, 2));
    tensors.put("model.layers.0.rotary_emb.inv_freq", Tensor.of(new float[] {1}, 1));
    if (head) {
      tensors.put("lm_head.weight", Tensor.of(new float[] {6, 7}, 1, 2));
      tensors.remove("model.layers.0.rotary_emb.inv_freq").close();
    }
    try (Workspace ws = Workspace.open();
        Checkpoint model = MemoryCheckpoint.of(tensors)) {
      Safetensors.write(model, Path.of(path(name)), ws);
    }
  }

  private String path(String name) {
    return folder.resolve(name + ".safetensors").toString();
  }

  private static double[] values(MergeJob job, String name, Workspace ws) throws IOException {
    try (Tensor tensor = job.result().read(name, ws)) {
      return tensor.toDoubleArray();
    }
  }
}
