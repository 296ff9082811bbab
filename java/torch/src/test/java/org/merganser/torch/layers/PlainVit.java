// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch.layers;

import java.util.Map;
import org.merganser.torch.Oracle;

/**
 * The forward pass of a vision transformer as loops in double, by the names of its parameters.
 *
 * @param theta values by name, in libtorch's order
 */
record PlainVit(
    Map<String, double[]> theta,
    int channels,
    int side,
    int patch,
    int width,
    int depth,
    int heads,
    boolean classToken) {
  private static final double EPSILON = 1e-6;

  /** Logits of an image [channels x side x side]. */
  double[] logits(double[] image) {
    double[][] x = embedded(image);
    for (int block = 0; block < depth; block++) {
      String name = "encoder.layers.encoder_layer_" + block;
      String attention = name + ".self_attention";
      add(x, linear(attention + ".out_proj", attended(attention, normal(name + ".ln_1", x))));
      double[][] wide = linear(name + ".mlp.0", normal(name + ".ln_2", x));
      add(x, linear(name + ".mlp.3", Oracle.apply(Activation.GELU, wide)));
    }
    double[][] last = normal("encoder.ln", x);
    double[] read = last[0];
    if (!classToken) {
      read = new double[width];
      for (double[] token : last) {
        for (int f = 0; f < width; f++) {
          read[f] += token[f] / last.length;
        }
      }
    }
    return linear("heads.head", new double[][] {read})[0];
  }

  private double[][] embedded(double[] image) {
    int across = side / patch;
    double[] weight = theta.get("conv_proj.weight");
    double[] position = theta.get("encoder.pos_embedding");
    int first = classToken ? 1 : 0;
    double[][] x = new double[across * across + first][width];
    for (int t = 0; t < x.length; t++) {
      for (int f = 0; f < width; f++) {
        double sum = t < first ? theta.get("class_token")[f] : theta.get("conv_proj.bias")[f];
        for (int k = 0; t >= first && k < channels * patch * patch; k++) {
          int channel = k / (patch * patch);
          int row = (t - first) / across * patch + k / patch % patch;
          int column = (t - first) % across * patch + k % patch;
          sum +=
              weight[f * channels * patch * patch + k]
                  * image[(channel * side + row) * side + column];
        }
        x[t][f] = sum + position[t * width + f];
      }
    }
    return x;
  }

  private double[][] attended(String name, double[][] x) {
    int entries = width / heads;
    double[][] all =
        Oracle.linear(x, theta.get(name + ".in_proj_weight"), theta.get(name + ".in_proj_bias"));
    double[][] y = new double[x.length][width];
    for (int h = 0; h < heads; h++) {
      for (int t = 0; t < x.length; t++) {
        double[] scores = new double[x.length];
        for (int s = 0; s < x.length; s++) {
          for (int e = h * entries; e < (h + 1) * entries; e++) {
            scores[s] += all[t][e] * all[s][width + e] / Math.sqrt(entries);
          }
        }
        double[] weights = Oracle.softmax(scores);
        for (int s = 0; s < x.length; s++) {
          for (int e = h * entries; e < (h + 1) * entries; e++) {
            y[t][e] += weights[s] * all[s][2 * width + e];
          }
        }
      }
    }
    return y;
  }

  private double[][] linear(String name, double[][] x) {
    return Oracle.linear(x, theta.get(name + ".weight"), theta.get(name + ".bias"));
  }

  private double[][] normal(String name, double[][] x) {
    double[][] y = new double[x.length][width];
    for (int t = 0; t < x.length; t++) {
      double mean = 0;
      double square = 0;
      for (double value : x[t]) {
        mean += value / width;
      }
      for (double value : x[t]) {
        square += (value - mean) * (value - mean) / width;
      }
      for (int f = 0; f < width; f++) {
        y[t][f] =
            (x[t][f] - mean) / Math.sqrt(square + EPSILON) * theta.get(name + ".weight")[f]
                + theta.get(name + ".bias")[f];
      }
    }
    return y;
  }

  private static void add(double[][] x, double[][] change) {
    for (int t = 0; t < x.length; t++) {
      for (int f = 0; f < x[t].length; f++) {
        x[t][f] += change[t][f];
      }
    }
  }
}
