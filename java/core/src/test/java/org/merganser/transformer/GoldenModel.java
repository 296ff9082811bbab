// SPDX-License-Identifier: Apache-2.0
package org.merganser.transformer;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import org.merganser.compute.DType;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.linalg.Tensor;
import org.merganser.transformer.TransformerConfig.Activation;
import org.merganser.transformer.TransformerConfig.Norm;

/**
 * Small models whose weights follow from a formula, so that other programs can make them too: one
 * stream of SplitMix64 through all tensors, each element off + scale (2u - 1).
 */
public enum GoldenModel {
  LLAMA(base()),
  TIED(base().with("tied", true)),
  MHA(base().with("keyValueHeads", 4)),
  MQA(base().with("keyValueHeads", 1)),
  QWEN2(base().with("modelType", "qwen2").with("attentionBias", true).with("epsilon", 1e-6)),
  QWEN3(
      base()
          .with("modelType", "qwen3")
          .with("queryKeyNorm", true)
          .with("headSize", 8)
          .with("epsilon", 1e-6)),
  /** Rotary embedding and every bias there is. */
  BIASED(base().with("attentionBias", true).with("outputBias", true).with("mlpBias", true)),
  /** Layer norms before the branches, learned positions, a classic MLP, a tied head. */
  GPT2(classic().with("modelType", "gpt2").with("tied", true).with("causal", true)),
  /** The same without a tie and with groups of heads. */
  CLASSIC_GQA(
      classic().with("causal", true).with("keyValueHeads", 2).with("activation", Activation.RELU)),
  /** Layer norms after the sums, both directions, token types, no head. */
  BERT(
      classic()
          .with("modelType", "bert")
          .with("postNorm", true)
          .with("epsilon", 1e-12)
          .with("activation", Activation.GELU)
          .with("tied", true)
          .with("tokenTypes", 2));

  private final TransformerConfig config;

  GoldenModel(TransformerConfig config) {
    this.config = config;
  }

  /** What goldens are of. */
  public static int[] ids() {
    return new int[] {1, 5, 7, 3, 2, 9, 31, 0};
  }

  /** Large enough for planted symmetries: V=200 d=64 L=3 H=8 K=2 dh=8 m=160. */
  public static TransformerConfig medium() {
    return TransformerConfig.llama(200, 64, 3, 8, 2, 8, 160);
  }

  private static TransformerConfig base() {
    return TransformerConfig.llama(32, 16, 2, 4, 2, 4, 24);
  }

  private static TransformerConfig classic() {
    return base()
        .with("keyValueHeads", 4)
        .with("rope", Optional.empty())
        .with("positions", 16)
        .with("norm", Norm.LAYER)
        .with("gated", false)
        .with("activation", Activation.GELU_TANH)
        .with("attentionBias", true)
        .with("outputBias", true)
        .with("mlpBias", true)
        .with("causal", false);
  }

  public TransformerConfig config() {
    return config;
  }

  /** The weights of seed 0 in F64. */
  public MemoryCheckpoint weights() {
    return weights(config, 0);
  }

  /** The weights of any model in F64, under canonical names. */
  public static MemoryCheckpoint weights(TransformerConfig config, long seed) {
    Map<String, Tensor> tensors = new LinkedHashMap<>();
    Stream stream = new Stream(seed);
    CanonicalTensor.of(config)
        .forEach(
            (name, tensor) -> {
              double scale = tensor.part() == CanonicalTensor.Part.EMBEDDING ? 1 : 0.5;
              boolean gain =
                  tensor.part().side() == CanonicalTensor.Side.GAIN
                      || tensor.part() == CanonicalTensor.Part.QUERY_NORM
                      || tensor.part() == CanonicalTensor.Part.KEY_NORM;
              Tensor values =
                  Tensor.allocate(
                      DType.F64, tensor.shape().stream().mapToLong(Long::longValue).toArray());
              for (long i = 0; i < values.size(); i++) {
                values.set(i, (gain ? 1 : 0) + scale * (2 * stream.next() - 1));
              }
              tensors.put(name, values);
            });
    return MemoryCheckpoint.of(tensors);
  }

  /** SplitMix64, uniform in [0, 1). */
  public static final class Stream {
    private long at;

    public Stream(long seed) {
      at = seed;
    }

    public double next() {
      at += 0x9E3779B97F4A7C15L;
      long z = at;
      z = (z ^ z >>> 30) * 0xBF58476D1CE4E5B9L;
      z = (z ^ z >>> 27) * 0x94D049BB133111EBL;
      z ^= z >>> 31;
      return (z >>> 11) * 0x1p-53;
    }
  }
}
