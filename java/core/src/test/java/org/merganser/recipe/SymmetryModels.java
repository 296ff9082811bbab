// SPDX-License-Identifier: Apache-2.0
package org.merganser.recipe;

import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.error.RecipeException;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.io.Safetensors;
import org.merganser.linalg.Tensor;
import org.merganser.recipe.Recipe.Align;
import org.merganser.symmetry.SymmetryElement;
import org.merganser.symmetry.SymmetryElement.Kind;
import org.merganser.transformer.TransformerConfig;

/**
 * Small transformers in folders {@code target}, {@code base} and {@code skill}, and the recipe of a
 * transfer.
 */
final class SymmetryModels {
  static final String EMBEDDING = "model.embed_tokens.weight";
  static final String HEAD = "lm_head.weight";
  static final TransformerConfig CONFIG = TransformerConfig.llama(5, 8, 2, 4, 2, 2, 12);

  private final Path folder;
  private final Workspace ws;

  SymmetryModels(Path folder, Workspace ws) {
    this.folder = folder;
    this.ws = ws;
  }

  /**
   * Target a b c d and a row of padding; skill and base b a e c, moved by a symmetry. Gives what
   * half of the skill makes of the target.
   */
  Map<String, double[]> write() throws IOException {
    Map<String, double[]> target = random(CONFIG, 1);
    Map<String, double[]> difference = random(CONFIG, 2);
    TransformerConfig other = CONFIG.with("vocabulary", 4);
    write("target", CONFIG, target, "a", "b", "c", "d");
    SymmetryElement moved = SymmetryElement.random(other, EnumSet.of(Kind.UNITS, Kind.HEADS), 3);
    int[] rows = {1, 0, -1, 2};
    Map<String, double[]> base = rows(target, rows);
    Map<String, double[]> skill = new LinkedHashMap<>();
    Map<String, double[]> expected = new LinkedHashMap<>();
    for (String name : target.keySet()) {
      double[] change = difference.get(name);
      expected.put(name, target.get(name).clone());
      boolean tokens = name.equals(EMBEDDING) || name.equals(HEAD);
      for (int i = 0; i < change.length; i++) {
        change[i] *= 0.1;
        // Of the rows d and padding nothing is known; e is no token of the target.
        expected.get(name)[i] += tokens && i / 8 > 2 ? 0 : 0.5 * change[i];
      }
    }
    rows(difference, rows)
        .forEach(
            (name, change) -> {
              double[] sum = base.get(name).clone();
              for (int i = 0; i < sum.length; i++) {
                sum[i] += change[i];
              }
              skill.put(name, sum);
            });
    try (MemoryCheckpoint b = checkpoint(other, base);
        MemoryCheckpoint s = checkpoint(other, skill)) {
      write("base", other, moved.apply(b), "b", "a", "e", "c");
      write("skill", other, moved.apply(s), "b", "a", "e", "c");
    }
    return expected;
  }

  Recipe recipe() {
    return SkillTransfer.recipe(path("target"), path("skill"), path("base"), 0.5, "");
  }

  Align align() {
    return Align.of("symmetry").withFrom(path("base"));
  }

  String path(String name) {
    return folder.resolve(name).toString();
  }

  /** The same with other rows of embeddings; -1 for one of its own. */
  private static Map<String, double[]> rows(Map<String, double[]> model, int... rows) {
    Map<String, double[]> result = new LinkedHashMap<>(model);
    for (String name : List.of(EMBEDDING, HEAD)) {
      double[] values = new double[rows.length * 8];
      for (int i = 0; i < values.length; i++) {
        values[i] = rows[i / 8] < 0 ? 0.3 : model.get(name)[rows[i / 8] * 8 + i % 8];
      }
      result.put(name, values);
    }
    return result;
  }

  static Map<String, double[]> random(TransformerConfig config, long seed) {
    SplittableRandom random = new SplittableRandom(seed);
    Map<String, double[]> tensors = new LinkedHashMap<>();
    config
        .tensors(DType.F32)
        .forEach((name, info) -> tensors.put(name, random.doubles(info.size(), -1, 1).toArray()));
    return tensors;
  }

  MemoryCheckpoint checkpoint(TransformerConfig config, Map<String, double[]> values) {
    Map<String, Tensor> tensors = new LinkedHashMap<>();
    config
        .tensors(DType.F32)
        .forEach(
            (name, info) -> {
              try (Tensor wide = Tensor.of(values.get(name), info.dims())) {
                tensors.put(name, wide.to(DType.F32, ws));
              }
            });
    return MemoryCheckpoint.of(tensors);
  }

  void write(String name, TransformerConfig config, Map<String, double[]> values, String... tokens)
      throws IOException {
    try (MemoryCheckpoint model = checkpoint(config, values)) {
      write(name, config, model, tokens);
    }
  }

  void write(String name, TransformerConfig config, Checkpoint model, String... tokens)
      throws IOException {
    Path to = Files.createDirectories(folder.resolve(name));
    config.writeTo(to.resolve("config.json"));
    Safetensors.write(model, to.resolve("model.safetensors"), ws);
    if (tokens.length > 0) {
      List<String> ids = new ArrayList<>();
      for (String token : tokens) {
        ids.add("\"" + token + "\":" + ids.size());
      }
      Files.writeString(
          to.resolve("tokenizer.json"), "{\"model\":{\"vocab\":{" + String.join(",", ids) + "}}}");
    } else {
      Files.deleteIfExists(to.resolve("tokenizer.json"));
    }
  }

  void refused(Recipe recipe, String message) {
    assertThatThrownBy(() -> MergeJob.open(recipe, MergeJob.Options.defaults(), ws))
        .isInstanceOf(RecipeException.class)
        .hasMessageStartingWith(message);
  }
}
