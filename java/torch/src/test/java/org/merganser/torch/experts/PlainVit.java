// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch.experts;

import java.util.Arrays;
import java.util.stream.IntStream;
import org.merganser.linalg.Tensor;

/** The vision transformer of {@link MoeNetworkTest} with experts, each token by itself. */
final class PlainVit {
  private static final int CHANNELS = 2;
  private static final int SIDE = 6;
  private static final int PATCH = 3;
  private static final int WIDTH = 8;
  private static final int HEADS = 2;
  private static final int CLASSES = 4;

  private final PlainExperts experts;

  PlainVit(PlainExperts experts) {
    this.experts = experts;
  }

  double[] outputs(Tensor inputs) {
    double[] x = inputs.toDoubleArray();
    double[] outputs = new double[(int) inputs.dim(0) * CLASSES];
    for (int s = 0; s < inputs.dim(0); s++) {
      double[][] tokens = embedded(x, s);
      for (int block = 0; block < 2; block++) {
        block(tokens, "encoder.layers.encoder_layer_" + block);
      }
      double[] y = experts.layer("heads.head", normalised("encoder.ln", tokens[0]));
      System.arraycopy(y, 0, outputs, s * CLASSES, CLASSES);
    }
    return outputs;
  }

  private double[][] embedded(double[] x, int sample) {
    int across = SIDE / PATCH;
    double[][] tokens = new double[1 + across * across][];
    tokens[0] = experts.values("class_token").clone();
    for (int p = 0; p < across * across; p++) {
      double[] patch = new double[CHANNELS * PATCH * PATCH];
      for (int i = 0; i < patch.length; i++) {
        int channel = sample * CHANNELS + i / (PATCH * PATCH);
        int row = p / across * PATCH + i / PATCH % PATCH;
        patch[i] = x[(channel * SIDE + row) * SIDE + p % across * PATCH + i % PATCH];
      }
      tokens[1 + p] = experts.layer("conv_proj", patch);
    }
    for (int t = 0; t < tokens.length; t++) {
      int from = t * WIDTH;
      add(tokens[t], Arrays.copyOfRange(positions(), from, from + WIDTH));
    }
    return tokens;
  }

  private double[] positions() {
    return experts.values("encoder.pos_embedding");
  }

  private void block(double[][] tokens, String name) {
    double[][] attended = attention(tokens, name);
    for (int t = 0; t < tokens.length; t++) {
      add(tokens[t], experts.layer(name + ".self_attention.out_proj", attended[t]));
      double[] hidden = experts.layer(name + ".mlp.0", normalised(name + ".ln_2", tokens[t]));
      add(tokens[t], experts.layer(name + ".mlp.3", gelu(hidden)));
    }
  }

  private double[][] attention(double[][] tokens, String name) {
    double[][] projected = new double[tokens.length][];
    for (int t = 0; t < tokens.length; t++) {
      projected[t] = experts.layer(name + ".self_attention", normalised(name + ".ln_1", tokens[t]));
    }
    double[][] out = new double[tokens.length][WIDTH];
    int entries = WIDTH / HEADS;
    for (int t = 0; t < tokens.length; t++) {
      for (int head = 0; head < HEADS; head++) {
        double[] shares = new double[tokens.length];
        for (int u = 0; u < tokens.length; u++) {
          double product = 0;
          for (int i = head * entries; i < (head + 1) * entries; i++) {
            product += projected[t][i] * projected[u][WIDTH + i];
          }
          shares[u] = Math.exp(product / Math.sqrt(entries));
        }
        double sum = Arrays.stream(shares).sum();
        for (int i = head * entries; i < (head + 1) * entries; i++) {
          for (int u = 0; u < tokens.length; u++) {
            out[t][i] += shares[u] / sum * projected[u][2 * WIDTH + i];
          }
        }
      }
    }
    return out;
  }

  private double[] normalised(String name, double... x) {
    double mean = Arrays.stream(x).average().orElseThrow();
    double variance = Arrays.stream(x).map(v -> (v - mean) * (v - mean)).average().orElseThrow();
    double[] gain = experts.values(name + ".weight");
    double[] bias = experts.values(name + ".bias");
    return IntStream.range(0, x.length)
        .mapToDouble(i -> (x[i] - mean) / Math.sqrt(variance + 1e-6) * gain[i] + bias[i])
        .toArray();
  }

  private static double[] gelu(double... x) {
    return Arrays.stream(x).map(v -> v / 2 * (1 + erf(v / Math.sqrt(2)))).toArray();
  }

  /** {@code 2 / sqrt(pi) exp(-x^2) sum of 2^n x^(2n+1) / (1 3 5 ... (2n+1))}. */
  private static double erf(double x) {
    if (Math.abs(x) > 6) {
      return Math.signum(x);
    }
    double term = x;
    double sum = x;
    for (int n = 1; n < 200; n++) {
      term *= 2 * x * x / (2 * n + 1);
      sum += term;
    }
    return 2 / Math.sqrt(Math.PI) * Math.exp(-x * x) * sum;
  }

  private static void add(double[] to, double... more) {
    for (int i = 0; i < to.length; i++) {
      to[i] += more[i];
    }
  }
}
