// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch.internal.session;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.IntStream;
import org.bytedeco.pytorch.global.torch;
import org.junit.jupiter.api.Test;
import org.merganser.compute.Device;
import org.merganser.compute.Workspace;
import org.merganser.internal.Opened;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.linalg.Tensor;
import org.merganser.torch.Augmentation;
import org.merganser.torch.Examples;
import org.merganser.torch.Oracle;
import org.merganser.torch.TorchNetwork;
import org.merganser.torch.internal.Bridge;
import org.merganser.torch.layers.Activation;
import org.merganser.torch.networks.Norm;
import org.merganser.torch.networks.Vgg;

class TapLossTest {
  private static final int SAMPLES = 12;

  /** Squares of the first layer and multiples of the second, with their gradients. */
  private static final class Added implements TapLoss {
    @Override
    public Set<String> taps() {
      return Set.of("fc1", "fc2");
    }

    @Override
    public org.bytedeco.pytorch.Tensor ofOutputs(
        org.bytedeco.pytorch.Tensor x,
        org.bytedeco.pytorch.Tensor outputs,
        org.bytedeco.pytorch.Tensor labels) {
      return torch.cross_entropy_loss(outputs, labels);
    }

    static double value(double[] first, double[] second) {
      double value = 0;
      for (int i = 0; i < first.length; i++) {
        value += first[i] * first[i] / 2 + multiple(i) * second[i];
      }
      return value;
    }

    static double multiple(int i) {
      return Math.sin(i);
    }

    @Override
    public Upstream ofActivations(Map<String, Tensor> activations) {
      double[] first = activations.get("fc1").toDoubleArray();
      double[] second = activations.get("fc2").toDoubleArray();
      float[] multiples = new float[second.length];
      IntStream.range(0, multiples.length).forEach(i -> multiples[i] = (float) multiple(i));
      // One F64 and in its own shape, the other F32 and flat.
      return new Upstream(
          value(first, second),
          Map.of(
              "fc1",
              Tensor.of(first, activations.get("fc1").shape()),
              "fc2",
              Tensor.of(multiples, multiples.length)));
    }
  }

  private static TorchSession session(
      TorchNetwork network, Map<String, Tensor> theta, Examples data, Workspace ws)
      throws IOException {
    TorchSession.Setup setup =
        new TorchSession.Setup(network, SAMPLES, 1, torch::cross_entropy_loss, Augmentation.NONE);
    return new TorchSession(
        setup,
        theta,
        Samples.all(data),
        new Samples(data),
        Learned.all(network, Learned.Statistics.FOLLOWED),
        ws);
  }

  private static List<double[]> gradients(TorchSession session) {
    List<double[]> all = new ArrayList<>();
    for (org.bytedeco.pytorch.Tensor leaf : session.leaves()) {
      try (org.bytedeco.pytorch.Tensor gradient = leaf.grad();
          Tensor view = Bridge.view(gradient)) {
        all.add(view.toDoubleArray());
      }
    }
    return all;
  }

  /** Loss in plain Java and double. */
  private static double loss(MemoryCheckpoint theta, Examples data, Workspace ws)
      throws IOException {
    double[][] x = Oracle.rows(data.inputs());
    double[][] first = Oracle.apply(Activation.TANH, Oracle.layer(theta, "fc1", x, ws));
    double[][] second = Oracle.apply(Activation.TANH, Oracle.layer(theta, "fc2", first, ws));
    double[][] logits = Oracle.layer(theta, "fc3", second, ws);
    double loss = 0;
    for (int s = 0; s < x.length; s++) {
      loss -= Math.log(Oracle.softmax(logits[s])[data.label(s)]) / x.length;
    }
    return loss + Added.value(Oracle.flat(first), Oracle.flat(second));
  }

  @Test
  void gradientsAtActivationsAreAddedToThoseOfTheOutputs() throws IOException {
    TorchNetwork network = TorchNetwork.mlp(4, 5, 2, 3, Activation.TANH);
    try (Workspace ws = Workspace.builder().threads(1).open();
        Examples all = Oracle.clusters(3, SAMPLES, 4, 3);
        // In the order of the batch, which multiples of single activations depend on.
        Examples data = all.select(new BatchOrder(SAMPLES, SAMPLES, ws.seed()).batch(0));
        MemoryCheckpoint initial = network.initialise(2);
        Opened opened = new Opened()) {
      Map<String, Tensor> theta = network.load(initial, Device.HOST, ws);
      theta.values().forEach(opened::add);
      double found;
      List<double[]> gradients;
      try (TorchSession session = session(network, theta, all, ws)) {
        found = session.backward(0, new Added());
        gradients = gradients(session);
      }
      assertThat(found).isCloseTo(loss(initial, data, ws), within(1e-5));
      List<String> names = List.copyOf(network.learned());
      Map<String, Tensor> wide = new LinkedHashMap<>();
      for (String name : names) {
        Tensor values = initial.tensor(name);
        wide.put(name, opened.add(Tensor.of(values.toDoubleArray(), values.shape())));
      }
      MemoryCheckpoint moved = MemoryCheckpoint.of(wide);
      double step = 1e-5;
      for (int t = 0; t < names.size(); t++) {
        Tensor tensor = wide.get(names.get(t));
        for (int i = 0; i < tensor.size(); i++) {
          double at = tensor.get(i);
          tensor.set(i, at + step);
          double above = loss(moved, data, ws);
          tensor.set(i, at - step);
          double below = loss(moved, data, ws);
          tensor.set(i, at);
          assertThat(gradients.get(t)[i])
              .as("%s[%d]", names.get(t), i)
              .isCloseTo((above - below) / (2 * step), within(1e-4));
        }
      }
    }
  }

  /** Adds nothing. */
  private record Plain(Set<String> taps) implements TapLoss {
    @Override
    public org.bytedeco.pytorch.Tensor ofOutputs(
        org.bytedeco.pytorch.Tensor x,
        org.bytedeco.pytorch.Tensor outputs,
        org.bytedeco.pytorch.Tensor labels) {
      return torch.cross_entropy_loss(outputs, labels);
    }

    @Override
    public Upstream ofActivations(Map<String, Tensor> activations) {
      assertThat(activations).containsOnlyKeys(taps);
      return new Upstream(0, Map.of());
    }
  }

  @Test
  void aTappedPassIsThePassItTaps() throws IOException {
    TorchNetwork network = Vgg.of(11, 0.0625, Norm.BATCH, 4, 3, 32, 32);
    try (Workspace ws = Workspace.builder().threads(1).open();
        Examples data =
            new Examples(
                Oracle.normal(1, SAMPLES, 3, 32, 32),
                IntStream.range(0, SAMPLES).map(i -> i % 4).toArray(),
                4);
        MemoryCheckpoint initial = network.initialise(2);
        Opened opened = new Opened()) {
      List<Map<String, Tensor>> thetas = new ArrayList<>();
      List<List<double[]>> gradients = new ArrayList<>();
      List<Double> losses = new ArrayList<>();
      String first = network.architecture().spaces().iterator().next().id();
      for (boolean tapped : new boolean[] {false, true}) {
        Map<String, Tensor> theta = network.load(initial, Device.HOST, ws);
        theta.values().forEach(opened::add);
        try (TorchSession session = session(network, theta, data, ws)) {
          losses.add(tapped ? session.backward(0, new Plain(Set.of(first))) : session.backward(0));
          gradients.add(gradients(session));
        }
        thetas.add(theta);
      }
      assertThat(losses.get(1)).isEqualTo(losses.get(0));
      for (int t = 0; t < gradients.get(0).size(); t++) {
        assertThat(gradients.get(1).get(t)).isEqualTo(gradients.get(0).get(t));
      }
      thetas
          .get(0)
          .forEach(
              (name, tensor) ->
                  assertThat(thetas.get(1).get(name).sameBytes(tensor)).as(name).isTrue());
      // Running statistics have followed the batch.
      String variance = network.batchNorms().get(0).variance();
      assertThat(thetas.get(1).get(variance).sameBytes(initial.tensor(variance))).isFalse();
    }
  }
}
