// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch.experts;

import java.io.IOException;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.merganser.io.Checkpoint;
import org.merganser.linalg.Tensor;
import org.merganser.lora.MoeModel;

/** The networks of {@link MoeNetworkTest} with experts, in plain Java and in double. */
final class PlainExperts {
  private static final int CHANNELS = 2;
  private static final int HEIGHT = 6;
  private static final int WIDTH = 5;
  private static final int KERNEL = 3;
  private static final int SIDE = 3;

  private final MoeModel experts;
  private final Map<String, double[]> tensors = new HashMap<>();

  PlainExperts(Checkpoint base, MoeModel experts) throws IOException {
    this.experts = experts;
    for (Checkpoint each : List.of(base, experts.tensors())) {
      for (String name : each.tensors().keySet()) {
        try (Tensor tensor = each.read(name, MoeNetworkTest.WS)) {
          tensors.put(name, tensor.toDoubleArray());
        }
      }
    }
  }

  double[] mlp(Tensor inputs) {
    double[] x = inputs.toDoubleArray();
    int samples = (int) inputs.dim(0);
    double[] outputs = new double[samples * 4];
    for (int s = 0; s < samples; s++) {
      double[] own = java.util.Arrays.copyOfRange(x, s * 5, (s + 1) * 5);
      double[] y = layer("fc2", relu(layer("fc1", own)));
      System.arraycopy(y, 0, outputs, s * 4, 4);
    }
    return outputs;
  }

  double[] cnn(Tensor inputs) {
    double[] x = inputs.toDoubleArray();
    int samples = (int) inputs.dim(0);
    double[] outputs = new double[samples * 4];
    for (int s = 0; s < samples; s++) {
      System.arraycopy(layer("fc", relu(convolved(x, s))), 0, outputs, s * 4, 4);
    }
    return outputs;
  }

  private double[] convolved(double[] x, int sample) {
    double[] images = new double[27];
    for (int p = 0; p < SIDE * SIDE; p++) {
      double[] y = layer("conv", patch(x, sample, p));
      for (int o = 0; o < y.length; o++) {
        images[o * SIDE * SIDE + p] = y[o];
      }
    }
    return images;
  }

  /** Stride 2, one row and column of zeros around. */
  private static double[] patch(double[] x, int sample, int position) {
    double[] patch = new double[CHANNELS * KERNEL * KERNEL];
    for (int c = 0; c < CHANNELS; c++) {
      for (int i = 0; i < KERNEL; i++) {
        for (int j = 0; j < KERNEL; j++) {
          int row = 2 * (position / SIDE) + i - 1;
          int column = 2 * (position % SIDE) + j - 1;
          boolean inside = row >= 0 && row < HEIGHT && column >= 0 && column < WIDTH;
          patch[(c * KERNEL + i) * KERNEL + j] =
              inside ? x[((sample * CHANNELS + c) * HEIGHT + row) * WIDTH + column] : 0;
        }
      }
    }
    return patch;
  }

  /** Of the first layer, or of the other one without experts. */
  double[] meanInput(Tensor inputs, boolean first, boolean images) {
    double[] x = inputs.toDoubleArray();
    int samples = (int) inputs.dim(0);
    double[] sum = null;
    int count = 0;
    for (int s = 0; s < samples; s++) {
      for (int p = 0; p < (images ? SIDE * SIDE : 1); p++) {
        double[] own =
            images ? patch(x, s, p) : java.util.Arrays.copyOfRange(x, s * 5, (s + 1) * 5);
        if (!first) {
          own = images ? null : relu(weighted("fc1", own));
        }
        if (own == null) {
          own = p > 0 ? null : relu(plainConvolved(x, s));
        }
        if (own != null) {
          sum = sum == null ? new double[own.length] : sum;
          for (int i = 0; i < own.length; i++) {
            sum[i] += own[i];
          }
          count++;
        }
      }
    }
    for (int i = 0; i < sum.length; i++) {
      sum[i] /= count;
    }
    return sum;
  }

  private double[] plainConvolved(double[] x, int sample) {
    double[] images = new double[27];
    for (int p = 0; p < SIDE * SIDE; p++) {
      double[] y = weighted("conv", patch(x, sample, p));
      for (int o = 0; o < y.length; o++) {
        images[o * SIDE * SIDE + p] = y[o];
      }
    }
    return images;
  }

  private double[] weighted(String name, double[] x) {
    boolean attention = tensors.containsKey(name + ".in_proj_weight");
    String prefix = attention ? ".in_proj_" : ".";
    double[] y = tensors.get(name + prefix + "bias").clone();
    for (int o = 0; o < y.length; o++) {
      y[o] += dot(tensors.get(name + prefix + "weight"), o * x.length, x);
    }
    return y;
  }

  double[] values(String name) {
    return tensors.get(name);
  }

  /** Of one sample, position or token. */
  double[] layer(String name, double... x) {
    double[] y = weighted(name, x);
    MoeModel.Layer layer = experts.layers().get(name);
    int count = experts.description().experts().size();
    int rank = (int) layer.rank();
    double[] logits = new double[count];
    for (int e = 0; e < count; e++) {
      double product = dot(tensors.get(layer.gate()), e * x.length, x);
      logits[e] =
          (experts.description().router().isAbsolute() ? Math.abs(product) : product)
              / layer.temperature(experts.description());
    }
    List<Integer> chosen =
        IntStream.range(0, count)
            .boxed()
            .sorted(Comparator.comparingDouble((Integer e) -> -logits[e]))
            .limit(experts.description().topK())
            .toList();
    double norm = chosen.stream().mapToDouble(e -> Math.exp(logits[e])).sum();
    for (int e : chosen) {
      double weight = Math.exp(logits[e]) / norm * tensors.get(layer.scale())[e];
      for (int k = 0; k < rank; k++) {
        double inner = dot(tensors.get(layer.a()), (e * rank + k) * x.length, x);
        for (int o = 0; o < y.length; o++) {
          y[o] += weight * inner * tensors.get(layer.b())[(e * y.length + o) * rank + k];
        }
      }
    }
    return y;
  }

  private static double dot(double[] values, int from, double... x) {
    double sum = 0;
    for (int i = 0; i < x.length; i++) {
      sum += values[from + i] * x[i];
    }
    return sum;
  }

  private static double[] relu(double... x) {
    return java.util.Arrays.stream(x).map(v -> Math.max(0, v)).toArray();
  }
}
