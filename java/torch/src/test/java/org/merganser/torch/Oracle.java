// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch;

import java.io.IOException;
import java.util.Map;
import java.util.SplittableRandom;
import org.merganser.compute.Workspace;
import org.merganser.io.Checkpoint;
import org.merganser.linalg.Tensor;

/** Multilayer perceptrons, softmax and their gradients in plain Java, in double. */
final class Oracle {
  private Oracle() {}

  /** {@code x W^T + b}, x [samples x in], W [out x in]. */
  static double[][] linear(double[][] x, double[] weight, double[] bias) {
    int in = x[0].length;
    double[][] y = new double[x.length][bias.length];
    for (int s = 0; s < x.length; s++) {
      for (int o = 0; o < bias.length; o++) {
        double sum = bias[o];
        for (int i = 0; i < in; i++) {
          sum += weight[o * in + i] * x[s][i];
        }
        y[s][o] = sum;
      }
    }
    return y;
  }

  static double apply(Activation activation, double x) {
    return switch (activation) {
      case RELU -> Math.max(0, x);
      case TANH -> Math.tanh(x);
      case SIGMOID -> 1 / (1 + Math.exp(-x));
      case GELU -> 0.5 * x * (1 + erf(x / Math.sqrt(2)));
    };
  }

  /** Taylor series; good to 1e-10 for the small arguments of these tests. */
  private static double erf(double x) {
    if (Math.abs(x) > 4) {
      return Math.signum(x);
    }
    double term = x;
    double sum = x;
    for (int n = 1; n < 200; n++) {
      term *= -x * x / n;
      sum += term / (2 * n + 1);
    }
    return 2 / Math.sqrt(Math.PI) * sum;
  }

  /** The layer {@code name} of a checkpoint applied to {@code x}. */
  static double[][] layer(Checkpoint theta, String name, double[][] x, Workspace ws)
      throws IOException {
    try (Tensor weight = theta.read(name + ".weight", ws);
        Tensor bias = theta.read(name + ".bias", ws)) {
      return linear(x, weight.toDoubleArray(), bias.toDoubleArray());
    }
  }

  static double[][] apply(Activation activation, double[][] x) {
    double[][] y = new double[x.length][x[0].length];
    for (int s = 0; s < x.length; s++) {
      for (int f = 0; f < y[s].length; f++) {
        y[s][f] = apply(activation, x[s][f]);
      }
    }
    return y;
  }

  static double[] softmax(double[] logits) {
    double[] p = new double[logits.length];
    double sum = 0;
    for (int c = 0; c < p.length; c++) {
      p[c] = Math.exp(logits[c]);
      sum += p[c];
    }
    for (int c = 0; c < p.length; c++) {
      p[c] /= sum;
    }
    return p;
  }

  /** Gradient of the mean cross-entropy of a linear model: weight [out x in], then bias. */
  static double[][] gradient(double[][] x, int[] labels, double[] weight, double[] bias) {
    int in = x[0].length;
    double[][] logits = linear(x, weight, bias);
    double[] gw = new double[weight.length];
    double[] gb = new double[bias.length];
    for (int s = 0; s < x.length; s++) {
      double[] p = softmax(logits[s]);
      for (int o = 0; o < bias.length; o++) {
        double error = (p[o] - (labels[s] == o ? 1 : 0)) / x.length;
        gb[o] += error;
        for (int i = 0; i < in; i++) {
          gw[o * in + i] += error * x[s][i];
        }
      }
    }
    return new double[][] {gw, gb};
  }

  static double[] flat(double[][] rows) {
    double[] all = new double[rows.length * rows[0].length];
    for (int r = 0; r < rows.length; r++) {
      System.arraycopy(rows[r], 0, all, r * rows[0].length, rows[0].length);
    }
    return all;
  }

  static double[][] rows(Tensor tensor) {
    double[] values = tensor.toDoubleArray();
    int width = values.length / Math.toIntExact(tensor.dim(0));
    double[][] rows = new double[Math.toIntExact(tensor.dim(0))][width];
    for (int r = 0; r < rows.length; r++) {
      System.arraycopy(values, r * width, rows[r], 0, width);
    }
    return rows;
  }

  /** Normal values. */
  static Tensor normal(long seed, long... shape) {
    SplittableRandom random = new SplittableRandom(seed);
    float[] values = new float[Math.toIntExact(Tensor.size(shape))];
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) random.nextGaussian();
    }
    return Tensor.of(values, shape);
  }

  /** Labelled clusters around random centres. */
  static Examples clusters(long seed, int samples, int features, int classes) {
    SplittableRandom random = new SplittableRandom(seed);
    double[] centres = random.doubles(classes * features, -2, 2).toArray();
    float[] values = new float[samples * features];
    int[] labels = new int[samples];
    for (int s = 0; s < samples; s++) {
      labels[s] = random.nextInt(classes);
      for (int f = 0; f < features; f++) {
        values[s * features + f] =
            (float) (centres[labels[s] * features + f] + random.nextGaussian());
      }
    }
    return new Examples(Tensor.of(values, samples, features), labels, classes);
  }

  /** Replaces every value, biases too, so that no two features are alike. */
  static org.merganser.io.MemoryCheckpoint random(TorchNetwork network, long seed) {
    Map<String, Tensor> tensors = new java.util.LinkedHashMap<>();
    long[] stream = {seed};
    network
        .parameters()
        .forEach((name, info) -> tensors.put(name, normal(1000 * stream[0]++, info.dims())));
    return org.merganser.io.MemoryCheckpoint.of(tensors);
  }
}
