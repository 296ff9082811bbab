// SPDX-License-Identifier: Apache-2.0
package org.merganser.symmetry;

import java.io.IOException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.merganser.compute.Workspace;
import org.merganser.io.Checkpoint;
import org.merganser.linalg.Matrix;
import org.merganser.linalg.Tensor;
import org.merganser.transformer.TransformerConfig;
import org.merganser.transformer.TransformerConfig.Activation;
import org.merganser.transformer.TransformerConfig.Norm;

/**
 * The forward pass of a canonical checkpoint in plain F64, the plainest way: the oracle of all that
 * must leave a function unchanged.
 */
public final class ReferenceForward {
  private final TransformerConfig config;
  private final Map<String, double[]> weights = new HashMap<>();
  private final boolean interleaved;

  /** What each layer gives, in order, by the components of {@link SymmetryMoments.Taps}. */
  private final List<double[][]> taps = new ArrayList<>();

  private ReferenceForward(
      TransformerConfig config, Checkpoint checkpoint, boolean interleaved, Workspace ws)
      throws IOException {
    this.config = config;
    this.interleaved = interleaved;
    for (String name : checkpoint.tensors().keySet()) {
      try (Tensor tensor = checkpoint.read(name, ws)) {
        weights.put(name, tensor.toDoubleArray());
      }
    }
  }

  /** Logits [tokens][vocabulary]; of a model without a head its last states [tokens][hidden]. */
  public static double[][] logits(
      TransformerConfig config, Checkpoint checkpoint, int[] ids, Workspace ws) throws IOException {
    return new ReferenceForward(config, checkpoint, false, ws).run(ids);
  }

  /** The same with rotary embedding of neighbours (2i, 2i+1). */
  static double[][] interleaved(
      TransformerConfig config, Checkpoint checkpoint, int[] ids, Workspace ws) throws IOException {
    return new ReferenceForward(config, checkpoint, true, ws).run(ids);
  }

  /** Activations of each layer. */
  static List<SymmetryMoments.Taps> taps(
      TransformerConfig config, Checkpoint checkpoint, int[] ids, Workspace ws) throws IOException {
    ReferenceForward forward = new ReferenceForward(config, checkpoint, false, ws);
    forward.run(ids);
    List<SymmetryMoments.Taps> layers = new ArrayList<>();
    for (int layer = 0; layer < config.layers(); layer++) {
      Matrix[] of = new Matrix[6];
      for (int k = 0; k < of.length; k++) {
        of[k] = Matrix.of(forward.taps.get(layer * of.length + k));
      }
      layers.add(new SymmetryMoments.Taps(of[0], of[1], of[2], of[3], of[4], of[5]));
    }
    return layers;
  }

  private void tap(double[][] x) {
    double[][] copy = new double[x.length][];
    for (int p = 0; p < x.length; p++) {
      copy[p] = x[p].clone();
    }
    taps.add(copy);
  }

  private double[][] run(int[] ids) {
    double[][] x = embedded(ids);
    for (int layer = 0; layer < config.layers(); layer++) {
      String at = "model.layers." + layer + ".";
      if (config.postNorm()) {
        x = normed(sum(x, attention(x, at)), at + "post_attention_layernorm");
        x = normed(sum(x, mlp(x, at)), at + "post_feedforward_layernorm");
      } else {
        x = sum(x, attention(normed(x, at + "input_layernorm"), at));
        x = sum(x, mlp(normed(x, at + "post_attention_layernorm"), at));
      }
      tap(x);
    }
    if (!config.postNorm()) {
      x = normed(x, "model.norm");
    }
    if (!config.causal()) {
      return x;
    }
    String head = config.tied() ? "model.embed_tokens" : "lm_head";
    return linear(x, head, config.vocabulary());
  }

  private double[][] embedded(int[] ids) {
    int d = config.hidden();
    double[][] x = new double[ids.length][d];
    for (int p = 0; p < ids.length; p++) {
      for (int i = 0; i < d; i++) {
        x[p][i] = weights.get("model.embed_tokens.weight")[ids[p] * d + i];
        if (config.rope().isEmpty()) {
          x[p][i] += weights.get("model.embed_positions.weight")[p * d + i];
        }
        if (config.tokenTypes() > 0) {
          x[p][i] += weights.get("model.embed_types.weight")[i];
        }
      }
    }
    return config.postNorm() ? normed(x, "model.embed_norm") : x;
  }

  private double[][] normed(double[][] x, String name) {
    double[][] result = new double[x.length][];
    for (int p = 0; p < x.length; p++) {
      result[p] = normed(x[p], 0, x[p].length, name);
    }
    return result;
  }

  private double[] normed(double[] x, int from, int n, String name) {
    double mean = 0;
    if (config.norm() == Norm.LAYER) {
      for (int i = 0; i < n; i++) {
        mean += x[from + i] / n;
      }
    }
    double square = 0;
    for (int i = 0; i < n; i++) {
      square += (x[from + i] - mean) * (x[from + i] - mean) / n;
    }
    double[] gain = weights.get(name + ".weight");
    double[] shift = weights.get(name + ".bias");
    double[] result = new double[n];
    for (int i = 0; i < n; i++) {
      result[i] = gain[i] * (x[from + i] - mean) / Math.sqrt(square + config.epsilon());
      result[i] += shift == null ? 0 : shift[i];
    }
    return result;
  }

  private double[][] attention(double[][] x, String at) {
    int dh = config.headSize();
    double[][] q = linear(x, at + "self_attn.q_proj", config.heads() * dh);
    double[][] k = linear(x, at + "self_attn.k_proj", config.keyValueHeads() * dh);
    double[][] v = linear(x, at + "self_attn.v_proj", config.keyValueHeads() * dh);
    norm(q, at + "self_attn.q_norm");
    norm(k, at + "self_attn.k_norm");
    tap(q);
    tap(k);
    tap(v);
    rotate(q);
    rotate(k);
    double[][] context = new double[x.length][config.heads() * dh];
    for (int p = 0; p < x.length; p++) {
      for (int head = 0; head < config.heads(); head++) {
        attend(q[p], k, v, head, config.causal() ? p + 1 : x.length, context[p]);
      }
    }
    tap(context);
    return linear(context, at + "self_attn.o_proj", config.hidden());
  }

  private void attend(
      double[] q, double[][] k, double[][] v, int head, int seen, double[] context) {
    int dh = config.headSize();
    int of = head / config.group() * dh;
    double[] score = new double[seen];
    double largest = Double.NEGATIVE_INFINITY;
    for (int s = 0; s < seen; s++) {
      for (int i = 0; i < dh; i++) {
        score[s] += q[head * dh + i] * k[s][of + i] / Math.sqrt(dh);
      }
      largest = Math.max(largest, score[s]);
    }
    double sum = 0;
    for (int s = 0; s < seen; s++) {
      score[s] = Math.exp(score[s] - largest);
      sum += score[s];
    }
    for (int s = 0; s < seen; s++) {
      for (int i = 0; i < dh; i++) {
        context[head * dh + i] += score[s] / sum * v[s][of + i];
      }
    }
  }

  /** Norm of the heads of queries or keys, in place. */
  private void norm(double[][] x, String norm) {
    int dh = config.headSize();
    for (int p = 0; p < x.length && config.queryKeyNorm(); p++) {
      for (int from = 0; from < x[p].length; from += dh) {
        System.arraycopy(normed(x[p], from, dh, norm), 0, x[p], from, dh);
      }
    }
  }

  /** Rotary embedding of the heads of queries or keys, in place. */
  private void rotate(double[][] x) {
    for (int p = 0; p < x.length && config.rope().isPresent(); p++) {
      for (int from = 0; from < x[p].length; from += config.headSize()) {
        rotate(x[p], from, p);
      }
    }
  }

  private void rotate(double[] x, int from, int position) {
    double[] frequencies = config.rope().orElseThrow().frequencies(config.headSize());
    int half = frequencies.length;
    for (int i = 0; i < half; i++) {
      int a = from + (interleaved ? 2 * i : i);
      int b = interleaved ? a + 1 : a + half;
      double cos = Math.cos(position * frequencies[i]);
      double sin = Math.sin(position * frequencies[i]);
      double turned = x[a] * cos - x[b] * sin;
      x[b] = x[b] * cos + x[a] * sin;
      x[a] = turned;
    }
  }

  private double[][] mlp(double[][] x, String at) {
    int m = config.intermediate();
    double[][] up = linear(x, at + "mlp.up_proj", m);
    double[][] gate = config.gated() ? linear(x, at + "mlp.gate_proj", m) : null;
    for (int p = 0; p < up.length; p++) {
      for (int i = 0; i < m; i++) {
        up[p][i] = gate == null ? act(up[p][i]) : act(gate[p][i]) * up[p][i];
      }
    }
    tap(up);
    return linear(up, at + "mlp.down_proj", config.hidden());
  }

  private double act(double z) {
    Activation activation = config.activation();
    return switch (activation) {
      case SILU -> z / (1 + Math.exp(-z));
      case GELU -> z * (1 + erf(z / Math.sqrt(2))) / 2;
      case GELU_TANH ->
          z * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (z + 0.044715 * z * z * z))) / 2;
      case RELU -> Math.max(0, z);
    };
  }

  /** Series of Kummer: 2 / sqrt(pi) exp(-z^2) sum_n 2^n z^(2n+1) / (2n+1)!!. */
  private static double erf(double z) {
    if (Math.abs(z) > 6) {
      return Math.signum(z);
    }
    double term = z;
    double sum = 0;
    for (int n = 1; Math.abs(term) > 1e-20; n++) {
      sum += term;
      term *= 2 * z * z / (2 * n + 1);
    }
    return 2 / Math.sqrt(Math.PI) * Math.exp(-z * z) * sum;
  }

  private double[][] linear(double[][] x, String name, int out) {
    double[] weight = weights.get(name + ".weight");
    double[] bias = weights.get(name + ".bias");
    double[][] y = new double[x.length][out];
    for (int p = 0; p < x.length; p++) {
      int in = x[p].length;
      for (int o = 0; o < out; o++) {
        double sum = bias == null ? 0 : bias[o];
        for (int i = 0; i < in; i++) {
          sum += weight[o * in + i] * x[p][i];
        }
        y[p][o] = sum;
      }
    }
    return y;
  }

  private static double[][] sum(double[][] a, double[][] b) {
    for (int p = 0; p < a.length; p++) {
      for (int i = 0; i < a[p].length; i++) {
        b[p][i] += a[p][i];
      }
    }
    return b;
  }

  /** The largest difference of two results. */
  public static double difference(double[][] a, double[][] b) {
    double largest = 0;
    for (int p = 0; p < a.length; p++) {
      for (int i = 0; i < a[p].length; i++) {
        double off = Math.abs(a[p][i] - b[p][i]);
        largest = Double.isNaN(off) ? Double.POSITIVE_INFINITY : Math.max(largest, off);
      }
    }
    return largest;
  }
}
