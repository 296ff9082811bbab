// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch.transformer;

import java.util.List;
import org.bytedeco.pytorch.Tensor;
import org.merganser.transformer.TransformerConfig.Activation;

/**
 * An operation at one size: libtorch's form of it and plain loops in F64.
 *
 * @param name with the sizes
 * @param shapes of the inputs that are differentiated
 */
record PlainOperation(String name, List<long[]> shapes, Torch torch, Plain plain) {

  /** As the network uses it. */
  @FunctionalInterface
  interface Torch {
    Tensor of(List<Tensor> inputs);
  }

  /** In loops. */
  @FunctionalInterface
  interface Plain {
    double[] of(List<double[]> inputs);
  }

  static PlainOperation rows(int n, int vocabulary, int width) {
    long[] ids = new long[n];
    for (int i = 0; i < n; i++) {
      // Some twice, so that gradients add up.
      ids[i] = (i * 7L + i / 3) % vocabulary;
    }
    return new PlainOperation(
        "rows n=" + n + " V=" + vocabulary + " d=" + width,
        List.of(new long[] {vocabulary, width}),
        x -> Operations.rows(x.get(0), org.bytedeco.pytorch.global.torch.tensor(ids)),
        x -> {
          double[] y = new double[n * width];
          for (int i = 0; i < n; i++) {
            System.arraycopy(x.get(0), (int) ids[i] * width, y, i * width, width);
          }
          return y;
        });
  }

  static PlainOperation linear(int n, int in, int out, boolean bias) {
    List<long[]> shapes = List.of(new long[] {n, in}, new long[] {out, in}, new long[] {out});
    return new PlainOperation(
        "linear n=" + n + " in=" + in + " out=" + out + " bias=" + bias,
        bias ? shapes : shapes.subList(0, 2),
        x -> Operations.linear(x.get(0), x.get(1), bias ? x.get(2) : null),
        x -> {
          double[] y = new double[n * out];
          for (int i = 0; i < n; i++) {
            for (int o = 0; o < out; o++) {
              double sum = bias ? x.get(2)[o] : 0;
              for (int j = 0; j < in; j++) {
                sum += x.get(0)[i * in + j] * x.get(1)[o * in + j];
              }
              y[i * out + o] = sum;
            }
          }
          return y;
        });
  }

  static PlainOperation rmsNorm(int n, int width) {
    return new PlainOperation(
        "rmsNorm n=" + n + " d=" + width,
        List.of(new long[] {n, width}, new long[] {width}),
        x -> Operations.rmsNorm(x.get(0), x.get(1), 1e-5),
        x -> {
          double[] y = new double[n * width];
          for (int i = 0; i < n; i++) {
            double sum = 0;
            for (int j = 0; j < width; j++) {
              sum += x.get(0)[i * width + j] * x.get(0)[i * width + j];
            }
            for (int j = 0; j < width; j++) {
              y[i * width + j] =
                  x.get(1)[j] * x.get(0)[i * width + j] / Math.sqrt(sum / width + 1e-5);
            }
          }
          return y;
        });
  }

  static PlainOperation layerNorm(int n, int width) {
    return new PlainOperation(
        "layerNorm n=" + n + " d=" + width,
        List.of(new long[] {n, width}, new long[] {width}, new long[] {width}),
        x -> Operations.layerNorm(x.get(0), x.get(1), x.get(2), 1e-5),
        x -> {
          double[] y = new double[n * width];
          for (int i = 0; i < n; i++) {
            double mean = 0;
            for (int j = 0; j < width; j++) {
              mean += x.get(0)[i * width + j] / width;
            }
            double variance = 0;
            for (int j = 0; j < width; j++) {
              variance += Math.pow(x.get(0)[i * width + j] - mean, 2) / width;
            }
            for (int j = 0; j < width; j++) {
              double normal = (x.get(0)[i * width + j] - mean) / Math.sqrt(variance + 1e-5);
              y[i * width + j] = x.get(1)[j] * normal + x.get(2)[j];
            }
          }
          return y;
        });
  }

  /** Inputs from -6 to 6 are made of those from -1 to 1. */
  static PlainOperation activation(Activation activation, int n) {
    return new PlainOperation(
        activation + " n=" + n,
        List.of(new long[] {n}),
        x -> Operations.activate(x.get(0).mul(new org.bytedeco.pytorch.Scalar(6.0)), activation),
        x -> {
          double[] y = new double[n];
          for (int i = 0; i < n; i++) {
            y[i] = activate(activation, 6 * x.get(0)[i]);
          }
          return y;
        });
  }

  private static double activate(Activation activation, double z) {
    return switch (activation) {
      case SILU -> z / (1 + Math.exp(-z));
      case GELU -> 0.5 * z * (1 + erf(z / Math.sqrt(2)));
      case GELU_TANH ->
          0.5 * z * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (z + 0.044715 * z * z * z)));
      case RELU -> Math.max(0, z);
    };
  }

  /** Its series where it converges fast, else the continued fraction of the complement. */
  static double erf(double x) {
    double a = Math.abs(x);
    if (a < 3) {
      double sum = a;
      double term = a;
      for (int n = 1; n < 200; n++) {
        term *= -a * a / n;
        sum += term / (2 * n + 1);
      }
      return Math.signum(x) * 2 / Math.sqrt(Math.PI) * sum;
    }
    double fraction = 0;
    for (int n = 200; n > 0; n--) {
      fraction = n / 2.0 / (a + fraction);
    }
    double complement = Math.exp(-a * a) / Math.sqrt(Math.PI) / (a + fraction);
    return Math.signum(x) * (1 - complement);
  }

  /** Heads of one batch entry after the other. */
  static PlainOperation rotate(int batch, int heads, int tokens, int size) {
    int half = size / 2;
    double[] angles = new double[tokens * half];
    for (int i = 0; i < angles.length; i++) {
      angles[i] = i / half * Math.pow(100, -(i % half) / (double) half);
    }
    return new PlainOperation(
        "rotate batch=" + batch + " H=" + heads + " T=" + tokens + " dh=" + size,
        List.of(new long[] {batch, heads, tokens, size}),
        x -> {
          Tensor turns = OperationsTest.tensor(angles, false, tokens, half).to(x.get(0));
          return Operations.rotate(x.get(0), turns.cos(), turns.sin());
        },
        x -> {
          double[] y = x.get(0).clone();
          for (int row = 0; row < batch * heads * tokens; row++) {
            for (int i = 0; i < half; i++) {
              double angle = angles[row % tokens * half + i];
              double a = x.get(0)[row * size + i];
              double b = x.get(0)[row * size + i + half];
              y[row * size + i] = a * Math.cos(angle) - b * Math.sin(angle);
              y[row * size + i + half] = b * Math.cos(angle) + a * Math.sin(angle);
            }
          }
          return y;
        });
  }

  static PlainOperation attend(
      int batch, int heads, int groups, int tokens, int size, boolean causal) {
    long[] keys = {batch, groups, tokens, size};
    return new PlainOperation(
        "attend batch=%d H=%d K=%d T=%d dh=%d causal=%s"
            .formatted(batch, heads, groups, tokens, size, causal),
        List.of(new long[] {batch, heads, tokens, size}, keys, keys),
        x -> Operations.attend(x.get(0), x.get(1), x.get(2), causal),
        x -> {
          double[] y = new double[batch * heads * tokens * size];
          for (int bh = 0; bh < batch * heads; bh++) {
            int group = bh / heads * groups + bh % heads / (heads / groups);
            for (int t = 0; t < tokens; t++) {
              attendAt(
                  x,
                  (bh * tokens + t) * size,
                  group * tokens * size,
                  size,
                  causal ? t + 1 : tokens,
                  y);
            }
          }
          return y;
        });
  }

  private static void attendAt(
      List<double[]> x, int query, int keys, int size, int seen, double[] y) {
    double[] weights = new double[seen];
    double largest = Double.NEGATIVE_INFINITY;
    for (int s = 0; s < seen; s++) {
      for (int i = 0; i < size; i++) {
        weights[s] += x.get(0)[query + i] * x.get(1)[keys + s * size + i] / Math.sqrt(size);
      }
      largest = Math.max(largest, weights[s]);
    }
    double sum = 0;
    for (int s = 0; s < seen; s++) {
      weights[s] = Math.exp(weights[s] - largest);
      sum += weights[s];
    }
    for (int s = 0; s < seen; s++) {
      for (int i = 0; i < size; i++) {
        y[query + i] += weights[s] / sum * x.get(2)[keys + s * size + i];
      }
    }
  }

  static PlainOperation logProbabilities(int n, int vocabulary) {
    long[] ids = new long[n];
    for (int i = 0; i < n; i++) {
      ids[i] = i * 5L % vocabulary;
    }
    return new PlainOperation(
        "logProbabilities n=" + n + " V=" + vocabulary,
        List.of(new long[] {n, vocabulary}),
        x -> Operations.logProbabilities(x.get(0), org.bytedeco.pytorch.global.torch.tensor(ids)),
        x -> {
          double[] y = new double[n];
          for (int i = 0; i < n; i++) {
            double sum = 0;
            for (int j = 0; j < vocabulary; j++) {
              sum += Math.exp(x.get(0)[i * vocabulary + j]);
            }
            y[i] = x.get(0)[i * vocabulary + (int) ids[i]] - Math.log(sum);
          }
          return y;
        });
  }
}
