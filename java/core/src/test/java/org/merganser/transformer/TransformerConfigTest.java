// SPDX-License-Identifier: Apache-2.0
package org.merganser.transformer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.merganser.compute.DType;
import org.merganser.error.FormatException;
import org.merganser.error.IncompatibleModelsException;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.linalg.Tensor;
import org.merganser.transformer.TransformerConfig.Activation;
import org.merganser.transformer.TransformerConfig.Llama3Scaling;
import org.merganser.transformer.TransformerConfig.Norm;
import org.merganser.transformer.TransformerConfig.Rope;

class TransformerConfigTest {
  private static final String LLAMA =
      """
      "hidden_size": 2048, "num_hidden_layers": 16, "num_attention_heads": 32, "vocab_size": 128256,
      "num_key_value_heads": 8, "intermediate_size": 8192, "rms_norm_eps": 1e-05,
      "max_position_embeddings": 131072, "rope_theta": 500000.0, "hidden_act": "silu"
      """;

  @TempDir private Path folder;

  private TransformerConfig read(String values) throws IOException {
    Files.writeString(folder.resolve("config.json"), "{" + values + "}");
    return TransformerConfig.read(folder);
  }

  @Test
  void llama3WithItsScaling() throws IOException {
    TransformerConfig config =
        read(
            LLAMA
                + """
                , "model_type": "llama", "architectures": ["LlamaForCausalLM"], "head_dim": 64,
                "attention_bias": false, "mlp_bias": false, "tie_word_embeddings": true,
                "eos_token_id": [128001, 128008], "pad_token_id": null,
                "rope_scaling": {"factor": 32.0, "high_freq_factor": 4.0, "low_freq_factor": 1.0,
                  "original_max_position_embeddings": 8192, "rope_type": "llama3"}
                """);
    assertThat(config)
        .isEqualTo(
            TransformerConfig.llama(128256, 2048, 16, 32, 8, 64, 8192)
                .with("tied", true)
                .with("positions", 131072)
                .with(
                    "rope",
                    Optional.of(new Rope(5e5, Optional.of(new Llama3Scaling(32, 1, 4, 8192))))));
    assertThat(config.tensors(DType.BF16).values().stream().mapToLong(t -> t.size()).sum())
        .isEqualTo(1_235_814_400L);
  }

  /** Of transformers 5: everything about the rotary embedding is in one place. */
  @Test
  void rotaryParametersInOnePlace() throws IOException {
    TransformerConfig config =
        read(
            LLAMA.replace("500000.0", "1.0")
                + """
                , "model_type": "llama",
                "rope_parameters": {"rope_theta": 500000.0, "rope_type": "default"}
                """);
    assertThat(config.rope()).contains(Rope.of(5e5));
    assertThat(config.tied()).isFalse();
    assertThat(config.headSize()).isEqualTo(64);
  }

  @Test
  void qwen2HasBiasesAndWindowsOnlyWhenTheyAreUsed() throws IOException {
    String values =
        LLAMA
            + """
            , "model_type": "qwen2", "use_sliding_window": false, "sliding_window": 32768,
            "max_window_layers": 12
            """;
    TransformerConfig config = read(values);
    assertThat(config.attentionBias()).isTrue();
    assertThat(config.outputBias()).isFalse();
    assertThatThrownBy(() -> read(values.replace("false", "true")))
        .isInstanceOf(IncompatibleModelsException.class)
        .hasMessageContaining("sliding_window 32768: a sliding window");
  }

  @Test
  void qwen3NormsQueriesAndKeys() throws IOException {
    TransformerConfig config = read(LLAMA + ", \"model_type\": \"qwen3\", \"head_dim\": 128");
    assertThat(config.queryKeyNorm()).isTrue();
    assertThat(config.headSize()).isEqualTo(128);
    assertThat(config.attentionBias()).isFalse();
  }

  @Test
  void gpt2AndBertHaveTheDefaultsOfTheirClasses() throws IOException {
    TransformerConfig gpt2 = read("\"model_type\": \"gpt2\", \"n_inner\": null");
    assertThat(gpt2.tensors(DType.F32).values().stream().mapToLong(t -> t.size()).sum())
        .isEqualTo(124_439_808L);
    assertThat(gpt2.activation()).isEqualTo(Activation.GELU_TANH);
    assertThat(gpt2.tied()).isTrue();
    TransformerConfig bert = read("\"model_type\": \"bert\"");
    assertThat(bert.norm()).isEqualTo(Norm.LAYER);
    assertThat(bert.postNorm()).isTrue();
    // bert-base-uncased without its pooler.
    assertThat(bert.tensors(DType.F32).values().stream().mapToLong(t -> t.size()).sum())
        .isEqualTo(109_482_240L - 768 * 769);
  }

  /** As transformers 5.18 reads what is absent, and what is null. */
  @Test
  void valuesThatAreAbsentAreThoseOfTheClass() throws IOException {
    String sizes =
        """
        "hidden_size": 256, "num_hidden_layers": 2, "num_attention_heads": 64, "vocab_size": 32,
        "intermediate_size": 48, "model_type":""";
    assertThat(read(sizes + "\"llama\""))
        .isEqualTo(TransformerConfig.llama(32, 256, 2, 64, 64, 4, 48).with("epsilon", 1e-6));
    assertThatThrownBy(() -> read(sizes + "\"mistral\""))
        .isInstanceOf(IncompatibleModelsException.class)
        .hasMessageContaining(
            "sliding_window 4096, which it is where the file says nothing: a sliding window");
    TransformerConfig mistral = read(sizes + "\"mistral\", \"sliding_window\": null");
    assertThat(mistral.positions()).isEqualTo(131072);
    assertThat(mistral.keyValueHeads()).isEqualTo(8);
    // Of this class, projections have no biases.
    String bias = sizes + "\"mistral\", \"sliding_window\": null, \"attention_bias\": true";
    assertThat(read(bias)).isEqualTo(mistral);
    for (String type : new String[] {"qwen2", "qwen3"}) {
      TransformerConfig qwen = read(sizes + "\"" + type + "\"");
      assertThat(qwen.positions()).isEqualTo(32768);
      assertThat(qwen.keyValueHeads()).isEqualTo(32);
      String some = sizes + "\"" + type + "\", \"use_sliding_window\": true";
      assertThat(read(some)).isEqualTo(qwen);
      assertThatThrownBy(() -> read(some + ", \"max_window_layers\": 1"))
          .hasMessageContaining("sliding_window 4096, which it is where the file says nothing");
      String full = ", \"layer_types\": [\"full_attention\", \"full_attention\"]";
      assertThat(read(some + ", \"max_window_layers\": 1" + full)).isEqualTo(qwen);
    }
    TransformerConfig phi3 = read(sizes + "\"phi3\"");
    assertThat(phi3.positions()).isEqualTo(4096);
    assertThat(phi3.keyValueHeads()).isEqualTo(64);
    for (String type : new String[] {"mistral", "qwen2", "qwen3", "phi3", "llama"}) {
      String nulls = ", \"num_key_value_heads\": null, \"sliding_window\": null";
      assertThat(read(sizes + "\"" + type + "\"" + nulls).keyValueHeads()).isEqualTo(64);
    }
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "\"model_type\": \"gemma2\" | model_type 'gemma2': known are llama",
        "\"hidden\": 1 | no model_type: known are llama",
        "\"model_type\": \"mixtral\", \"num_local_experts\": 8"
            + " | num_local_experts 8: a mixture of experts",
        "\"model_type\": \"deepseek_v3\", \"kv_lora_rank\": 512 | kv_lora_rank 512: latent attention",
        "\"model_type\": \"mistral\", \"sliding_window\": 4096"
            + " | sliding_window 4096: a sliding window",
        "\"model_type\": \"qwen3\", \"layer_types\": [\"full_attention\", \"sliding_attention\"]"
            + " | layer_types [full_attention, sliding_attention]: only full attention is known",
        "\"model_type\": \"phi3\", \"partial_rotary_factor\": 0.75 | partial_rotary_factor 0.75",
        "\"model_type\": \"llama\", \"rope_scaling\": {\"type\": \"linear\", \"factor\": 2}"
            + " | rope_type 'linear': known are default and llama3",
        "\"model_type\": \"gpt2\", \"activation_function\": \"mish\""
            + " | activation_function 'mish': known are silu",
        "\"model_type\": \"gpt2\", \"scale_attn_by_inverse_layer_idx\": true"
            + " | scale_attn_by_inverse_layer_idx true",
        "\"model_type\": \"bert\", \"position_embedding_type\": \"relative_key\""
            + " | position_embedding_type relative_key"
      })
  void otherKindsOfModelsAreNamed(String values, String message) {
    assertThatThrownBy(() -> read(LLAMA + ", " + values))
        .isInstanceOf(IncompatibleModelsException.class)
        .hasMessageStartingWith(
            folder.resolve("config.json")
                + " is of a transformer whose symmetries are not known here")
        .hasMessageContaining(message);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "\"model_type\": \"llama\", \"hidden_size\": \"x\" | no valid JSON: Duplicate field",
        "\"model_type\": \"llama\" | lacks hidden_size, a whole number below 2^31",
        "\"model_type\": \"gpt2\", \"n_embd\": 1.5"
            + " | n_embd 1.5, needed is a whole number below 2^31",
        "\"model_type\": \"gpt2\", \"n_embd\": -768"
            + " | n_embd -768, needed is a whole number below 2^31",
        "\"model_type\": \"gpt2\", \"n_head\": 7"
            + " | hidden_size 768 is no multiple of num_attention_heads 7",
        "\"model_type\": \"gpt2\", \"n_head\": 0"
            + " | hidden_size 768 is no multiple of num_attention_heads 0",
        "\"model_type\": 3 | model_type 3, needed is a text",
        "\"model_type\": \"llama\", \"rope_scaling\": 7"
            + " | rope_scaling 7, needed is an object in braces"
      })
  void brokenValuesAreNamed(String values, String message) {
    String before = message.contains("rope") || message.contains("Dup") ? LLAMA + ", " : "";
    assertThatThrownBy(() -> read(before + values))
        .isInstanceOf(FormatException.class)
        .hasMessageStartingWith(folder.resolve("config.json").toString())
        .hasMessageContaining(message);
  }

  @ParameterizedTest
  @EnumSource(names = {"LLAMA", "TIED", "MHA", "MQA", "QWEN2", "QWEN3", "GPT2", "BERT"})
  void whatIsWrittenIsReadAgain(GoldenModel model) throws IOException {
    Path file = folder.resolve("config.json");
    model.config().writeTo(file);
    assertThat(TransformerConfig.read(file)).isEqualTo(model.config());
    TransformerConfig scaled =
        TransformerConfig.llama(8, 8, 1, 2, 1, 4, 8)
            .with("modelType", "mistral")
            .with(
                "rope", Optional.of(new Rope(5e5, Optional.of(new Llama3Scaling(8, 1, 4, 8192)))));
    scaled.writeTo(file);
    assertThat(TransformerConfig.read(file)).isEqualTo(scaled);
  }

  @Test
  void whatNoConfigurationDescribesIsNotWritten() {
    assertThatThrownBy(() -> GoldenModel.CLASSIC_GQA.config().writeTo(folder.resolve("c.json")))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("no configuration of model type 'llama' describes");
    assertThat(folder.resolve("c.json")).doesNotExist();
    TransformerConfig narrow =
        GoldenModel.GPT2
            .config()
            .with("keyValueHeads", 1)
            .with("heads", 3)
            .with("keyValueHeads", 3);
    assertThatThrownBy(() -> narrow.writeTo(folder.resolve("c.json")))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageStartingWith("no configuration of model type 'gpt2' describes")
        .hasMessageContaining("hidden_size 16 is no multiple of num_attention_heads 3");
    assertThat(folder.resolve("c.json")).doesNotExist();
  }

  /** Whatever the machine: tables of rotary embeddings decide bytes. */
  @Test
  void frequenciesAreThoseOfStrictArithmetic() {
    double[] frequencies = Rope.of(1e6).frequencies(256);
    for (int i = 0; i < frequencies.length; i++) {
      assertThat(frequencies[i]).isEqualTo(StrictMath.pow(1e6, -2.0 * i / 256));
    }
  }

  /** llama.cpp takes a factor without a type as that of linear scaling. */
  @ParameterizedTest
  @CsvSource({"rope.scaling.factor", "rope.scale_linear"})
  void linearScalingOfGgufIsRefused(String key) {
    TransformerConfig wanted = TransformerConfig.llama(32, 16, 2, 4, 2, 4, 24).with("tied", true);
    Map<String, String> metadata = metadata();
    for (String none : new String[] {"0.0", "1.0"}) {
      metadata.put("llama." + key, none);
      assertThat(TransformerConfig.ofGguf(gguf(wanted, metadata)).hidden()).isEqualTo(16);
    }
    metadata.put("llama." + key, "4.0");
    assertThatThrownBy(() -> TransformerConfig.ofGguf(gguf(wanted, metadata)))
        .isInstanceOf(IncompatibleModelsException.class)
        .hasMessageContaining("llama." + key + " 4.0: linear scaling of positions");
    metadata.put("llama.rope.scaling.type", "none");
    assertThat(TransformerConfig.ofGguf(gguf(wanted, metadata)).hidden()).isEqualTo(16);
    metadata.remove("llama.rope.scaling.type");
    metadata.put("llama." + key, "x");
    assertThatThrownBy(() -> TransformerConfig.ofGguf(gguf(wanted, metadata)))
        .isInstanceOf(FormatException.class)
        .hasMessageContaining("llama." + key + " is 'x', no number");
  }

  @Test
  void ofTheMetadataOfGguf() {
    TransformerConfig wanted =
        TransformerConfig.llama(32, 16, 2, 4, 2, 4, 24).with("tied", true).with("positions", 512);
    Map<String, String> metadata = metadata();
    assertThat(TransformerConfig.ofGguf(gguf(wanted, metadata))).isEqualTo(wanted);
    metadata.put("llama.rope.dimension_count", "2");
    assertThatThrownBy(() -> TransformerConfig.ofGguf(gguf(wanted, metadata)))
        .isInstanceOf(FormatException.class)
        .hasMessageContaining("2 of 4 dimensions of a head turn");
    metadata.put("llama.expert_count", "8");
    metadata.put("merganser.left-out", "rope_freqs.weight");
    assertThatThrownBy(() -> TransformerConfig.ofGguf(gguf(wanted, metadata)))
        .isInstanceOf(IncompatibleModelsException.class)
        .hasMessageContaining("llama.expert_count '8'")
        .hasMessageContaining("frequencies of its own (rope_freqs.weight)");
    metadata.clear();
    assertThatThrownBy(() -> TransformerConfig.ofGguf(gguf(wanted, metadata)))
        .isInstanceOf(IncompatibleModelsException.class)
        .hasMessageContaining("general.architecture ''");
  }

  private static Map<String, String> metadata() {
    Map<String, String> metadata = new LinkedHashMap<>();
    metadata.put("general.architecture", "llama");
    metadata.put("llama.block_count", "2");
    metadata.put("llama.embedding_length", "16");
    metadata.put("llama.feed_forward_length", "24");
    metadata.put("llama.attention.head_count", "4");
    metadata.put("llama.attention.head_count_kv", "2");
    metadata.put("llama.attention.layer_norm_rms_epsilon", "1.0E-5");
    metadata.put("llama.rope.dimension_count", "4");
    metadata.put("llama.rope.freq_base", "10000.0");
    metadata.put("llama.context_length", "512");
    return metadata;
  }

  private static Checkpoint gguf(TransformerConfig config, Map<String, String> metadata) {
    Map<String, Tensor> tensors = new LinkedHashMap<>();
    config.tensors(DType.F32).forEach((n, t) -> tensors.put(n, Tensor.zeros(t.dtype(), t.dims())));
    return MemoryCheckpoint.of(tensors, metadata, Set.of());
  }
}
