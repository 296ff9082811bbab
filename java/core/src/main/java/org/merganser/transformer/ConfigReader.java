// SPDX-License-Identifier: Apache-2.0
package org.merganser.transformer;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import org.merganser.error.FormatException;
import org.merganser.error.IncompatibleModelsException;
import org.merganser.internal.Names;
import org.merganser.transformer.TransformerConfig.Activation;
import org.merganser.transformer.TransformerConfig.Llama3Scaling;
import org.merganser.transformer.TransformerConfig.Norm;
import org.merganser.transformer.TransformerConfig.Rope;

/**
 * What a {@code config.json} of Hugging Face says of the structure, with the defaults of its
 * classes. What would change the function or its symmetries and is not known is refused.
 */
final class ConfigReader {
  /** All whose layers are those of Llama. */
  static final Set<String> LLAMAS = Set.of("llama", "mistral", "qwen2", "qwen3", "phi3");

  private static final List<String> EXPERTS =
      List.of("num_local_experts", "num_experts", "n_routed_experts");
  private static final List<String> LATENT = List.of("kv_lora_rank", "q_lora_rank");

  private final ConfigText text;
  private final String type;
  private final List<String> problems = new ArrayList<>();

  private ConfigReader(ConfigText text) {
    this.text = text;
    this.type = text.text("model_type", "");
  }

  static TransformerConfig read(String where, String json) throws IOException {
    ConfigReader reader = new ConfigReader(ConfigText.parse(where, json));
    reader.refuseOthers();
    try {
      TransformerConfig config =
          switch (reader.type) {
            case "gpt2" -> reader.gpt2();
            case "bert" -> reader.bert();
            default -> reader.llama();
          };
      reader.throwProblems();
      return config;
    } catch (IllegalArgumentException e) {
      throw new FormatException(where + ": " + e.getMessage(), e);
    }
  }

  private void throwProblems() {
    if (!problems.isEmpty()) {
      throw new IncompatibleModelsException(
          text.where() + " is of a transformer whose symmetries are not known here", problems);
    }
  }

  private void refuseOthers() {
    for (String key : EXPERTS) {
      if (text.has(key) && text.count(key) > 0) {
        problems.add(text.shown(key) + ": a mixture of experts");
      }
    }
    for (String key : LATENT) {
      if (text.has(key)) {
        problems.add(text.shown(key) + ": latent attention");
      }
    }
    if (!LLAMAS.contains(type) && !Set.of("gpt2", "bert").contains(type)) {
      problems.add(
          (type.isEmpty() ? "no model_type" : "model_type " + Names.quote(type))
              + ": known are llama, mistral, phi3, qwen2, qwen3, gpt2 and bert");
    }
    throwProblems();
  }

  private TransformerConfig llama() {
    int hidden = text.count("hidden_size");
    int layers = text.count("num_hidden_layers");
    int heads = text.count("num_attention_heads");
    int positions = text.count("max_position_embeddings", positions());
    boolean qwen3 = type.equals("qwen3");
    // The other classes do not look at it.
    boolean bias = (type.equals("llama") || qwen3) && text.truth("attention_bias", false);
    refuseWindow(positions, layers);
    refuseIf("partial_rotary_factor", text.number("partial_rotary_factor", 1) != 1);
    return new TransformerConfig(
        type,
        text.count("vocab_size"),
        hidden,
        layers,
        heads,
        text.count("num_key_value_heads", keyValueHeads(heads)),
        text.has("head_dim") ? text.count("head_dim") : qwen3 ? 128 : headSize(hidden, heads),
        text.count("intermediate_size"),
        text.truth("tie_word_embeddings", false),
        type.equals("qwen2") || bias,
        bias,
        type.equals("llama") && text.truth("mlp_bias", false),
        qwen3,
        Norm.RMS,
        false,
        text.number("rms_norm_eps", type.equals("phi3") ? 1e-5 : 1e-6),
        true,
        activation("hidden_act", "silu"),
        Optional.of(rope(positions)),
        positions,
        true,
        0);
  }

  /** That of the classes, where the file says nothing. */
  private int positions() {
    return switch (type) {
      case "mistral" -> 131072;
      case "qwen2", "qwen3" -> 32768;
      case "phi3" -> 4096;
      default -> 2048;
    };
  }

  /** As before; null is as many as there are heads. */
  private int keyValueHeads(int heads) {
    return switch (text.isNull("num_key_value_heads") ? "" : type) {
      case "mistral" -> 8;
      case "qwen2", "qwen3" -> 32;
      default -> heads;
    };
  }

  private int headSize(int hidden, int heads) {
    if (heads == 0 || hidden % heads != 0) {
      throw new IllegalArgumentException(
          "hidden_size %d is no multiple of num_attention_heads %d, and there is no head_dim"
              .formatted(hidden, heads));
    }
    return hidden / heads;
  }

  private void refuseWindow(int positions, int layers) {
    List<String> types = text.texts("layer_types");
    if (types.stream().anyMatch(each -> !each.equals("full_attention"))) {
      problems.add(text.shown("layer_types") + ": only full attention is known");
    }
    boolean qwen = type.startsWith("qwen");
    boolean asked = !qwen || types.isEmpty() && text.truth("use_sliding_window", false);
    boolean some = !qwen || text.count("max_window_layers", 28) < layers;
    // Where mistral and qwen say nothing it is 4096; only null is none.
    boolean initial = (qwen || type.equals("mistral")) && !text.isNull("sliding_window");
    int window = text.count("sliding_window", initial ? 4096 : positions);
    if (asked && some && window < positions) {
      problems.add(
          "sliding_window "
              + window
              + (text.has("sliding_window") ? "" : ", which it is where the file says nothing")
              + ": a sliding window; sequences of up to so many tokens are the same without, for"
              + " which the value null will do");
    }
  }

  /** Old files have the scaling apart, new ones everything together. */
  private Rope rope(int positions) {
    ConfigText parameters = text.part("rope_parameters");
    double theta = parameters.number("rope_theta", text.number("rope_theta", 1e4));
    ConfigText scaling = parameters.isEmpty() ? text.part("rope_scaling") : parameters;
    String kind = scaling.text("rope_type", scaling.text("type", "default"));
    if (scaling.number("partial_rotary_factor", 1) != 1) {
      problems.add(scaling.shown("partial_rotary_factor") + ": a part of each head turns");
    }
    if (kind.equals("llama3")) {
      return new Rope(
          theta,
          Optional.of(
              new Llama3Scaling(
                  scaling.number("factor"),
                  scaling.number("low_freq_factor"),
                  scaling.number("high_freq_factor"),
                  scaling.count("original_max_position_embeddings", positions))));
    }
    if (!kind.equals("default")) {
      problems.add("rope_type " + Names.quote(kind) + ": known are default and llama3");
    }
    return Rope.of(theta);
  }

  private Activation activation(String key, String initial) {
    String name = text.text(key, initial);
    return switch (name) {
      case "silu", "swish" -> Activation.SILU;
      case "gelu" -> Activation.GELU;
      case "gelu_new", "gelu_pytorch_tanh" -> Activation.GELU_TANH;
      case "relu" -> Activation.RELU;
      default -> {
        problems.add(
            key
                + " "
                + Names.quote(name)
                + ": known are silu, gelu, gelu_new, gelu_pytorch_tanh and relu");
        yield Activation.SILU;
      }
    };
  }

  private void refuseIf(String key, boolean wrong) {
    if (wrong) {
      problems.add(text.has(key) ? text.shown(key) : key);
    }
  }

  private TransformerConfig gpt2() {
    int hidden = text.count("n_embd", 768);
    int heads = text.count("n_head", 12);
    refuseIf("add_cross_attention", text.truth("add_cross_attention", false));
    refuseIf(
        "scale_attn_by_inverse_layer_idx", text.truth("scale_attn_by_inverse_layer_idx", false));
    refuseIf("scale_attn_weights", !text.truth("scale_attn_weights", true));
    return new TransformerConfig(
        type,
        text.count("vocab_size", 50257),
        hidden,
        text.count("n_layer", 12),
        heads,
        heads,
        headSize(hidden, heads),
        text.count("n_inner", Math.multiplyExact(4, hidden)),
        text.truth("tie_word_embeddings", true),
        true,
        true,
        true,
        false,
        Norm.LAYER,
        false,
        text.number("layer_norm_epsilon", 1e-5),
        false,
        activation("activation_function", "gelu_new"),
        Optional.empty(),
        text.count("n_positions", 1024),
        true,
        0);
  }

  private TransformerConfig bert() {
    int hidden = text.count("hidden_size", 768);
    int heads = text.count("num_attention_heads", 12);
    refuseIf("is_decoder", text.truth("is_decoder", false));
    refuseIf(
        "position_embedding_type",
        !text.text("position_embedding_type", "absolute").equals("absolute"));
    return new TransformerConfig(
        type,
        text.count("vocab_size", 30522),
        hidden,
        text.count("num_hidden_layers", 12),
        heads,
        heads,
        headSize(hidden, heads),
        text.count("intermediate_size", 3072),
        true,
        true,
        true,
        true,
        false,
        Norm.LAYER,
        true,
        text.number("layer_norm_eps", 1e-12),
        false,
        activation("hidden_act", "gelu"),
        Optional.empty(),
        text.count("max_position_embeddings", 512),
        false,
        text.count("type_vocab_size", 2));
  }
}
