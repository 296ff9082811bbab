// SPDX-License-Identifier: Apache-2.0
package org.merganser.recipe;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.io.Safetensors;
import org.merganser.linalg.Tensor;
import org.merganser.recipe.Recipe.Input;

/**
 * Models of different vocabularies. Rows: base a 10, b 20, c 30 and padding 40; x c 1, a 2, d 3; y
 * d 100, b 200, e 300.
 */
final class TokenModels {
  static final String EMBEDDING = "model.embed_tokens.weight";

  private final Path folder;

  TokenModels(Path folder) throws IOException {
    this.folder = folder;
    write("base", "", "{\"model\":{\"vocab\":{\"a\":0,\"b\":1,\"c\":2}}}", 10, 20, 30, 40);
    write("x", "", "{\"model\":{\"vocab\":[[\"c\",0.5],[\"a\",-1],[\"d\",0]]}}", 1, 2, 3);
    write(
        "y",
        "",
        "{\"added_tokens\":[{\"id\":2,\"content\":\"e\",\"special\":true,\"lstrip\":false}],"
            + "\"model\":{\"vocab\":{\"d\":0,\"b\":1}}}",
        100,
        200,
        300);
  }

  /**
   * @param head name of a second tensor with these rows, or empty
   */
  void write(String name, String head, String tokenizer, float... rows) throws IOException {
    float[] values = new float[2 * rows.length];
    for (int row = 0; row < rows.length; row++) {
      values[2 * row] = rows[row];
      values[2 * row + 1] = 2 * rows[row];
    }
    Map<String, Tensor> tensors = new LinkedHashMap<>();
    tensors.put(EMBEDDING, Tensor.of(values, rows.length, 2));
    if (!head.isEmpty()) {
      tensors.put(head, Tensor.of(values, rows.length, 2));
    }
    tensors.put("model.layers.0.input_layernorm.weight", Tensor.zeros(DType.F32, 3));
    Path model = Files.createDirectories(folder.resolve(name));
    try (Workspace ws = Workspace.open();
        Checkpoint checkpoint = MemoryCheckpoint.of(tensors)) {
      Safetensors.write(checkpoint, model.resolve("model.safetensors"), ws);
    }
    Files.writeString(model.resolve("tokenizer.json"), tokenizer);
    Files.writeString(model.resolve("config.json"), "{\"vocab_size\": " + rows.length + "}");
  }

  String path(String name) {
    return folder.resolve(name).toString();
  }

  /** The sum of the three. */
  Recipe sum() {
    return Recipe.of("linear", Input.of(path("base")), Input.of(path("x")), Input.of(path("y")))
        .withBase(path("base"))
        .with("weight", 1)
        .with("normalize", false);
  }

  /** Of the first column; the second is twice that. */
  static float[] rows(Checkpoint model, String name, Workspace ws) throws IOException {
    try (Tensor tensor = model.read(name, ws)) {
      float[] values = tensor.toFloatArray();
      float[] first = new float[values.length / 2];
      for (int row = 0; row < first.length; row++) {
        first[row] = values[2 * row];
        assertThat(values[2 * row + 1]).isEqualTo(2 * first[row]);
      }
      return first;
    }
  }
}
