// SPDX-License-Identifier: Apache-2.0
package org.merganser.transformer;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.merganser.error.FormatException;
import org.merganser.error.IncompatibleModelsException;
import org.merganser.internal.Names;
import org.merganser.io.Checkpoint;
import org.merganser.transformer.TransformerConfig.Activation;
import org.merganser.transformer.TransformerConfig.Norm;
import org.merganser.transformer.TransformerConfig.Rope;

/** What the metadata and tensors of a GGUF file say of the structure. */
final class GgufConfig {
  private static final Set<String> KNOWN = Set.of("llama", "qwen2", "qwen3");

  /** What is not among the tensors, since it follows from the configuration. */
  private static final String LEFT_OUT = "merganser.left-out";

  private final Checkpoint checkpoint;
  private final Map<String, String> metadata;
  private final String architecture;

  private GgufConfig(Checkpoint checkpoint) {
    this.checkpoint = checkpoint;
    this.metadata = checkpoint.metadata();
    this.architecture = metadata.getOrDefault("general.architecture", "");
  }

  static TransformerConfig of(Checkpoint checkpoint) {
    GgufConfig reader = new GgufConfig(checkpoint);
    try {
      reader.refuseOthers();
      return reader.config();
    } catch (IllegalArgumentException e) {
      throw new FormatException(checkpoint + ": " + e.getMessage(), e);
    }
  }

  private void refuseOthers() {
    List<String> problems = new ArrayList<>();
    if (!KNOWN.contains(architecture)) {
      problems.add(
          "general.architecture "
              + Names.quote(architecture)
              + ": known are llama, qwen2 and qwen3");
    }
    for (String key : List.of("expert_count", "attention.sliding_window", "rope.scaling.type")) {
      String value = metadata.get(architecture + "." + key);
      if (value != null && !Set.of("0", "none").contains(value)) {
        problems.add(architecture + "." + key + " " + Names.quote(value));
      }
    }
    refuseLinear(problems);
    String leftOut = metadata.getOrDefault(LEFT_OUT, "");
    if (!leftOut.isEmpty()) {
      problems.add(
          "rotary frequencies of its own (" + leftOut + "): take the config.json of the model");
    }
    if (!problems.isEmpty()) {
      throw new IncompatibleModelsException(
          checkpoint + " is a GGUF of a transformer whose symmetries are not known here", problems);
    }
  }

  /** Without a type, llama.cpp takes a factor as that of linear scaling; 0 and 1 are none. */
  private void refuseLinear(List<String> problems) {
    if (metadata.containsKey(architecture + ".rope.scaling.type")) {
      return;
    }
    for (String key : List.of("rope.scaling.factor", "rope.scale_linear")) {
      if (!Set.of(0.0, 1.0).contains(number(key, 0))) {
        problems.add(
            architecture + "." + key + " " + number(key, 0) + ": linear scaling of positions");
      }
    }
  }

  private TransformerConfig config() {
    int hidden = count("embedding_length");
    int heads = count("attention.head_count");
    int size = count("attention.key_length", heads == 0 ? 0 : hidden / heads);
    int rotated = count("rope.dimension_count", size);
    if (rotated != size) {
      throw new IllegalArgumentException(
          "%d of %d dimensions of a head turn".formatted(rotated, size));
    }
    return new TransformerConfig(
        architecture,
        Math.toIntExact(checkpoint.info("model.embed_tokens.weight").dim(0)),
        hidden,
        count("block_count"),
        heads,
        count("attention.head_count_kv", heads),
        size,
        count("feed_forward_length"),
        !checkpoint.tensors().containsKey("lm_head.weight"),
        has("self_attn.q_proj.bias"),
        has("self_attn.o_proj.bias"),
        has("mlp.up_proj.bias"),
        has("self_attn.q_norm.weight"),
        Norm.RMS,
        false,
        number("attention.layer_norm_rms_epsilon", Double.NaN),
        true,
        Activation.SILU,
        Optional.of(Rope.of(number("rope.freq_base", 1e4))),
        count("context_length"),
        true,
        0);
  }

  private boolean has(String name) {
    return checkpoint.tensors().containsKey("model.layers.0." + name);
  }

  private int count(String key) {
    double number = number(key, Double.NaN);
    if (number != Math.rint(number) || number < 0 || number > Integer.MAX_VALUE) {
      throw new IllegalArgumentException(architecture + "." + key + " is " + number);
    }
    return (int) number;
  }

  private int count(String key, int initial) {
    return metadata.containsKey(architecture + "." + key) ? count(key) : initial;
  }

  private double number(String key, double initial) {
    String full = architecture + "." + key;
    String value = metadata.getOrDefault(full, Double.toString(initial));
    try {
      double number = Double.parseDouble(value);
      if (Double.isNaN(number)) {
        throw new IllegalArgumentException("there is no " + full);
      }
      return number;
    } catch (NumberFormatException e) {
      throw new IllegalArgumentException(full + " is " + Names.quote(value) + ", no number", e);
    }
  }
}
