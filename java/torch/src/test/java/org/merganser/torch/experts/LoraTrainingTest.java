// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch.experts;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;
import static org.merganser.torch.experts.ExpertTrainingTest.CONVOLUTIONAL;
import static org.merganser.torch.experts.ExpertTrainingTest.MLP;
import static org.merganser.torch.experts.ExpertTrainingTest.images;

import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.bytedeco.pytorch.global.torch;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.merganser.compute.Device;
import org.merganser.compute.Workspace;
import org.merganser.error.IncompatibleModelsException;
import org.merganser.internal.Opened;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.linalg.Tensor;
import org.merganser.lora.LoraAdapter;
import org.merganser.lora.LoraLayer;
import org.merganser.model.AffineLayer;
import org.merganser.model.Evaluation;
import org.merganser.torch.Augmentation;
import org.merganser.torch.Examples;
import org.merganser.torch.Oracle;
import org.merganser.torch.TorchNetwork;
import org.merganser.torch.experts.ExpertTraining.Task;
import org.merganser.torch.experts.ExpertTraining.Trained;
import org.merganser.torch.internal.Bridge;
import org.merganser.torch.internal.session.BatchOrder;
import org.merganser.torch.internal.session.Learned;
import org.merganser.torch.internal.session.Samples;
import org.merganser.torch.internal.session.TorchSession;
import org.merganser.torch.layers.Activation;
import org.merganser.torch.layers.Tokens;
import org.merganser.torch.networks.Vit;

class LoraTrainingTest {
  private static final int SAMPLES = 20;
  private static final TorchNetwork VIT = Vit.of(7, 12, 2, 3, Tokens.Pool.FIRST, 3, 2, 7, 7);

  @TempDir Path folder;

  /** Gradients of one batch of all samples at what is learned, by name. */
  private static Map<String, double[]> gradients(
      TorchNetwork network, Learned learned, Map<String, Tensor> theta, Examples data, Workspace ws)
      throws IOException {
    TorchSession.Setup setup =
        new TorchSession.Setup(network, SAMPLES, 1, torch::cross_entropy_loss, Augmentation.NONE);
    Map<String, double[]> all = new LinkedHashMap<>();
    try (TorchSession session =
        new TorchSession(setup, theta, Samples.all(data), new Samples(data), learned, ws)) {
      session.backward(0);
      List<String> names = List.copyOf(learned.leaves());
      for (int i = 0; i < names.size(); i++) {
        try (org.bytedeco.pytorch.Tensor gradient = session.leaves().get(i).grad();
            org.bytedeco.pytorch.Tensor dense = gradient.contiguous();
            Tensor view = Bridge.view(dense)) {
          all.put(names.get(i), view.toDoubleArray());
        }
      }
    }
    return all;
  }

  private static Factors factors(TorchNetwork network, int rank, double scale) {
    return new Factors(network, network.adaptable(), rank, scale);
  }

  /** Parameters of a network with random factors, all of them open until closed. */
  private static Map<String, Tensor> theta(
      TorchNetwork network, Factors factors, Opened opened, Workspace ws) throws IOException {
    Map<String, Tensor> theta;
    try (MemoryCheckpoint base = Oracle.lively(network, 1)) {
      theta = network.load(base, Device.HOST, ws);
    }
    long seed = 5;
    for (Map.Entry<String, Tensor> each : factors.initialise(3).entrySet()) {
      each.getValue().close();
      theta.put(each.getKey(), Oracle.normal(seed++, each.getValue().shape()));
    }
    theta.values().forEach(opened::add);
    return theta;
  }

  /** Mean cross-entropy with {@code W + s B A} for every W, in plain Java and double. */
  private static double loss(Map<String, double[]> theta, double scale, int rank, Examples data) {
    double[][] x = Oracle.rows(data.inputs());
    for (AffineLayer layer : MLP.affineLayers()) {
      double[] weight = theta.get(layer.weight()).clone();
      double[] a = theta.get(LoraAdapter.nameOfA(layer.id()));
      double[] b = theta.get(LoraAdapter.nameOfB(layer.id()));
      int in = a.length / rank;
      for (int o = 0; o < layer.width(); o++) {
        for (int i = 0; i < in; i++) {
          for (int k = 0; k < rank; k++) {
            weight[o * in + i] += scale * b[o * rank + k] * a[k * in + i];
          }
        }
      }
      x = Oracle.linear(x, weight, theta.get(layer.bias().orElseThrow()));
      x = layer.id().equals("fc3") ? x : Oracle.apply(Activation.RELU, x);
    }
    double loss = 0;
    for (int s = 0; s < x.length; s++) {
      loss -= Math.log(Oracle.softmax(x[s])[data.label(s)]) / x.length;
    }
    return loss;
  }

  @Test
  void gradientsAreThoseOfFiniteDifferencesInDouble() throws IOException {
    int rank = 2;
    double scale = .3;
    try (Workspace ws = Workspace.builder().threads(1).seed(3).open();
        Examples data = Oracle.clusters(3, SAMPLES, 6, 3);
        Opened opened = new Opened()) {
      Factors factors = factors(MLP, rank, scale);
      Map<String, Tensor> theta = theta(MLP, factors, opened, ws);
      Map<String, double[]> found = gradients(MLP, factors, theta, data, ws);
      Map<String, double[]> wide = new LinkedHashMap<>();
      theta.forEach((name, tensor) -> wide.put(name, tensor.toDoubleArray()));
      double step = 1e-6;
      for (String name : factors.leaves()) {
        double[] values = wide.get(name);
        for (int i = 0; i < values.length; i++) {
          double at = values[i];
          values[i] = at + step;
          double above = loss(wide, scale, rank, data);
          values[i] = at - step;
          double below = loss(wide, scale, rank, data);
          values[i] = at;
          assertThat(found.get(name)[i])
              .as("%s[%d]", name, i)
              .isCloseTo((above - below) / (2 * step), within(2e-5));
        }
      }
    }
  }

  /** {@code dA = s B^T dW} and {@code dB = s dW A^T}, dW at the folded weights. */
  @Test
  void gradientsFollowFromThoseOfWholeWeights() throws IOException {
    for (TorchNetwork network : List.of(CONVOLUTIONAL, VIT)) {
      int rank = 3;
      double scale = .5;
      try (Workspace ws = Workspace.builder().threads(1).seed(3).open();
          Examples all = images(3, SAMPLES);
          Examples data = all.select(new BatchOrder(SAMPLES, SAMPLES, 3).batch(0));
          Opened opened = new Opened()) {
        Factors factors = factors(network, rank, scale);
        Map<String, Tensor> theta = theta(network, factors, opened, ws);
        Map<String, double[]> found = gradients(network, factors, theta, data, ws);
        Map<String, double[]> values = new LinkedHashMap<>();
        factors.leaves().forEach(name -> values.put(name, theta.get(name).toDoubleArray()));
        Map<String, Tensor> folded = new LinkedHashMap<>(theta);
        for (AffineLayer layer : factors.layers()) {
          Tensor weight = opened.add(theta.get(layer.weight()).copy());
          double[] a = values.get(factors.nameOfA(layer));
          double[] b = values.get(factors.nameOfB(layer));
          int in = a.length / rank;
          for (int at = 0; at < weight.size(); at++) {
            double sum = weight.get(at);
            for (int k = 0; k < rank; k++) {
              sum += scale * b[at / in * rank + k] * a[k * in + at % in];
            }
            weight.set(at, sum);
          }
          folded.put(layer.weight(), weight);
        }
        List<String> weights = factors.layers().stream().map(AffineLayer::weight).toList();
        Learned whole = Learned.some(weights, Learned.Statistics.STORED);
        Map<String, double[]> ofWeights = gradients(network, whole, folded, data, ws);
        for (AffineLayer layer : factors.layers()) {
          double[] a = values.get(factors.nameOfA(layer));
          double[] b = values.get(factors.nameOfB(layer));
          double[] dw = ofWeights.get(layer.weight());
          int in = a.length / rank;
          double[] da = new double[a.length];
          double[] db = new double[b.length];
          for (int at = 0; at < dw.length; at++) {
            for (int k = 0; k < rank; k++) {
              da[k * in + at % in] += scale * b[at / in * rank + k] * dw[at];
              db[at / in * rank + k] += scale * a[k * in + at % in] * dw[at];
            }
          }
          assertThat(found.get(factors.nameOfA(layer)))
              .as("A of " + layer.id())
              .containsExactly(da, within(1e-4));
          assertThat(found.get(factors.nameOfB(layer)))
              .as("B of " + layer.id())
              .containsExactly(db, within(1e-4));
        }
      }
    }
  }

  @Test
  void factorsBeginAsInPeft() {
    Factors factors = factors(CONVOLUTIONAL, 4, 1);
    Map<String, Tensor> first = factors.initialise(1);
    for (AffineLayer layer : CONVOLUTIONAL.affineLayers()) {
      long[] weight = CONVOLUTIONAL.parameters().get(layer.weight()).dims();
      Tensor a = first.get(factors.nameOfA(layer));
      Tensor b = first.get(factors.nameOfB(layer));
      assertThat(b.shape()[0]).isEqualTo(weight[0]);
      weight[0] = 4;
      assertThat(a.shape()).isEqualTo(weight);
      assertThat(b.toDoubleArray()).containsOnly(0);
      double bound = 1 / Math.sqrt(a.size() / 4.0);
      double[] values = a.toDoubleArray();
      assertThat(Arrays.stream(values).map(Math::abs).max().orElseThrow())
          .isLessThanOrEqualTo(bound);
      double variance = 0;
      for (double v : values) {
        variance += v * v / values.length;
      }
      // Of a uniform distribution: bound^2 / 3, here of 24 values at least.
      assertThat(variance / (bound * bound)).isBetween(.15, .55);
    }
    first.values().forEach(Tensor::close);
  }

  /**
   * Adapters of embedding, attention and perceptrons; folded it is the model that was trained, in
   * memory and as PEFT has it.
   */
  @Test
  void visionTransformersAreTrainedByAdapters() throws IOException {
    String attention = "encoder.layers.encoder_layer_1.self_attention";
    try (Workspace ws = Workspace.builder().threads(1).seed(3).open();
        Examples data = images(1, 40);
        MemoryCheckpoint base = Oracle.lively(VIT, 1)) {
      ExpertOptions options =
          ExpertOptions.adam(1e-2, 30)
              .withLora(LoraOptions.all(2, 4))
              .withFrozen("heads")
              .withWatched(30);
      try (Trained trained =
          new ExpertTraining(VIT, base, options, Optional.empty(), ws)
              .train(List.of(new Task("images", data, data, 1)), "experts")) {
        Expert expert = trained.experts().get(0);
        LoraAdapter adapter = adapter(trained);
        assertThat(adapter.layers())
            .hasSize(9)
            .containsKeys(
                "conv_proj.weight", attention + ".in_proj_weight", attention + ".out_proj.weight");
        assertThat(adapter.tensors().tensors())
            .containsKeys(
                LoraAdapter.nameOfA(attention),
                LoraAdapter.nameOfB(attention + ".base_layer.out_proj"));
        Evaluation before = Evaluation.of(VIT, base, data, ws);
        Evaluation after = Evaluation.of(VIT, adapter.fold(base), data, ws);
        assertThat(after.loss()).isLessThan(.8 * before.loss());
        assertThat(expert.kept().get(0).train().loss()).isCloseTo(after.loss(), within(1e-5));
        adapter.write(folder, false, ws);
        assertThat(folder.resolve("adapter_config.json"))
            .content()
            .contains('"' + attention + '"')
            .doesNotContain("out_proj");
        try (LoraAdapter read = LoraAdapter.open(folder);
            Tensor folded = adapter.fold(base).read(attention + ".in_proj_weight", ws);
            Tensor again = read.fold(base).read(attention + ".in_proj_weight", ws);
            Tensor plain = base.read(attention + ".in_proj_weight", ws)) {
          assertThat(read.layers()).isEqualTo(adapter.layers());
          assertThat(again.sameBytes(folded)).isTrue();
          assertThat(folded.sameBytes(plain)).isFalse();
        }
      }
    }
  }

  /** Both weights of an attention, as PEFT has them, or that of its last layer alone. */
  @Test
  void attentionHasAdaptersOfBothWeights() {
    String block = "encoder.layers.encoder_layer_%d.self_attention";
    String first = block.formatted(0);
    Frozen nothing = new Frozen(List.of());
    assertThat(LoraOptions.of(2, 2, "self_attention").layers(VIT, nothing))
        .extracting(AffineLayer::weight)
        .containsExactly(
            first + ".in_proj_weight",
            first + ".out_proj.weight",
            block.formatted(1) + ".in_proj_weight",
            block.formatted(1) + ".out_proj.weight");
    LoraOptions out = LoraOptions.of(2, 2, "out_proj");
    assertThat(out.layers(VIT, nothing)).hasSize(2);
    assertThat(new Factors(VIT, out.layers(VIT, nothing), 2, 1).leaves())
        .contains(LoraAdapter.nameOfA(first + ".out_proj"));
    assertThat(LoraOptions.all(2, 2).layers(VIT, new Frozen(List.of(first + ".in_proj_weight"))))
        .extracting(AffineLayer::id)
        .contains(first + ".out_proj")
        .doesNotContain(first);
    assertThatThrownBy(() -> LoraOptions.all(2, 2).check(VIT, first + ".out_proj"))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage(
            "'%s.out_proj' is frozen and '%1$s.in_proj_weight' is not; adapters of an attention are for both: freeze both, or none"
                .formatted(first));
  }

  private static LoraAdapter adapter(Trained trained) {
    return trained.experts().get(0).kept().get(0).adapter().orElseThrow();
  }

  @Test
  void adaptersAreWrittenAndReadAndKnowTheirBase() throws IOException {
    try (Workspace ws = Workspace.builder().threads(1).seed(3).open();
        Examples data = images(1, 40);
        MemoryCheckpoint base = Oracle.lively(CONVOLUTIONAL, 1);
        MemoryCheckpoint other = Oracle.lively(CONVOLUTIONAL, 2)) {
      ExpertOptions options =
          ExpertOptions.adam(1e-2, 6)
              .withLora(new LoraOptions(2, 3, true, List.of("conv.", "fc")))
              .withFrozen("conv1");
      try (Trained trained =
          new ExpertTraining(CONVOLUTIONAL, base, options, Optional.empty(), ws)
              .train(List.of(new Task("images", data, data, 1)), "experts")) {
        LoraAdapter adapter = adapter(trained);
        assertThat(adapter).hasToString("images after 6 steps");
        assertThat(adapter.layers().keySet()).containsExactly("conv2.weight", "fc.weight");
        for (LoraLayer layer : adapter.layers().values()) {
          assertThat(layer.scale()).isEqualTo(3 / Math.sqrt(2));
        }
        adapter.write(folder, false, ws);
        try (LoraAdapter read = LoraAdapter.open(folder)) {
          Checkpoint wanted = adapter.fold(base);
          Checkpoint found = read.fold(base);
          for (String name : base.tensors().keySet()) {
            try (Tensor a = wanted.read(name, ws);
                Tensor b = found.read(name, ws)) {
              assertThat(b.sameBytes(a)).as(name).isTrue();
              assertThat(a.sameBytes(base.tensor(name)))
                  .as(name)
                  .isEqualTo(!adapter.layers().containsKey(name));
            }
          }
          for (LoraAdapter each : List.of(adapter, read)) {
            each.requireBase(base, ws);
            assertThatThrownBy(() -> each.requireBase(other, ws))
                .isInstanceOf(IncompatibleModelsException.class)
                .hasMessageContaining(
                    "adapter " + each + " was not trained for this model: 9 of 10 tensors differ")
                .hasMessageContaining(
                    "'conv1.weight' has other values than the model it was trained for");
          }
        }
      }
    }
  }
}
