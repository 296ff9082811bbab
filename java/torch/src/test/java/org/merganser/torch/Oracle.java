// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch;

import java.io.IOException;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import org.merganser.compute.Workspace;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.linalg.Tensor;
import org.merganser.model.AffineLayer;
import org.merganser.model.Mode;
import org.merganser.repair.BatchNormReset;
import org.merganser.stats.Moments;
import org.merganser.stats.SpaceMoments;
import org.merganser.stats.StatisticsRequest;
import org.merganser.torch.layers.Activation;

/** Multilayer perceptrons, softmax and their gradients in plain Java, in double. */
public final class Oracle {
  private Oracle() {}

  /** {@code x W^T + b}, x [samples x in], W [out x in]. */
  public static double[][] linear(double[][] x, double[] weight, double[] bias) {
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

  public static double apply(Activation activation, double x) {
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
  public static double[][] layer(Checkpoint theta, String name, double[][] x, Workspace ws)
      throws IOException {
    try (Tensor weight = theta.read(name + ".weight", ws);
        Tensor bias = theta.read(name + ".bias", ws)) {
      return linear(x, weight.toDoubleArray(), bias.toDoubleArray());
    }
  }

  public static double[][] apply(Activation activation, double[][] x) {
    double[][] y = new double[x.length][x[0].length];
    for (int s = 0; s < x.length; s++) {
      for (int f = 0; f < y[s].length; f++) {
        y[s][f] = apply(activation, x[s][f]);
      }
    }
    return y;
  }

  public static double[] softmax(double[] logits) {
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
  public static double[][] gradient(double[][] x, int[] labels, double[] weight, double[] bias) {
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

  public static double[] flat(double[][] rows) {
    double[] all = new double[rows.length * rows[0].length];
    for (int r = 0; r < rows.length; r++) {
      System.arraycopy(rows[r], 0, all, r * rows[0].length, rows[0].length);
    }
    return all;
  }

  public static double[][] rows(Tensor tensor) {
    double[] values = tensor.toDoubleArray();
    int width = values.length / Math.toIntExact(tensor.dim(0));
    double[][] rows = new double[Math.toIntExact(tensor.dim(0))][width];
    for (int r = 0; r < rows.length; r++) {
      System.arraycopy(values, r * width, rows[r], 0, width);
    }
    return rows;
  }

  /** Normal values. */
  public static Tensor normal(long seed, long... shape) {
    SplittableRandom random = new SplittableRandom(seed);
    float[] values = new float[Math.toIntExact(Tensor.size(shape))];
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) random.nextGaussian();
    }
    return Tensor.of(values, shape);
  }

  /** Labelled clusters around random centres. */
  public static Examples clusters(long seed, int samples, int features, int classes) {
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
  public static MemoryCheckpoint random(TorchNetwork network, long seed) {
    Map<String, Tensor> tensors = new LinkedHashMap<>();
    long[] stream = {seed};
    network
        .parameters()
        .forEach((name, info) -> tensors.put(name, normal(1000 * stream[0]++, info.dims())));
    return MemoryCheckpoint.of(tensors);
  }

  /**
   * Initial weights with random biases, normalisations and running statistics, such that signals
   * neither die nor explode in a deep network.
   */
  public static MemoryCheckpoint lively(TorchNetwork network, long seed) {
    SplittableRandom random = new SplittableRandom(seed);
    MemoryCheckpoint theta = network.initialise(seed);
    theta
        .tensors()
        .forEach(
            (name, info) -> {
              if (info.rank() == 1) {
                double centre = name.endsWith("weight") || name.endsWith("running_var") ? 1 : 0.2;
                for (long i = 0; i < info.size(); i++) {
                  double value = centre + 0.3 * (2 * random.nextDouble() - 1);
                  theta.tensor(name).set(i, value);
                }
              }
            });
    return theta;
  }

  /**
   * As {@link #lively}, and every hidden feature varies around about 0 on these inputs, so that
   * none is dead behind a ReLU.
   */
  public static MemoryCheckpoint excited(
      TorchNetwork network, long seed, Tensor inputs, Workspace ws) throws IOException {
    MemoryCheckpoint theta = lively(network, seed);
    Examples examples = new Examples(inputs, new int[Math.toIntExact(inputs.dim(0))], 1);
    if (!network.batchNorms().isEmpty()) {
      return new BatchNormReset().apply(theta, network, examples.batches(1000), ws);
    }
    for (AffineLayer layer : network.affineLayers()) {
      if (layer.bias().isPresent()) {
        try (Moments moments =
            Moments.collect(
                network,
                Map.of(layer.output(), layer.width()),
                Mode.EVAL,
                List.of(theta),
                examples.batches(1000),
                StatisticsRequest.NONE,
                Moments.Options.defaults(),
                ws)) {
          centre(theta, layer, moments.space(layer.output()));
        }
      }
    }
    return theta;
  }

  private static void centre(Checkpoint theta, AffineLayer layer, SpaceMoments moments) {
    Tensor weight = ((MemoryCheckpoint) theta).tensor(layer.weight());
    Tensor bias = ((MemoryCheckpoint) theta).tensor(layer.bias().orElseThrow());
    long row = weight.size() / layer.width();
    for (int c = 0; c < layer.width(); c++) {
      double deviation = Math.sqrt(moments.variance(0)[c]);
      for (long i = c * row; i < (c + 1) * row; i++) {
        weight.set(i, weight.get(i) / deviation);
      }
      bias.set(c, (bias.get(c) - moments.mean(0)[c]) / deviation + 0.1);
    }
  }
}
