// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch.transformer;

import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.GradMode;
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
  /** Of attention, at once without gradients: 64 MB in F32, of which a few are there. */
  static final long MOST_WEIGHTS = 1L << 24;

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
   * Without gradients a few queries are weighed after the other, so that weights of long sequences
   * never are there all at once; gradients need them all.
   *
   * @param q [batch x H x tokens x dh]
   * @param k [batch x K x tokens x dh]
   * @param v [batch x K x tokens x dh]
   * @param causal whether a position sees only those up to itself
   * @return [batch x H x tokens x dh]
   */
  static Tensor attend(Tensor q, Tensor k, Tensor v, boolean causal) {
    long tokens = q.size(2);
    long queries = GradMode.is_enabled() ? tokens : queriesTogether(q.size(0) * q.size(1), tokens);
    return attend(q, k, v, causal, queries);
  }

  /** How many queries of each head have weights at once; it depends on sizes only. */
  static long queriesTogether(long heads, long tokens) {
    return Math.max(1, Math.min(tokens, MOST_WEIGHTS / (heads * tokens)));
  }

  /**
   * @param together queries of each head that are weighed at once; all of them where gradients are
   *     needed
   */
  @SuppressWarnings("try")
  static Tensor attend(Tensor q, Tensor k, Tensor v, boolean causal, long together) {
    long tokens = q.size(2);
    if (together >= tokens) {
      return attendFrom(0, q, k, v, causal);
    }
    Tensor y = torch.empty_like(q);
    for (long from = 0; from < tokens; from += together) {
      try (PointerScope own = new PointerScope()) {
        long count = Math.min(together, tokens - from);
        long seen = causal ? from + count : tokens;
        Tensor part =
            attendFrom(
                from, q.narrow(2, from, count), k.narrow(2, 0, seen), v.narrow(2, 0, seen), causal);
        y.narrow(2, from, count).copy_(part);
      }
    }
    return y;
  }

  /**
   * @param from position of the first query
   */
  private static Tensor attendFrom(long from, Tensor q, Tensor k, Tensor v, boolean causal) {
    long batch = q.size(0);
    long heads = q.size(1);
    long queries = q.size(2);
    long size = q.size(3);
    long groups = k.size(1);
    long tokens = k.size(2);
    long rows = heads / groups * queries;
    // The query heads of a group one below the other: one product for each group.
    Tensor grouped = q.reshape(batch * groups, rows, size);
    Tensor keys = k.reshape(batch * groups, tokens, size);
    Tensor values = v.reshape(batch * groups, tokens, size);
    Tensor scores = torch.bmm(grouped, keys.transpose(1, 2)).mul(new Scalar(1 / Math.sqrt(size)));
    if (causal) {
      Tensor mask = scores.new_full(new long[] {queries, tokens}, minusInfinity()).triu(1 + from);
      scores = scores.reshape(batch, heads, queries, tokens).add(mask);
      scores = scores.reshape(batch * groups, rows, tokens);
    }
    return torch.bmm(scores.softmax(-1), values).reshape(batch, heads, queries, size);
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
