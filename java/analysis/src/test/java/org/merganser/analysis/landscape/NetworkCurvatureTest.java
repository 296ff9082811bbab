// SPDX-License-Identifier: Apache-2.0
package org.merganser.analysis.landscape;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.io.IOException;
import java.util.List;
import java.util.SplittableRandom;
import org.bytedeco.pytorch.BoolOptional;
import org.bytedeco.pytorch.LongOptional;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.merganser.analysis.landscape.NetworkCurvature.Products;
import org.merganser.compute.Workspace;
import org.merganser.error.ShapeException;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.torch.Examples;
import org.merganser.torch.TorchNetwork;
import org.merganser.torch.layers.Activation;
import org.merganser.torch.layers.BatchNorm;
import org.merganser.torch.layers.Convolution;
import org.merganser.torch.layers.Flatten;
import org.merganser.torch.layers.Linear;
import org.merganser.torch.layers.Sequential;

class NetworkCurvatureTest {
  /** Smooth ones first: with rectifiers differences see their kinks, derivatives do not. */
  private static final List<TorchNetwork> NETWORKS =
      List.of(
          TorchNetwork.mlp(6, 5, 2, 3, Activation.TANH),
          TorchNetwork.mlp(6, 8, 1, 3, Activation.GELU),
          TorchNetwork.of(
              Sequential.of(
                  Convolution.of("conv1", 1, 3, 3, 1, 1, true),
                  new BatchNorm("bn1", 3),
                  Activation.TANH,
                  Convolution.of("conv2", 3, 2, 3, 2, 1, true),
                  Activation.SIGMOID,
                  new Flatten(),
                  new Linear("fc", 18, 3)),
              1,
              6,
              6),
          Minima.mlp(),
          Minima.convolutional());

  private static double[] random(int n, long seed) {
    SplittableRandom random = new SplittableRandom(seed);
    double[] v = new double[n];
    for (int i = 0; i < n; i++) {
      v[i] = random.nextGaussian();
    }
    return v;
  }

  /** Softmax regression: {@code mean of (diag(p) - p p') kron x x'}, with 1 for the bias in x. */
  @Test
  void theHessianOfSoftmaxRegressionIsTheFormula() throws IOException {
    TorchNetwork network = TorchNetwork.mlp(6, 1, 0, 3, Activation.RELU);
    try (Workspace ws = Minima.workspace(2);
        Examples data = Minima.data(network, 1, 40);
        MemoryCheckpoint model = Minima.trained(network, data);
        NetworkCurvature curvature =
            new NetworkCurvature(network, model, data, Products.DOUBLE_BACKWARD, ws)) {
      double[] v = random(21, 3);
      double[] expected = product(ParamLayout.of(network).read(model, ws), data, v);
      assertThat(curvature.times(v)).containsExactly(expected, within(1e-12));
    }
  }

  private static double[] product(double[] theta, Examples data, double[] v) {
    double[] sum = new double[v.length];
    for (int s = 0; s < data.size(); s++) {
      double[] x = new double[6];
      for (int f = 0; f < 6; f++) {
        x[f] = data.inputs().get(6L * s + f);
      }
      double[] p = new double[3];
      double[] along = new double[3];
      double total = 0;
      for (int c = 0; c < 3; c++) {
        double logit = theta[18 + c];
        along[c] = v[18 + c];
        for (int f = 0; f < 6; f++) {
          logit += theta[6 * c + f] * x[f];
          along[c] += v[6 * c + f] * x[f];
        }
        p[c] = Math.exp(logit);
        total += p[c];
      }
      double mean = 0;
      for (int c = 0; c < 3; c++) {
        p[c] /= total;
        mean += p[c] * along[c];
      }
      for (int c = 0; c < 3; c++) {
        double part = p[c] * (along[c] - mean) / data.size();
        sum[18 + c] += part;
        for (int f = 0; f < 6; f++) {
          sum[6 * c + f] += part * x[f];
        }
      }
    }
    return sum;
  }

  @ParameterizedTest
  @ValueSource(ints = {0, 1, 2, 3, 4})
  void differencesOfGradientsAgree(int which) throws IOException {
    TorchNetwork network = NETWORKS.get(which);
    try (Workspace ws = Minima.workspace(1);
        Examples data = Minima.data(network, 1, 120);
        MemoryCheckpoint model = Minima.trained(network, data);
        NetworkCurvature exact = new NetworkCurvature(network, model, data, Products.AUTO, ws);
        NetworkCurvature close =
            new NetworkCurvature(network, model, data, Products.DIFFERENCES, ws)) {
      double[] gradient = close.gradient();
      double[] v = random(exact.size(), 1);
      double[] w = random(exact.size(), 2);
      double[] hv = exact.times(v);
      double[] difference = close.times(v);
      assertThat(exact.products()).isEqualTo(Products.DOUBLE_BACKWARD);
      double length = Vectors.length(hv);
      assertThat(length).isGreaterThan(1e-3);
      if (which < 3) {
        assertThat(Vectors.length(Vectors.moved(hv, -1, difference, 0, hv)))
            .isLessThan(1e-4 * length);
      }
      assertThat(Vectors.dot(w, hv))
          .isCloseTo(Vectors.dot(v, exact.times(w)), within(1e-10 * length * Vectors.length(w)));
      // The parameters are where they were.
      assertThat(close.gradient()).isEqualTo(gradient);
      assertThat(close.times(new double[close.size()])).containsOnly(0);
    }
  }

  /** All layers that there are have second derivatives; cdist has none in libtorch. */
  @Test
  void withoutSecondDerivativesDifferencesAreTaken() throws IOException {
    TorchNetwork network = NETWORKS.get(0);
    NetworkCurvature.Second none =
        (loss, leaves, v) -> {
          Tensor w = leaves.get(0);
          Tensor apart = torch.cdist(w, w.mul(new Scalar(2.0)), 1.0, new LongOptional()).sum();
          TensorVector first = gradient(apart, leaves, true);
          return gradient(first.get(0).sum(), leaves, false);
        };
    try (Workspace ws = Minima.workspace(1);
        Examples data = Minima.data(network, 1, 120);
        MemoryCheckpoint model = Minima.trained(network, data);
        NetworkCurvature auto =
            new NetworkCurvature(network, model, data, Products.AUTO, none, ws);
        NetworkCurvature exact =
            new NetworkCurvature(network, model, data, Products.DOUBLE_BACKWARD, none, ws);
        NetworkCurvature close =
            new NetworkCurvature(network, model, data, Products.DIFFERENCES, ws)) {
      double[] v = random(auto.size(), 1);
      assertThat(auto.products()).isEqualTo(Products.AUTO);
      assertThat(auto.reason()).isEmpty();
      assertThat(auto.times(v)).isEqualTo(close.times(v));
      assertThat(auto.products()).isEqualTo(Products.DIFFERENCES);
      assertThat(auto.reason()).contains("cdist_backward").contains("not implemented");
      assertThat(close.reason()).isEmpty();
      assertThatThrownBy(() -> exact.times(v)).hasMessageContaining("not implemented");
    }
  }

  private static TensorVector gradient(Tensor of, TensorVector leaves, boolean graph) {
    return torch.grad(
        new TensorVector(of), leaves, new TensorVector(), new BoolOptional(graph), graph, true);
  }

  /** The slope of the loss along the gradient is its square. */
  @Test
  void theGradientIsThatOfTheLoss() throws IOException {
    TorchNetwork network = Minima.convolutional();
    try (Workspace ws = Minima.workspace(1);
        Examples data = Minima.data(network, 1, 120);
        MemoryCheckpoint model = network.initialise(1);
        NetworkCurvature curvature =
            new NetworkCurvature(network, model, data, Products.AUTO, ws)) {
      double[] g = curvature.gradient();
      double[] theta = ParamLayout.of(network).read(model, ws);
      NetworkLoss loss = new NetworkLoss(network, model, data);
      double h = 1e-3 / Vectors.length(g);
      double slope =
          (loss.at(Vectors.moved(theta, h, g, 0, g), ws)
                  - loss.at(Vectors.moved(theta, -h, g, 0, g), ws))
              / (2 * h);
      double square = Vectors.dot(g, g);
      assertThat(slope).isCloseTo(square, within(0.01 * square));
    }
  }

  @Test
  void productsDoNotDependOnThreads() throws IOException {
    TorchNetwork network = Minima.convolutional();
    try (Workspace one = Minima.workspace(1);
        Workspace two = Minima.workspace(2);
        Workspace eight = Minima.workspace(8);
        Examples data = Minima.data(network, 1, 450);
        MemoryCheckpoint model = network.initialise(1);
        NetworkCurvature alone = new NetworkCurvature(network, model, data, Products.AUTO, one);
        NetworkCurvature pair = new NetworkCurvature(network, model, data, Products.AUTO, two);
        NetworkCurvature many = new NetworkCurvature(network, model, data, Products.AUTO, eight)) {
      double[] v = random(alone.size(), 1);
      assertThat(pair.times(v)).isEqualTo(alone.times(v));
      assertThat(many.times(v)).isEqualTo(alone.times(v));
      assertThat(many.gradient()).isEqualTo(alone.gradient());
      Hessian.Top top = Hessian.top(alone, 2, new Hessian.Options(30, 10, 1e-3), one);
      double[] product = alone.times(top.vectors()[0]);
      assertThat(Vectors.dot(top.vectors()[0], product))
          .isCloseTo(top.values()[0], within(1e-6 * top.values()[0]));
      assertThat(top.values()[0]).isPositive();
      assertThatThrownBy(() -> alone.times(new double[3]))
          .isInstanceOf(ShapeException.class)
          .hasMessageContaining("the vector has 3 numbers");
    }
  }
}
