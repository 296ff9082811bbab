// SPDX-License-Identifier: Apache-2.0
package org.merganser.io;

import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * What the tensors of GGUF are called in Hugging Face's layout, of the architectures for which that
 * is known. Names: gguf's tensor_mapping.py.
 */
final class GgufNames {
  /** Left out: they follow from the configuration, and Hugging Face does not store them. */
  static final Set<String> DERIVED =
      Set.of("rope_freqs.weight", "rope_factors_long.weight", "rope_factors_short.weight");

  private static final Pattern OF_A_LAYER =
      Pattern.compile("blk\\.([0-9]{1,9})\\.([a-z_]+)\\.(weight|bias)");
  private static final Pattern OTHER = Pattern.compile("([a-z_]+)\\.(weight|bias)");

  private static final Map<String, String> OTHERS =
      Map.of("token_embd", "model.embed_tokens", "output_norm", "model.norm", "output", "lm_head");

  private static final Map<String, String> PARTS =
      Map.ofEntries(
          Map.entry("attn_norm", "input_layernorm"),
          Map.entry("attn_q", "self_attn.q_proj"),
          Map.entry("attn_k", "self_attn.k_proj"),
          Map.entry("attn_v", "self_attn.v_proj"),
          Map.entry("attn_output", "self_attn.o_proj"),
          Map.entry("attn_q_norm", "self_attn.q_norm"),
          Map.entry("attn_k_norm", "self_attn.k_norm"),
          Map.entry("ffn_norm", "post_attention_layernorm"),
          Map.entry("ffn_gate", "mlp.gate_proj"),
          Map.entry("ffn_up", "mlp.up_proj"),
          Map.entry("ffn_down", "mlp.down_proj"));

  /** These have a norm after attention and one on each side of the feed-forward part. */
  private static final Map<String, String> PARTS_OF_GEMMA =
      with(
          Map.of(
              "post_attention_norm",
              "post_attention_layernorm",
              "ffn_norm",
              "pre_feedforward_layernorm",
              "post_ffw_norm",
              "post_feedforward_layernorm"));

  private static final Map<String, String> PARTS_OF_PHI =
      with(Map.of("attn_qkv", "self_attn.qkv_proj", "ffn_up", "mlp.gate_up_proj"));

  private static final Map<String, Map<String, String>> ARCHITECTURES =
      Map.of(
          "llama", PARTS,
          "qwen2", PARTS,
          "qwen3", PARTS,
          "gemma", PARTS,
          "gemma2", PARTS_OF_GEMMA,
          "gemma3", PARTS_OF_GEMMA,
          "phi3", PARTS_OF_PHI);

  private GgufNames() {}

  private static Map<String, String> with(Map<String, String> others) {
    Map<String, String> parts = new HashMap<>(PARTS);
    parts.putAll(others);
    return parts;
  }

  static boolean isKnown(String architecture) {
    return ARCHITECTURES.containsKey(architecture);
  }

  /** The name in Hugging Face's layout, when it is known. */
  static Optional<String> of(String architecture, String name) {
    Map<String, String> parts = ARCHITECTURES.getOrDefault(architecture, Map.of());
    Matcher layer = OF_A_LAYER.matcher(name);
    if (layer.matches() && parts.containsKey(layer.group(2))) {
      return Optional.of(
          "model.layers."
              + layer.group(1)
              + "."
              + parts.get(layer.group(2))
              + "."
              + layer.group(3));
    }
    Matcher other = OTHER.matcher(name);
    return !parts.isEmpty() && other.matches() && OTHERS.containsKey(other.group(1))
        ? Optional.of(OTHERS.get(other.group(1)) + "." + other.group(2))
        : Optional.empty();
  }

  /**
   * Of which number of heads the rows are in another order than Hugging Face's: in {@code llama}
   * those of queries and keys, since its rotary embedding turns neighbours there and halves here.
   *
   * @return the key of the number of heads in the metadata, when they are
   */
  static Optional<String> heads(String architecture, String name) {
    Matcher layer = OF_A_LAYER.matcher(name);
    if (!architecture.equals("llama") || !layer.matches()) {
      return Optional.empty();
    }
    return switch (layer.group(2)) {
      case "attn_q" -> Optional.of("llama.attention.head_count");
      case "attn_k" -> Optional.of("llama.attention.head_count_kv");
      default -> Optional.empty();
    };
  }

  /** What GGUF holds more than Hugging Face: scales of norms hold the 1 that Gemma adds. */
  static float excess(String architecture, String name) {
    return architecture.matches("gemma[23]?") && name.endsWith("norm.weight") ? 1 : 0;
  }
}
