// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch.transformer;

import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.ScalarTypeOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptional;
import org.bytedeco.pytorch.global.torch;
import org.merganser.transformer.TransformerConfig.Activation;

/**
 * What a transformer consists of, on tensors of libtorch. Its fused kernels (RMS norm, scaled dot
 * product attention) are not used: they choose among implementations by size and processor, and
 * differ from each other. {@code OperationsTest} compares each of these with plain Java over sizes.
 */
final class Operations {
  private Operations() {}

  /**
   * Rows of a table.
   *
   * @param ids I64 [n]
   * @return [n x width]
   */
  static Tensor rows(Tensor table, Tensor ids) {
    return torch.embedding(table, ids);
  }

  /**
   * {@code y = W x + b}.
   *
   * @param x [n x in]
   * @param weight [out x in]
   * @param bias [out], or null
   */
  static Tensor linear(Tensor x, Tensor weight, Tensor bias) {
    return bias == null ? torch.mm(x, weight.t()) : torch.addmm(bias, x, weight.t());
  }

  /**
   * {@code g x / sqrt(mean x^2 + eps)} over the last axis.
   *
   * @param gain [width]
   */
  static Tensor rmsNorm(Tensor x, Tensor gain, double epsilon) {
    Tensor square = x.square().mean(new long[] {-1}, true, new ScalarTypeOptional());
    return x.mul(square.add(new Scalar(epsilon)).rsqrt()).mul(gain);
  }

  /** {@code g (x - mean x) / sqrt(var x + eps) + b} over the last axis. */
  static Tensor layerNorm(Tensor x, Tensor gain, Tensor shift, double epsilon) {
    return torch.layer_norm(
        x,
        new long[] {x.size(-1)},
        new TensorOptional(gain),
        new TensorOptional(shift),
        epsilon,
        false);
  }

  /** Of the hidden units of an MLP. */
  static Tensor activate(Tensor x, Activation activation) {
    return switch (activation) {
      case SILU -> torch.silu(x);
      case GELU -> torch.gelu(x, "none");
      case GELU_TANH -> torch.gelu(x, "tanh");
      case RELU -> torch.relu(x);
    };
  }

  /**
   * Turns the pairs (i, i + dh/2) of heads by angles of their position.
   *
   * @param x [batch x heads x tokens x dh]
   * @param cos [tokens x dh/2]
   * @param sin [tokens x dh/2]
   */
  static Tensor rotate(Tensor x, Tensor cos, Tensor sin) {
    long half = x.size(-1) / 2;
    Tensor first = x.narrow(-1, 0, half);
    Tensor second = x.narrow(-1, half, half);
    return torch.cat(
        new org.bytedeco.pytorch.TensorVector(
            first.mul(cos).sub(second.mul(sin)), second.mul(cos).add(first.mul(sin))),
        -1);
  }

  /**
   * {@code softmax(q k^T / sqrt(dh)) v}; query head h reads head h / (H / K) of keys and values.
   *
   * @param q [batch x H x tokens x dh]
   * @param k [batch x K x tokens x dh]
   * @param v [batch x K x tokens x dh]
   * @param causal whether a position sees only those up to itself
   * @return [batch x H x tokens x dh]
   */
  static Tensor attend(Tensor q, Tensor k, Tensor v, boolean causal) {
    long batch = q.size(0);
    long heads = q.size(1);
    long tokens = q.size(2);
    long size = q.size(3);
    long groups = k.size(1);
    // The query heads of a group one below the other: one product for each group.
    Tensor grouped = q.reshape(batch * groups, heads / groups * tokens, size);
    Tensor keys = k.reshape(batch * groups, tokens, size);
    Tensor values = v.reshape(batch * groups, tokens, size);
    Tensor scores = torch.bmm(grouped, keys.transpose(1, 2)).mul(new Scalar(1 / Math.sqrt(size)));
    if (causal) {
      Tensor mask = scores.new_full(new long[] {tokens, tokens}, minusInfinity()).triu(1);
      scores = scores.reshape(batch, heads, tokens, tokens).add(mask);
      scores = scores.reshape(batch * groups, heads / groups * tokens, tokens);
    }
    return torch.bmm(scores.softmax(-1), values).reshape(batch, heads, tokens, size);
  }

  private static Scalar minusInfinity() {
    return new Scalar(Double.NEGATIVE_INFINITY);
  }

  /**
   * {@code log softmax(logits)[id]} of each row.
   *
   * @param logits [n x V]
   * @param ids I64 [n]
   * @return [n]
   */
  static Tensor logProbabilities(Tensor logits, Tensor ids) {
    return logits.log_softmax(-1).gather(-1, ids.unsqueeze(-1)).reshape(-1);
  }
}
