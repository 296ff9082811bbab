// SPDX-License-Identifier: Apache-2.0
package org.merganser.transformer;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * One tensor of a canonical checkpoint.
 *
 * @param part what it is in the model
 * @param layer -1 outside of layers
 * @param shape [out, in] for matrices
 */
public record CanonicalTensor(String name, Part part, int layer, List<Long> shape) {

  /** How the residual stream enters. */
  public enum Side {
    /** Along the last axis: rows that write it, such as those of the embedding. */
    ROWS,
    /** Along the last axis: what reads it. */
    READS,
    /** Along the first axis: what writes it. */
    WRITES,
    /** A vector that is added to it, or to what reads it. */
    VECTOR,
    /** Factors of its channels. */
    GAIN,
    /** Not at all. */
    NONE
  }

  /** What a tensor is in the model. */
  public enum Part {
    EMBEDDING(Side.ROWS),
    POSITIONS(Side.ROWS),
    TYPES(Side.ROWS),
    EMBEDDING_GAIN(Side.GAIN),
    EMBEDDING_SHIFT(Side.VECTOR),
    ATTENTION_GAIN(Side.GAIN),
    ATTENTION_SHIFT(Side.VECTOR),
    QUERY(Side.READS),
    QUERY_BIAS(Side.NONE),
    KEY(Side.READS),
    KEY_BIAS(Side.NONE),
    VALUE(Side.READS),
    VALUE_BIAS(Side.NONE),
    QUERY_NORM(Side.NONE),
    KEY_NORM(Side.NONE),
    OUTPUT(Side.WRITES),
    OUTPUT_BIAS(Side.VECTOR),
    MLP_GAIN(Side.GAIN),
    MLP_SHIFT(Side.VECTOR),
    GATE(Side.READS),
    GATE_BIAS(Side.NONE),
    UP(Side.READS),
    UP_BIAS(Side.NONE),
    DOWN(Side.WRITES),
    DOWN_BIAS(Side.VECTOR),
    FINAL_GAIN(Side.GAIN),
    FINAL_SHIFT(Side.VECTOR),
    HEAD(Side.READS);

    private final Side side;

    Part(Side side) {
      this.side = side;
    }

    /** How the residual stream enters tensors of this part. */
    public Side side() {
      return side;
    }
  }

  /** All of a model by name, in the order in which it uses them. */
  public static Map<String, CanonicalTensor> of(TransformerConfig config) {
    return new Builder(config).all();
  }

  private static final class Builder {
    private final TransformerConfig config;
    private final Map<String, CanonicalTensor> tensors = new LinkedHashMap<>();
    private int layer = -1;

    Builder(TransformerConfig config) {
      this.config = config;
    }

    Map<String, CanonicalTensor> all() {
      int d = config.hidden();
      add("embed_tokens.weight", Part.EMBEDDING, config.vocabulary(), d);
      if (config.rope().isEmpty()) {
        add("embed_positions.weight", Part.POSITIONS, config.positions(), d);
      }
      if (config.tokenTypes() > 0) {
        add("embed_types.weight", Part.TYPES, config.tokenTypes(), d);
      }
      if (config.postNorm()) {
        norm("embed_norm", Part.EMBEDDING_GAIN, Part.EMBEDDING_SHIFT);
      }
      for (layer = 0; layer < config.layers(); layer++) {
        if (config.postNorm()) {
          attention();
          norm("post_attention_layernorm", Part.ATTENTION_GAIN, Part.ATTENTION_SHIFT);
          mlp();
          norm("post_feedforward_layernorm", Part.MLP_GAIN, Part.MLP_SHIFT);
        } else {
          norm("input_layernorm", Part.ATTENTION_GAIN, Part.ATTENTION_SHIFT);
          attention();
          norm("post_attention_layernorm", Part.MLP_GAIN, Part.MLP_SHIFT);
          mlp();
        }
      }
      layer = -1;
      if (!config.postNorm()) {
        norm("norm", Part.FINAL_GAIN, Part.FINAL_SHIFT);
      }
      if (config.hasHead()) {
        put("lm_head.weight", Part.HEAD, config.vocabulary(), d);
      }
      return tensors;
    }

    private void attention() {
      int d = config.hidden();
      int queries = config.heads() * config.headSize();
      int keys = config.keyValueHeads() * config.headSize();
      boolean bias = config.attentionBias();
      projection("self_attn.q_proj", Part.QUERY, queries, d, bias, Part.QUERY_BIAS);
      projection("self_attn.k_proj", Part.KEY, keys, d, bias, Part.KEY_BIAS);
      projection("self_attn.v_proj", Part.VALUE, keys, d, bias, Part.VALUE_BIAS);
      if (config.queryKeyNorm()) {
        add("self_attn.q_norm.weight", Part.QUERY_NORM, config.headSize());
        add("self_attn.k_norm.weight", Part.KEY_NORM, config.headSize());
      }
      projection(
          "self_attn.o_proj", Part.OUTPUT, d, queries, config.outputBias(), Part.OUTPUT_BIAS);
    }

    private void mlp() {
      int d = config.hidden();
      int m = config.intermediate();
      boolean bias = config.mlpBias();
      if (config.gated()) {
        projection("mlp.gate_proj", Part.GATE, m, d, bias, Part.GATE_BIAS);
      }
      projection("mlp.up_proj", Part.UP, m, d, bias, Part.UP_BIAS);
      projection("mlp.down_proj", Part.DOWN, d, m, bias, Part.DOWN_BIAS);
    }

    private void projection(String name, Part part, int out, int in, boolean bias, Part ofBias) {
      add(name + ".weight", part, out, in);
      if (bias) {
        add(name + ".bias", ofBias, out);
      }
    }

    private void norm(String name, Part gain, Part shift) {
      add(name + ".weight", gain, config.hidden());
      if (config.norm() == TransformerConfig.Norm.LAYER) {
        add(name + ".bias", shift, config.hidden());
      }
    }

    private void add(String name, Part part, int... shape) {
      put((layer < 0 ? "model." : "model.layers." + layer + ".") + name, part, shape);
    }

    private void put(String name, Part part, int... shape) {
      List<Long> sizes = new ArrayList<>();
      for (int each : shape) {
        sizes.add((long) each);
      }
      tensors.put(name, new CanonicalTensor(name, part, layer, List.copyOf(sizes)));
    }
  }
}
