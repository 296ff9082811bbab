// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch.layers;

/**
 * Convolutions and their gradients as loops in double. All arrays are dense, in libtorch's order.
 */
record PlainConvolution(
    int samples,
    int in,
    int out,
    int height,
    int width,
    int kernel,
    int stride,
    int padding,
    int groups) {
  int outHeight() {
    return (height + 2 * padding - kernel) / stride + 1;
  }

  int outWidth() {
    return (width + 2 * padding - kernel) / stride + 1;
  }

  /** What every product of a weight and an input goes to. */
  private interface Term {
    void at(int y, int weight, int x);
  }

  double[] forward(double[] x, double[] weight, double[] bias) {
    double[] y = new double[samples * out * outHeight() * outWidth()];
    for (int i = 0; i < y.length; i++) {
      y[i] = bias[i / (outHeight() * outWidth()) % out];
    }
    terms((at, w, from) -> y[at] += weight[w] * x[from]);
    return y;
  }

  double[] inputGradient(double[] gradient, double[] weight) {
    double[] gx = new double[samples * in * height * width];
    terms((at, w, from) -> gx[from] += weight[w] * gradient[at]);
    return gx;
  }

  double[] weightGradient(double[] gradient, double[] x) {
    double[] gw = new double[out * (in / groups) * kernel * kernel];
    terms((at, w, from) -> gw[w] += gradient[at] * x[from]);
    return gw;
  }

  private void terms(Term term) {
    int group = in / groups;
    for (int s = 0; s < samples; s++) {
      for (int o = 0; o < out; o++) {
        int first = o / (out / groups) * group;
        for (int i = 0; i < group; i++) {
          for (int k = 0; k < kernel * kernel; k++) {
            int weight = (o * group + i) * kernel * kernel + k;
            plane(term, s * out + o, weight, s * in + first + i, k / kernel, k % kernel);
          }
        }
      }
    }
  }

  private void plane(Term term, int to, int weight, int from, int down, int right) {
    for (int r = 0; r < outHeight(); r++) {
      int row = r * stride + down - padding;
      for (int c = 0; row >= 0 && row < height && c < outWidth(); c++) {
        int column = c * stride + right - padding;
        if (column >= 0 && column < width) {
          term.at(
              (to * outHeight() + r) * outWidth() + c,
              weight,
              (from * height + row) * width + column);
        }
      }
    }
  }
}
