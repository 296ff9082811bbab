// SPDX-License-Identifier: Apache-2.0
package org.merganser.io;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.merganser.testing.Work.WS;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.OptionalLong;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.merganser.error.FormatException;
import org.merganser.linalg.Tensor;
import org.merganser.testing.RunsOnce;

@RunsOnce("reads and copies files, computes nothing")
class ModelDirectoryTest {
  static final String CONFIG =
      """
      {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "num_hidden_layers": 2,
        "hidden_size": 4,
        "vocab_size": 49152,
        "tie_word_embeddings": true,
        "torch_dtype": "bfloat16",
        "rope_scaling": null,
        "time_step_limit": [0.0, Infinity],
        "quantization_config": {"hidden_size": "other", "list": [[1, {"a": 2}]]}
      }
      """;

  @TempDir private Path root;

  private Path model(String config, String... tensors) throws IOException {
    Path folder = Files.createDirectories(root.resolve("model"));
    if (!config.isEmpty()) {
      Files.writeString(folder.resolve("config.json"), config);
    }
    Map<String, Tensor> values = new LinkedHashMap<>();
    for (String name : tensors) {
      values.put(name, Tensor.of(new float[] {1, 2}, 2));
    }
    try (Checkpoint written = MemoryCheckpoint.of(values)) {
      Safetensors.write(written, folder.resolve("model.safetensors"), WS);
    }
    return folder;
  }

  private static String[] layers(int count) {
    String[] names = new String[count + 2];
    names[0] = "lm_head.weight";
    names[1] = "model.embed_tokens.weight";
    for (int i = 0; i < count; i++) {
      names[2 + i] = "model.layers." + i + ".mlp.experts.7.weight";
    }
    return names;
  }

  @Test
  void configuration() throws IOException {
    try (ModelDirectory model = ModelDirectory.open(model(CONFIG, layers(2)))) {
      assertThat(model.config())
          .isEqualTo(
              new ModelDirectory.Config(
                  List.of("LlamaForCausalLM"),
                  Optional.of("llama"),
                  OptionalInt.of(2),
                  OptionalLong.of(4),
                  OptionalLong.of(49152),
                  Optional.of(true),
                  Optional.of("bfloat16")));
      assertThat(model.layers()).isEqualTo(2);
      assertThat(model.layerPrefix()).contains("model.layers.");
      assertThat(model.layer("model.layers.1.mlp.experts.7.weight")).hasValue(1);
      assertThat(model.layer("model.layers.2.mlp.experts.7.weight")).isEmpty();
      assertThat(model.layer("lm_head.weight")).isEmpty();
      assertThat(model.checkpoint().tensors()).hasSize(4);
    }
  }

  /** Of a model of several kinds of data the part for text. */
  @Test
  void nestedConfiguration() throws IOException {
    String config =
        """
        {"model_type": "vision", "text_config": {"model_type": "llama", "n_layer": 3,
         "d_model": 8, "dtype": "float16"}, "vision_config": {"num_hidden_layers": 27}}
        """;
    try (ModelDirectory model =
        ModelDirectory.open(
            model(
                config,
                "vision.layers.0.a.weight",
                "vision.layers.0.b.weight",
                "vision.layers.1.a.weight",
                "vision.layers.1.b.weight",
                "text.layers.0.weight",
                "text.layers.1.weight",
                "text.layers.2.weight"))) {
      assertThat(model.config().modelType()).contains("vision");
      assertThat(model.config().layers()).hasValue(3);
      assertThat(model.config().hiddenSize()).hasValue(8);
      assertThat(model.config().dtype()).contains("float16");
      assertThat(model.config().tiedEmbeddings()).isEmpty();
      assertThat(model.layerPrefix()).contains("text.layers.");
    }
  }

  /** Names show the layers where nothing else does. */
  @Test
  void withoutAConfiguration() throws IOException {
    Path folder = model("", "h.0.a.weight", "h.1.a.weight", "h.1.b.weight", "other.3.weight");
    try (ModelDirectory model = ModelDirectory.open(folder);
        ModelDirectory file = ModelDirectory.open(folder.resolve("model.safetensors"))) {
      assertThat(model.layers()).isEqualTo(2);
      assertThat(model.layerPrefix()).contains("h.");
      assertThat(model.config().architectures()).isEmpty();
      assertThat(file.layers()).isEqualTo(2);
      assertThat(file.sideFiles()).isEmpty();
    }
    try (ModelDirectory none = ModelDirectory.open(model("", "fc1.weight", "fc2.weight"))) {
      assertThat(none.layers()).isZero();
      assertThat(none.layerPrefix()).isEmpty();
    }
  }

  /** A layer more than the configuration counts (for predictions) is none of the stack. */
  @Test
  void otherNumbersOfLayers() throws IOException {
    try (ModelDirectory more = ModelDirectory.open(model(CONFIG, layers(3)))) {
      assertThat(more.layers()).isEqualTo(2);
      assertThat(more.layer("model.layers.2.x")).isEmpty();
    }
    try (ModelDirectory less = ModelDirectory.open(model(CONFIG, layers(1)))) {
      assertThatThrownBy(less::layers)
          .isInstanceOf(FormatException.class)
          .hasMessageContaining("config.json says 2 layers, ")
          .hasMessageContaining("has tensors of 1 (model.layers.0 to 0)");
    }
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "{\"num_hidden_layers\": 2.5} | :1:23: 'num_hidden_layers' is VALUE_NUMBER_FLOAT, expected",
        "{\"num_hidden_layers\": -1} | expected a whole number",
        "{\"num_hidden_layers\": 3000000000} | 3000000000 layers",
        "{\"vocab_size\": 9999999999999999999} | no valid JSON",
        "{\"architectures\": \"Llama\"} | 'architectures' is VALUE_STRING, expected a list",
        "{\"architectures\": [1]} | expected a list of texts",
        "{\"tie_word_embeddings\": 1} | 'tie_word_embeddings' is VALUE_NUMBER_INT, expected true",
        "{\"text_config\": {\"dtype\": 1}} | 'text_config.dtype' is VALUE_NUMBER_INT",
        "{\"a\": 1, \"a\": 2} | :1:13: no valid JSON: Duplicate field 'a'",
        "{\"a\": 1 | no valid JSON",
        "[] | the file is START_ARRAY, expected an object",
        "{} {} | what follows the closing brace is START_OBJECT, expected nothing",
      })
  void refused(String config, String message) throws IOException {
    Path folder = model(config, "w");
    assertThatThrownBy(() -> ModelDirectory.open(folder))
        .isInstanceOf(FormatException.class)
        .hasMessageStartingWith(folder.resolve("config.json").toString())
        .hasMessageContaining(message);
  }

  @Test
  void sideFilesAreCopiedByteForByte() throws IOException {
    Path folder = model(CONFIG, layers(2));
    byte[] odd = {0, -1, 13, 10, -17, -69, -65};
    List<String> side =
        List.of(
            "added_tokens.json",
            "additional_chat_templates/tools.jinja",
            "chat_template.jinja",
            "config.json",
            "generation_config.json",
            "merges.txt",
            "preprocessor_config.json",
            "special_tokens_map.json",
            "tokenizer.json",
            "tokenizer.model",
            "tokenizer_config.json",
            "video_preprocessor_config.json",
            "vocab.json");
    Files.createDirectories(folder.resolve("additional_chat_templates"));
    for (String name : side) {
      if (!name.equals("config.json")) {
        Files.write(folder.resolve(name), odd);
      }
    }
    for (String other : List.of("README.md", "modeling_x.py", "trainer_state.json", "a.bin")) {
      Files.write(folder.resolve(other), odd);
    }
    Files.createDirectory(folder.resolve("vocab.txt"));
    Path out = root.resolve("out");
    try (ModelDirectory model = ModelDirectory.open(folder)) {
      assertThat(model.sideFiles()).isEqualTo(side);
      model.copySideFiles(out, ModelDirectory::isOfTokenizer);
      assertThat(out.resolve("config.json")).doesNotExist();
      assertThat(out.resolve("preprocessor_config.json")).doesNotExist();
      Files.writeString(out.resolve("merges.txt"), "of another model, and longer");
      model.copySideFiles(out, name -> true);
      for (String name : side) {
        assertThat(out.resolve(name)).hasSameBinaryContentAs(folder.resolve(name));
      }
      try (var files = Files.walk(out)) {
        assertThat(files.filter(Files::isRegularFile)).hasSize(side.size());
      }
      assertThatThrownBy(() -> model.copySideFiles(folder, name -> true))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageContaining("to itself");
    }
  }

  /** In the cache of a hub files are links to others. */
  @Test
  void linkedFiles() throws IOException {
    Path folder = model(CONFIG, "w");
    Path blobs = Files.createDirectory(root.resolve("blobs"));
    Files.move(folder.resolve("config.json"), blobs.resolve("1"));
    Files.createSymbolicLink(folder.resolve("config.json"), blobs.resolve("1"));
    try (ModelDirectory model = ModelDirectory.open(folder)) {
      assertThat(model.sideFiles()).containsExactly("config.json");
      model.copySideFiles(root.resolve("out"), name -> true);
    }
    assertThat(root.resolve("out/config.json")).isRegularFile().hasContent(CONFIG);
    assertThat(Files.isSymbolicLink(root.resolve("out/config.json"))).isFalse();
  }
}
