// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch.layers;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.io.IOException;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.merganser.compute.Workspace;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.linalg.Tensor;
import org.merganser.model.FeatureSpace;
import org.merganser.model.Mode;
import org.merganser.model.Network;
import org.merganser.torch.Oracle;
import org.merganser.torch.TorchNetwork;
import org.merganser.torch.internal.Bridge;
import org.merganser.torch.internal.Libtorch;
import org.merganser.torch.networks.Norm;
import org.merganser.torch.networks.Vgg;

/** VGG11 with numbers of channels that fill no block of oneDNN, against loops in double. */
class OddWidthsTest {
  private static final int[] WIDTHS = {1, 0, 2, 0, 4, 4, 0, 8, 8, 0, 8, 8, 0};
  private static final int SAMPLES = 2;

  private static void assertClose(String what, double[] found, double[] wanted, double tolerance) {
    double largest = Arrays.stream(wanted).map(Math::abs).max().orElse(0);
    double worst = 0;
    assertThat(found).as(what).hasSameSizeAs(wanted);
    for (int i = 0; i < wanted.length; i++) {
      worst = Math.max(worst, Math.abs(found[i] - wanted[i]));
      assertThat(found[i]).as(what).isFinite();
    }
    assertThat(worst).as(what).isLessThanOrEqualTo(tolerance * largest);
  }

  @ParameterizedTest
  @ValueSource(ints = {13, 20, 26})
  void tapsAndOutputsAreRight(int base) throws IOException {
    TorchNetwork network = Vgg.of(11, base / 64.0, Norm.NONE, 5, 3, 32, 32);
    try (Workspace ws = Workspace.builder().threads(1).open();
        MemoryCheckpoint theta = Oracle.lively(network, base);
        Tensor inputs = Oracle.normal(3, SAMPLES, 3, 32, 32);
        Network.Session session = network.open(theta, ws)) {
      Map<String, double[]> wanted = plain(theta, inputs, base);
      Set<String> taps = new TreeSet<>();
      network.architecture().spaces().stream().map(FeatureSpace::id).forEach(taps::add);
      taps.add(Network.OUTPUT);
      assertThat(taps).isEqualTo(wanted.keySet());
      Map<String, double[]> found = new LinkedHashMap<>();
      session.run(inputs, Mode.EVAL, taps, (tap, t) -> found.put(tap, t.toDoubleArray()));
      wanted.forEach((tap, values) -> assertClose(tap, found.get(tap), values, 1e-5));
    }
  }

  /** Every space after its ReLU, and the output. */
  private static Map<String, double[]> plain(MemoryCheckpoint theta, Tensor inputs, int base) {
    Map<String, double[]> values = new TreeMap<>();
    double[] x = inputs.toDoubleArray();
    int in = 3;
    int size = 32;
    int index = 0;
    for (int width : WIDTHS) {
      if (width == 0) {
        x = pooled(x, size);
        size /= 2;
        index++;
        continue;
      }
      String name = "features." + index;
      PlainConvolution c = new PlainConvolution(SAMPLES, in, width * base, size, size, 3, 1, 1, 1);
      x =
          c.forward(
              x,
              theta.tensor(name + ".weight").toDoubleArray(),
              theta.tensor(name + ".bias").toDoubleArray());
      x = Arrays.stream(x).map(v -> Math.max(0, v)).toArray();
      values.put(name, x);
      in = width * base;
      index += 2;
    }
    double[][] rows = new double[SAMPLES][];
    for (int s = 0; s < SAMPLES; s++) {
      rows[s] = Arrays.copyOfRange(x, s * in, (s + 1) * in);
    }
    double[][] logits =
        Oracle.linear(
            rows,
            theta.tensor("classifier.weight").toDoubleArray(),
            theta.tensor("classifier.bias").toDoubleArray());
    values.put(Network.OUTPUT, Oracle.flat(logits));
    return values;
  }

  /** The largest of 2 x 2. */
  private static double[] pooled(double[] x, int size) {
    int half = size / 2;
    double[] y = new double[x.length / 4];
    for (int i = 0; i < y.length; i++) {
      int from = i / (half * half) * size * size + i / half % half * 2 * size + i % half * 2;
      double first = Math.max(x[from], x[from + 1]);
      y[i] = Math.max(first, Math.max(x[from + size], x[from + size + 1]));
    }
    return y;
  }

  /** In double, libtorch uses no oneDNN. */
  @ParameterizedTest
  @ValueSource(ints = {13, 20, 26})
  void gradientsAreRight(int base) throws IOException {
    TorchNetwork network = Vgg.of(11, base / 64.0, Norm.NONE, 5, 3, 32, 32);
    try (MemoryCheckpoint theta = Oracle.lively(network, base);
        Tensor inputs = Oracle.normal(4, 4, 3, 32, 32);
        Tensor weights = Oracle.normal(5, 4, 5)) {
      Map<String, double[]> found = gradients(network, theta, inputs, weights, ScalarType.Float);
      Map<String, double[]> wanted = gradients(network, theta, inputs, weights, ScalarType.Double);
      assertThat(found.keySet()).isEqualTo(network.parameters().keySet());
      wanted.forEach((name, values) -> assertClose(name, found.get(name), values, 1e-4));
    }
  }

  /** Of the weighted sum of the outputs. */
  @SuppressWarnings("try")
  private static Map<String, double[]> gradients(
      TorchNetwork network, MemoryCheckpoint theta, Tensor inputs, Tensor weights, ScalarType type)
      throws IOException {
    Map<String, double[]> gradients = new LinkedHashMap<>();
    Libtorch.call(
        1,
        () -> {
          try (PointerScope scope = new PointerScope()) {
            Map<String, org.bytedeco.pytorch.Tensor> parameters = new LinkedHashMap<>();
            for (String name : network.parameters().keySet()) {
              parameters.put(
                  name, Bridge.share(theta.tensor(name)).to(type).clone().requires_grad_(true));
            }
            org.bytedeco.pytorch.Tensor x = Bridge.share(inputs).to(type);
            network
                .graph()
                .forward(x, parameters, Mode.TRAIN, false)
                .mul(Bridge.share(weights).to(type))
                .sum()
                .backward();
            parameters.forEach(
                (name, p) -> gradients.put(name, Bridge.view(p.grad()).toDoubleArray()));
          }
          return null;
        });
    return gradients;
  }

  /** Values and gradients of {@code sum(y * gradient)}. */
  @Test
  @SuppressWarnings("try")
  void linearLayersOfEveryWidthAreRight() throws IOException {
    Libtorch.call(
        1,
        () -> {
          for (int in = 1; in <= 80; in++) {
            for (int out : new int[] {1, 10, 16, 17, 81 - in}) {
              try (PointerScope scope = new PointerScope()) {
                checkLinear(1 + in % 5, in, out);
              }
            }
          }
          return null;
        });
  }

  private static void checkLinear(int samples, int in, int out) {
    long seed = in * 100L + out;
    org.bytedeco.pytorch.Tensor x = normal(seed, samples, in).requires_grad_(true);
    org.bytedeco.pytorch.Tensor w = normal(-seed, out, in).requires_grad_(true);
    org.bytedeco.pytorch.Tensor b = normal(seed + 10_000, out).requires_grad_(true);
    org.bytedeco.pytorch.Tensor g = normal(-seed - 10_000, samples, out);
    org.bytedeco.pytorch.Tensor y =
        Graph.of(new Linear("fc", in, out), in)
            .forward(x, Map.of("fc.weight", w, "fc.bias", b), Mode.EVAL, false);
    y.mul(g).sum().backward();
    double[][] inputs = rows(x);
    double[][] weight = rows(w);
    double[][] gradient = rows(g);
    String what = samples + " x " + in + " to " + out;
    assertSums(what, rows(y), inputs, weight, rows(b.reshape(1, out))[0]);
    assertSums(what, rows(x.grad()), gradient, transposed(weight), new double[in]);
    assertSums(what, rows(w.grad()), transposed(gradient), transposed(inputs), new double[in]);
  }

  /** {@code x W^T + b} within 1e-6 of the sum of its absolute terms: sums that cancel are fair. */
  private static void assertSums(
      String what, double[][] found, double[][] x, double[][] weight, double[] bias) {
    double[] wanted = Oracle.flat(Oracle.linear(x, Oracle.flat(weight), bias));
    double[] terms =
        Oracle.flat(Oracle.linear(absolute(x), Oracle.flat(absolute(weight)), absolute(bias)));
    double[] values = Oracle.flat(found);
    assertThat(values).as(what).hasSameSizeAs(wanted);
    for (int i = 0; i < wanted.length; i++) {
      assertThat(values[i]).as(what).isCloseTo(wanted[i], within(1e-6 * terms[i]));
    }
  }

  private static double[][] absolute(double[][] rows) {
    return Arrays.stream(rows).map(OddWidthsTest::absolute).toArray(double[][]::new);
  }

  private static double[] absolute(double[] values) {
    return Arrays.stream(values).map(Math::abs).toArray();
  }

  private static org.bytedeco.pytorch.Tensor normal(long seed, long... shape) {
    try (Tensor values = Oracle.normal(seed, shape)) {
      return Bridge.share(values).clone();
    }
  }

  private static double[][] rows(org.bytedeco.pytorch.Tensor tensor) {
    return Oracle.rows(Bridge.view(tensor.detach().contiguous()));
  }

  private static double[][] transposed(double[][] rows) {
    double[][] columns = new double[rows[0].length][rows.length];
    for (int r = 0; r < rows.length; r++) {
      for (int c = 0; c < columns.length; c++) {
        columns[c][r] = rows[r][c];
      }
    }
    return columns;
  }
}
