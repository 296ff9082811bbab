// SPDX-License-Identifier: Apache-2.0
package org.merganser.recipe;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.error.IncompatibleModelsException;
import org.merganser.error.RecipeException;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.io.Safetensors;
import org.merganser.io.ShardedWriter;
import org.merganser.linalg.Tensor;
import org.merganser.recipe.Recipe.Input;

/** Tensors that models do not have alike, where a recipe says what becomes of them. */
class FitTest {
  private static final MergeJob.Options OPTIONS = MergeJob.Options.defaults();

  @TempDir Path folder;
  private TokenModels models;

  @BeforeEach
  void write() throws IOException {
    models = new TokenModels(folder);
  }

  @Test
  void embeddingsAreCutToTheRowsThatAllHave() throws IOException {
    Path out = folder.resolve("out");
    try (Workspace ws = Workspace.open()) {
      assertThatThrownBy(() -> MergeJob.open(models.sum(), OPTIONS, ws))
          .isInstanceOf(IncompatibleModelsException.class);
      Recipe recipe = models.sum().withFit(new Fit(true, List.of()));
      try (MergeJob job = MergeJob.open(recipe, OPTIONS, ws)) {
        assertThat(TokenModels.rows(job.result(), TokenModels.EMBEDDING, ws))
            .containsExactly(111, 222, 333);
        assertThat(job.notes())
            .anyMatch(note -> note.startsWith(TokenModels.EMBEDDING + " is cut to 3 rows"));
        job.write(out, 1 << 20, ShardedWriter.Options.defaults(), ws);
      }
      assertThat(Files.readString(out.resolve("config.json"))).contains("\"vocab_size\": 3");
      assertThatThrownBy(() -> MergeJob.open(recipe.withTokenizerSource("base"), OPTIONS, ws))
          .isInstanceOf(RecipeException.class)
          .hasMessageStartingWith("embeddings: the vocabulary decides");
    }
  }

  /** Of 7 and 8 positions, a mask that others lack, and a parameter. */
  private String positions(String name, boolean mask, float value) throws IOException {
    int count = mask ? 7 : 8;
    Map<String, Tensor> tensors = new LinkedHashMap<>();
    tensors.put("embed.position_ids", Tensor.zeros(DType.I64, 1, count));
    tensors.put("embed.weight", Tensor.of(new float[] {value, 2 * value}, 1, 2));
    tensors.put("frozen.weight", Tensor.of(new float[] {value}, 1));
    if (mask) {
      tensors.put("layer.mask", Tensor.zeros(DType.BOOL, 4));
    }
    Path file = folder.resolve(name + ".safetensors");
    try (Workspace ws = Workspace.open();
        Checkpoint model = MemoryCheckpoint.of(tensors)) {
      Safetensors.write(model, file, ws);
    }
    return file.toString();
  }

  @Test
  void whatCannotBeMergedIsTheBases() throws IOException {
    String base = positions("p", true, 1);
    String other = positions("q", false, 3);
    Fit fit = new Fit(false, List.of("position_ids", "mask", "frozen"));
    for (Recipe recipe :
        List.of(
            Recipe.of("task_arithmetic", Input.of(other)).withBase(base).with("weight", 1),
            Recipe.of("linear", Input.of(base), Input.of(other))
                .with("weight", 1)
                .with("normalize", false))) {
      boolean linear = recipe.method().equals("linear");
      try (Workspace ws = Workspace.open()) {
        assertThatThrownBy(() -> MergeJob.open(recipe, OPTIONS, ws))
            .isInstanceOf(IncompatibleModelsException.class);
        try (MergeJob job = MergeJob.open(recipe.withFit(fit), OPTIONS, ws);
            Checkpoint from = Safetensors.open(Path.of(base))) {
          Checkpoint result = job.result();
          assertThat(result.tensors()).containsExactlyInAnyOrderEntriesOf(from.tensors());
          assertThat(values(result, "embed.weight", ws))
              .containsExactly(linear ? 4 : 3, linear ? 8 : 6);
          // Exactly, whatever the method makes of one model.
          assertThat(values(result, "frozen.weight", ws)).containsExactly(1);
          assertThat(job.notes())
              .anyMatch(note -> note.contains("as they are in " + base) && note.contains("mask"));
        }
      }
    }
  }

  /** Nothing that a model has is left out of the result without a word. */
  @Test
  void whatTheBaseDoesNotHaveCannotBeCopiedFromIt() throws IOException {
    String base = positions("p", false, 1);
    String other = positions("q", true, 3);
    Fit fit = new Fit(false, List.of("position_ids", "mask"));
    for (Recipe recipe :
        List.of(
            Recipe.of("task_arithmetic", Input.of(other)).withBase(base).with("weight", 1),
            Recipe.of("linear", Input.of(base), Input.of(other)).with("weight", 1))) {
      try (Workspace ws = Workspace.open()) {
        assertThatThrownBy(() -> MergeJob.open(recipe.withFit(fit), OPTIONS, ws))
            .isInstanceOf(RecipeException.class)
            .hasMessageStartingWith(
                "copy_from_base: %s, whose tensors are copied, lacks 1 that %s has: 'layer.mask'"
                    .formatted(base, other));
      }
    }
  }

  @Test
  void partsOfNoNameAreRefused() {
    Recipe recipe = models.sum().withFit(new Fit(true, List.of("norm", "positon_ids")));
    try (Workspace ws = Workspace.open()) {
      assertThatThrownBy(() -> MergeJob.open(recipe, OPTIONS, ws))
          .isInstanceOf(RecipeException.class)
          .hasMessage("copy_from_base[1]: 'positon_ids' is in the name of no tensor");
    }
  }

  private static double[] values(Checkpoint model, String name, Workspace ws) throws IOException {
    try (Tensor tensor = model.read(name, ws)) {
      return tensor.toDoubleArray();
    }
  }
}
