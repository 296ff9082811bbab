// SPDX-License-Identifier: Apache-2.0
package org.merganser.transformer;

import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.regex.Pattern;
import org.merganser.io.TensorInfo;

/**
 * Where the canonical tensors of a model lie in the layout of its type: under which name,
 * transposed or not, alone or as one of several parts.
 */
final class CanonicalLayout {
  /** Buffers that old files hold; they follow from the configuration. */
  private static final Pattern BUFFER =
      Pattern.compile(
          "(.*\\.)?(rotary_emb\\.inv_freq|attn\\.bias|attn\\.masked_bias|position_ids)");

  private static final Map<String, String> GPT2 =
      Map.ofEntries(
          Map.entry("embed_tokens", "wte"),
          Map.entry("embed_positions", "wpe"),
          Map.entry("norm", "ln_f"),
          Map.entry("input_layernorm", "ln_1"),
          Map.entry("self_attn.q_proj", "attn.c_attn"),
          Map.entry("self_attn.k_proj", "attn.c_attn"),
          Map.entry("self_attn.v_proj", "attn.c_attn"),
          Map.entry("self_attn.o_proj", "attn.c_proj"),
          Map.entry("post_attention_layernorm", "ln_2"),
          Map.entry("mlp.up_proj", "mlp.c_fc"),
          Map.entry("mlp.down_proj", "mlp.c_proj"));

  private static final Map<String, String> BERT =
      Map.ofEntries(
          Map.entry("embed_tokens", "embeddings.word_embeddings"),
          Map.entry("embed_positions", "embeddings.position_embeddings"),
          Map.entry("embed_types", "embeddings.token_type_embeddings"),
          Map.entry("embed_norm", "embeddings.LayerNorm"),
          Map.entry("self_attn.q_proj", "attention.self.query"),
          Map.entry("self_attn.k_proj", "attention.self.key"),
          Map.entry("self_attn.v_proj", "attention.self.value"),
          Map.entry("self_attn.o_proj", "attention.output.dense"),
          Map.entry("post_attention_layernorm", "attention.output.LayerNorm"),
          Map.entry("mlp.up_proj", "intermediate.dense"),
          Map.entry("mlp.down_proj", "output.dense"),
          Map.entry("post_feedforward_layernorm", "output.LayerNorm"));

  private static final Map<String, String> PHI3 =
      Map.of(
          "self_attn.q_proj", "self_attn.qkv_proj",
          "self_attn.k_proj", "self_attn.qkv_proj",
          "self_attn.v_proj", "self_attn.qkv_proj",
          "mlp.gate_proj", "mlp.gate_up_proj",
          "mlp.up_proj", "mlp.gate_up_proj");

  /**
   * Where a canonical tensor lies.
   *
   * @param tensor name of the original
   * @param transposed whether that is [in, out]
   * @param from the first of its outputs among those of the original
   */
  record Place(String tensor, boolean transposed, long from) {}

  private final TransformerConfig config;
  private final Set<String> names;
  private final Map<String, CanonicalTensor> tensors;
  private final Map<String, Place> places = new LinkedHashMap<>();
  private final Map<String, List<String>> parts = new LinkedHashMap<>();
  private final Map<String, TensorInfo> originals;

  /**
   * @param originals tensors of the file
   */
  CanonicalLayout(TransformerConfig config, Map<String, TensorInfo> originals) {
    this.config = config;
    this.originals = originals;
    this.names = originals.keySet();
    this.tensors = CanonicalTensor.of(config);
    String root = root();
    Map<String, Long> taken = new LinkedHashMap<>();
    tensors
        .values()
        .forEach(
            tensor -> {
              String original = original(root, tensor);
              long from = taken.getOrDefault(original, 0L);
              parts.computeIfAbsent(original, name -> new ArrayList<>()).add(tensor.name());
              taken.put(original, from + tensor.shape().get(0));
              places.put(tensor.name(), new Place(original, isTransposed(tensor), from));
            });
  }

  /** By canonical name, in the order of the model. */
  Map<String, Place> places() {
    return places;
  }

  static boolean isBuffer(String name) {
    return BUFFER.matcher(name).matches();
  }

  /** A copy of the embedding under the name of the head, which a tied model does not read. */
  boolean isTiedHead(String name) {
    return name.equals("lm_head.weight") && config.causal() && config.tied();
  }

  /** What stands before all names but the head's: the first that fits the embedding, or usual. */
  private String root() {
    String embedding = part("embed_tokens");
    List<String> usual =
        switch (config.modelType()) {
          case "gpt2" -> List.of("transformer.", "");
          case "bert" -> List.of("bert.", "");
          default -> List.of("model.", "");
        };
    return usual.stream()
        .filter(root -> names.contains(root + embedding + ".weight"))
        .findFirst()
        .orElse(usual.get(0));
  }

  private String part(String canonical) {
    return switch (config.modelType()) {
      case "gpt2" -> GPT2.getOrDefault(canonical, canonical);
      case "bert" -> BERT.getOrDefault(canonical, canonical);
      case "phi3" -> PHI3.getOrDefault(canonical, canonical);
      default -> canonical;
    };
  }

  private String original(String root, CanonicalTensor tensor) {
    if (tensor.part() == CanonicalTensor.Part.HEAD) {
      return tensor.name();
    }
    int layer = tensor.layer();
    String rest = tensor.name().substring("model.".length());
    String prefix = root;
    if (layer >= 0) {
      rest = rest.substring(("layers." + layer + ".").length());
      prefix +=
          switch (config.modelType()) {
            case "gpt2" -> "h.";
            case "bert" -> "encoder.layer.";
            default -> "layers.";
          };
      prefix += layer + ".";
    }
    int end = rest.lastIndexOf('.');
    String name = prefix + part(rest.substring(0, end));
    return name + kind(name, rest.substring(end));
  }

  /** TensorFlow's names of the parameters of layer norms live on in files of BERT. */
  private String kind(String module, String kind) {
    String old = kind.equals(".weight") ? ".gamma" : ".beta";
    boolean isOld = !names.contains(module + kind) && names.contains(module + old);
    return isOld && config.modelType().equals("bert") ? old : kind;
  }

  /** GPT-2 keeps the matrices of its layers as [in, out]. */
  private boolean isTransposed(CanonicalTensor tensor) {
    return config.modelType().equals("gpt2") && tensor.layer() >= 0 && tensor.shape().size() == 2;
  }

  /** Canonical names of the parts of an original, in its order. */
  List<String> parts(String original) {
    return parts.getOrDefault(original, List.of());
  }

  /** The shape that an original must have: all its parts, one after the other. */
  List<Long> shape(String original) {
    List<Long> shape = new ArrayList<>(tensors.get(parts(original).get(0)).shape());
    shape.set(
        0, parts(original).stream().mapToLong(part -> tensors.get(part).shape().get(0)).sum());
    if (places.get(parts(original).get(0)).transposed()) {
      Collections.reverse(shape);
    }
    return shape;
  }

  /** Tensors of the file that are neither canonical nor buffers. */
  List<String> others() {
    return originals.keySet().stream()
        .filter(name -> !parts.containsKey(name) && !isBuffer(name) && !isTiedHead(name))
        .toList();
  }
}
