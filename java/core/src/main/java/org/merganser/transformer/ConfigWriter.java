// SPDX-License-Identifier: Apache-2.0
package org.merganser.transformer;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.util.DefaultPrettyPrinter;
import java.io.IOException;
import java.io.StringWriter;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import org.merganser.transformer.TransformerConfig.Activation;
import org.merganser.transformer.TransformerConfig.Llama3Scaling;
import org.merganser.transformer.TransformerConfig.Rope;

/** A {@code config.json} that Hugging Face's libraries and {@link ConfigReader} read. */
final class ConfigWriter {
  private static final Map<String, String> CLASSES =
      Map.of(
          "llama", "LlamaForCausalLM",
          "mistral", "MistralForCausalLM",
          "qwen2", "Qwen2ForCausalLM",
          "qwen3", "Qwen3ForCausalLM",
          "phi3", "Phi3ForCausalLM",
          "gpt2", "GPT2LMHeadModel",
          "bert", "BertModel");

  private ConfigWriter() {}

  static String write(TransformerConfig config) throws IOException {
    Map<String, Object> values = new LinkedHashMap<>();
    values.put("model_type", config.modelType());
    values.put("vocab_size", config.vocabulary());
    switch (config.modelType()) {
      case "gpt2" -> gpt2(config, values);
      case "bert" -> bert(config, values);
      default -> llama(config, values);
    }
    StringWriter text = new StringWriter();
    try (JsonGenerator g = new JsonFactory().createGenerator(text)) {
      g.setPrettyPrinter(new DefaultPrettyPrinter());
      g.writeStartObject();
      String name = CLASSES.get(config.modelType());
      if (name != null) {
        g.writeFieldName("architectures");
        g.writeArray(new String[] {name}, 0, 1);
      }
      for (Map.Entry<String, Object> each : values.entrySet()) {
        g.writeFieldName(each.getKey());
        write(g, each.getValue());
      }
      g.writeEndObject();
    }
    return text + "\n";
  }

  private static void write(JsonGenerator g, Object value) throws IOException {
    if (value instanceof Map<?, ?> map) {
      g.writeStartObject();
      for (Map.Entry<?, ?> each : map.entrySet()) {
        g.writeFieldName(each.getKey().toString());
        write(g, each.getValue());
      }
      g.writeEndObject();
    } else {
      g.writePOJO(value);
    }
  }

  private static void llama(TransformerConfig config, Map<String, Object> values) {
    values.put("hidden_size", config.hidden());
    values.put("num_hidden_layers", config.layers());
    values.put("num_attention_heads", config.heads());
    values.put("num_key_value_heads", config.keyValueHeads());
    values.put("head_dim", config.headSize());
    values.put("intermediate_size", config.intermediate());
    values.put("tie_word_embeddings", config.tied());
    if (config.attentionBias() && !config.modelType().equals("qwen2")) {
      values.put("attention_bias", true);
    }
    if (config.mlpBias()) {
      values.put("mlp_bias", true);
    }
    values.put("rms_norm_eps", config.epsilon());
    values.put("hidden_act", activation(config));
    values.put("max_position_embeddings", config.positions());
    config.rope().ifPresent(rope -> values.put("rope_theta", rope.theta()));
    Optional<Llama3Scaling> scaled = config.rope().flatMap(Rope::scaling);
    if (scaled.isPresent()) {
      Llama3Scaling scaling = scaled.get();
      Map<String, Object> inner = new LinkedHashMap<>();
      inner.put("rope_type", "llama3");
      inner.put("factor", scaling.factor());
      inner.put("low_freq_factor", scaling.low());
      inner.put("high_freq_factor", scaling.high());
      inner.put("original_max_position_embeddings", scaling.context());
      values.put("rope_scaling", inner);
    }
    if (config.modelType().equals("mistral")) {
      values.put("sliding_window", null);
    }
  }

  private static void gpt2(TransformerConfig config, Map<String, Object> values) {
    values.put("n_embd", config.hidden());
    values.put("n_layer", config.layers());
    values.put("n_head", config.heads());
    values.put("n_inner", config.intermediate());
    values.put("n_positions", config.positions());
    values.put("layer_norm_epsilon", config.epsilon());
    values.put("activation_function", activation(config));
    values.put("tie_word_embeddings", config.tied());
  }

  private static void bert(TransformerConfig config, Map<String, Object> values) {
    values.put("hidden_size", config.hidden());
    values.put("num_hidden_layers", config.layers());
    values.put("num_attention_heads", config.heads());
    values.put("intermediate_size", config.intermediate());
    values.put("max_position_embeddings", config.positions());
    values.put("type_vocab_size", config.tokenTypes());
    values.put("layer_norm_eps", config.epsilon());
    values.put("hidden_act", activation(config));
  }

  private static String activation(TransformerConfig config) {
    Activation activation = config.activation();
    return activation == Activation.GELU_TANH
        ? "gelu_new"
        : activation.name().toLowerCase(Locale.ROOT);
  }
}
