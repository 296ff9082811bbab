// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch.transformer;

import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.GradMode;
import org.bytedeco.pytorch.Tensor;
import org.merganser.torch.internal.Bridge;
import org.merganser.torch.transformer.TransformerNetwork.Tap;
import org.merganser.transformer.TransformerConfig;
import org.merganser.transformer.TransformerConfig.Norm;
import org.merganser.transformer.TransformerConfig.Rope;

/**
 * One forward pass over sequences of equal length, with the parameters of a canonical checkpoint;
 * inside of libtorch and the caller's scope. Between layers tokens of all sequences are the rows of
 * one matrix [batch tokens x d].
 */
final class TokenPass {
  private final TransformerConfig config;
  private final Map<String, Tensor> theta;
  private final Set<String> wanted;
  private final Map<String, Tensor> tapped = new LinkedHashMap<>();
  private final long batch;
  private final long tokens;
  private final PointerScope scope = PointerScope.getInnerScope();
  private final Tensor embedded;
  private Tensor cos;
  private Tensor sin;

  /**
   * @param ids I64 [batch x tokens]
   * @param types of the tokens, as many; null for type 0
   * @param taps of layers, which are found on the way
   */
  TokenPass(
      TransformerConfig config,
      Map<String, Tensor> theta,
      Tensor ids,
      Tensor types,
      Set<String> taps) {
    this.config = config;
    this.theta = theta;
    this.wanted = new HashSet<>(taps);
    this.batch = ids.size(0);
    this.tokens = ids.size(1);
    this.embedded = embed(ids.reshape(-1), types);
    config.rope().ifPresent(this::turns);
  }

  /** What was asked for, [batch x tokens x features], contiguous, in the order of the pass. */
  Map<String, Tensor> tapped() {
    return tapped;
  }

  /** What the last layer leaves, normed: [batch tokens x d]. */
  Tensor hidden() {
    Tensor x = embedded;
    for (int layer = 0; layer < config.layers(); layer++) {
      x = after(x, layer);
    }
    return config.postNorm() ? x : norm("model.norm", x);
  }

  /** All taps of layers, without what comes after the last of them. */
  void tapOnly() {
    Tensor x = embedded;
    for (int layer = 0; layer < config.layers() && !wanted.isEmpty(); layer++) {
      x = after(x, layer);
    }
  }

  /** Logits of rows of {@link #hidden}; a model without a head gives these themselves. */
  Tensor output(Tensor hidden) {
    if (!config.causal()) {
      return hidden;
    }
    return Operations.linear(
        hidden, weight(config.hasHead() ? "lm_head" : "model.embed_tokens"), null);
  }

  private Tensor embed(Tensor ids, Tensor types) {
    Tensor x = Operations.rows(weight("model.embed_tokens"), ids);
    if (config.rope().isEmpty()) {
      long d = config.hidden();
      Tensor positions = weight("model.embed_positions").narrow(0, 0, tokens);
      x = x.reshape(batch, tokens, d).add(positions).reshape(-1, d);
    }
    if (config.tokenTypes() > 0) {
      Tensor table = weight("model.embed_types");
      x = x.add(types == null ? table.narrow(0, 0, 1) : Operations.rows(table, types.reshape(-1)));
    }
    return config.postNorm() ? norm("model.embed_norm", x) : x;
  }

  private void turns(Rope rope) {
    double[] frequencies = rope.frequencies(config.headSize());
    int half = frequencies.length;
    double[] cosines = new double[Math.toIntExact(tokens * half)];
    double[] sines = new double[cosines.length];
    for (int i = 0; i < cosines.length; i++) {
      double angle = i / half * frequencies[i % half];
      cosines[i] = Math.cos(angle);
      sines[i] = Math.sin(angle);
    }
    cos = Bridge.beside(embedded, cosines, tokens, half);
    sin = Bridge.beside(embedded, sines, tokens, half);
  }

  /** What was before is free too then, except what all layers begin with. */
  private Tensor after(Tensor x, int layer) {
    Tensor y = layer(x, layer);
    if (x != embedded && !GradMode.is_enabled()) {
      scope.detach(x);
    }
    return y;
  }

  /** What a layer makes on the way is free afterwards, unless gradients need it. */
  @SuppressWarnings("try")
  private Tensor layer(Tensor x, int layer) {
    try (PointerScope own = new PointerScope()) {
      Tensor y = sum(x, layer);
      tap(layer, Tap.RESIDUAL, y);
      scope.attach(y);
      return y;
    }
  }

  private Tensor sum(Tensor x, int layer) {
    String at = "model.layers." + layer + ".";
    Tensor y;
    if (config.postNorm()) {
      y = norm(at + "post_attention_layernorm", x.add(attention(x, layer)));
      y = norm(at + "post_feedforward_layernorm", y.add(mlp(y, layer)));
    } else {
      y = x.add(attention(norm(at + "input_layernorm", x), layer));
      y = y.add(mlp(norm(at + "post_attention_layernorm", y), layer));
    }
    return y;
  }

  private Tensor attention(Tensor x, int layer) {
    String at = "model.layers." + layer + ".self_attn.";
    Tensor q = heads(linear(at + "q_proj", x), config.heads());
    Tensor k = heads(linear(at + "k_proj", x), config.keyValueHeads());
    Tensor v = heads(linear(at + "v_proj", x), config.keyValueHeads());
    if (config.queryKeyNorm()) {
      q = norm(at + "q_norm", q);
      k = norm(at + "k_norm", k);
    }
    tap(layer, Tap.QUERIES, rows(q));
    tap(layer, Tap.KEYS, rows(k));
    tap(layer, Tap.VALUES, rows(v));
    if (cos != null) {
      q = Operations.rotate(q, cos, sin);
      k = Operations.rotate(k, cos, sin);
    }
    Tensor heads = rows(Operations.attend(q, k, v, config.causal()));
    tap(layer, Tap.HEADS, heads);
    return linear(at + "o_proj", heads);
  }

  private Tensor mlp(Tensor x, int layer) {
    String at = "model.layers." + layer + ".mlp.";
    Tensor up = linear(at + "up_proj", x);
    Tensor units =
        config.gated()
            ? Operations.activate(linear(at + "gate_proj", x), config.activation()).mul(up)
            : Operations.activate(up, config.activation());
    tap(layer, Tap.MLP, units);
    return linear(at + "down_proj", units);
  }

  /** [batch tokens x heads dh] as [batch x heads x tokens x dh]. */
  private Tensor heads(Tensor x, int heads) {
    return x.reshape(batch, tokens, heads, config.headSize()).transpose(1, 2);
  }

  /** And back. */
  private Tensor rows(Tensor heads) {
    return heads.transpose(1, 2).reshape(batch * tokens, heads.size(1) * config.headSize());
  }

  private Tensor norm(String name, Tensor x) {
    boolean rms = config.norm() == Norm.RMS;
    return rms
        ? Operations.rmsNorm(x, weight(name), config.epsilon())
        : Operations.layerNorm(x, weight(name), theta.get(name + ".bias"), config.epsilon());
  }

  private Tensor linear(String name, Tensor x) {
    return Operations.linear(x, weight(name), theta.get(name + ".bias"));
  }

  private Tensor weight(String name) {
    return theta.get(name + ".weight");
  }

  private void tap(int layer, Tap tap, Tensor x) {
    String name = tap.of(layer);
    if (wanted.remove(name)) {
      Tensor kept = x.reshape(batch, tokens, -1).contiguous();
      scope.attach(kept);
      tapped.put(name, kept);
    }
  }
}
