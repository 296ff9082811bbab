// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch.layers;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.io.IOException;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.SplittableRandom;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.global.torch;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.merganser.compute.Device;
import org.merganser.compute.Workspace;
import org.merganser.error.ShapeException;
import org.merganser.internal.Opened;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.linalg.Tensor;
import org.merganser.model.FeatureSpace;
import org.merganser.model.MapFamily;
import org.merganser.model.Mode;
import org.merganser.model.Network;
import org.merganser.torch.Oracle;
import org.merganser.torch.TorchNetwork;
import org.merganser.torch.internal.Bridge;
import org.merganser.torch.internal.Libtorch;
import org.merganser.torch.internal.Shared;
import org.merganser.torch.networks.Vit;

class VitTest {
  private static Map<String, double[]> wide(MemoryCheckpoint theta) {
    Map<String, double[]> values = new LinkedHashMap<>();
    theta.tensors().keySet().forEach(name -> values.put(name, theta.tensor(name).toDoubleArray()));
    return values;
  }

  private static Tensor logits(TorchNetwork network, MemoryCheckpoint theta, Tensor x, Workspace ws)
      throws IOException {
    Tensor[] found = new Tensor[1];
    try (Network.Session session = network.open(theta, ws)) {
      session.run(x, Mode.EVAL, Set.of(Network.OUTPUT), (tap, y) -> found[0] = y.copy());
    }
    return found[0];
  }

  /** Widths, patches and heads that are odd, prime or large, with a class token and without. */
  @ParameterizedTest
  @CsvSource({
    "1, 8, 4, 8, 1, 2, 5",
    "3, 8, 2, 12, 2, 3, 3",
    "1, 9, 3, 17, 2, 1, 4",
    "3, 15, 5, 20, 1, 4, 2",
    "2, 12, 4, 26, 3, 13, 3",
    "4, 14, 7, 33, 1, 11, 3",
    "1, 28, 7, 48, 2, 6, 2",
    "3, 32, 8, 65, 1, 5, 2",
    "17, 6, 3, 36, 1, 36, 2",
    "1, 16, 2, 100, 1, 4, 33"
  })
  void isThatOfLoopsInDouble(
      int channels, int side, int patch, int width, int depth, int heads, int samples)
      throws IOException {
    for (Tokens.Pool pool : Tokens.Pool.values()) {
      TorchNetwork network = Vit.of(patch, width, depth, heads, pool, 7, channels, side, side);
      try (Workspace ws = Workspace.builder().threads(1).open();
          MemoryCheckpoint theta = Oracle.lively(network, 3);
          Tensor x = Oracle.normal(5, samples, channels, side, side);
          Tensor found = logits(network, theta, x, ws)) {
        PlainVit plain =
            new PlainVit(
                wide(theta), channels, side, patch, width, depth, heads, pool == Tokens.Pool.FIRST);
        double[][] images = Oracle.rows(x);
        double[][] rows = Oracle.rows(found);
        for (int i = 0; i < samples; i++) {
          assertThat(rows[i]).containsExactly(plain.logits(images[i]), within(2e-5));
        }
      }
    }
  }

  @SuppressWarnings("try")
  private static Map<String, double[]> gradients(
      TorchNetwork network, MemoryCheckpoint theta, Tensor x, int[] labels, Workspace ws)
      throws IOException {
    Map<String, double[]> found = new LinkedHashMap<>();
    try (Opened opened = new Opened()) {
      Map<String, Tensor> own = network.load(theta, Device.HOST, ws);
      own.values().forEach(opened::add);
      Libtorch.call(
          1,
          () -> {
            try (Shared all = new Shared(own);
                Shared inputs = new Shared(x);
                PointerScope scope = new PointerScope()) {
              all.all().values().forEach(leaf -> leaf.set_requires_grad(true));
              var y = network.graph().forward(inputs.only(), all.all(), Mode.TRAIN, true);
              long[] numbers = Arrays.stream(labels).asLongStream().toArray();
              torch.cross_entropy_loss(y, Bridge.beside(y, numbers)).backward();
              all.all()
                  .forEach(
                      (name, leaf) -> {
                        try (Tensor copy = Bridge.copy(leaf.grad().contiguous())) {
                          found.put(name, copy.toDoubleArray());
                        }
                      });
              return null;
            }
          });
    }
    return found;
  }

  private static double loss(PlainVit plain, double[][] images, int... labels) {
    double loss = 0;
    for (int i = 0; i < images.length; i++) {
      loss -= Math.log(Oracle.softmax(plain.logits(images[i]))[labels[i]]) / images.length;
    }
    return loss;
  }

  /** Some elements of every parameter, by differences of the loss in double. */
  @ParameterizedTest
  @CsvSource({"1, 8, 4, 12, 2, 3", "3, 9, 3, 17, 1, 1", "2, 10, 5, 36, 1, 4", "17, 4, 2, 20, 2, 5"})
  void gradientsAreThoseOfDifferencesInDouble(
      int channels, int side, int patch, int width, int depth, int heads) throws IOException {
    int[] labels = {0, 2, 1};
    TorchNetwork network =
        Vit.of(patch, width, depth, heads, Tokens.Pool.FIRST, 3, channels, side, side);
    try (Workspace ws = Workspace.builder().threads(1).open();
        MemoryCheckpoint theta = Oracle.lively(network, 3);
        Tensor x = Oracle.normal(5, labels.length, channels, side, side)) {
      Map<String, double[]> found = gradients(network, theta, x, labels, ws);
      Map<String, double[]> values = wide(theta);
      PlainVit plain = new PlainVit(values, channels, side, patch, width, depth, heads, true);
      double[][] images = Oracle.rows(x);
      SplittableRandom random = new SplittableRandom(1);
      double step = 1e-5;
      for (String name : network.learned()) {
        double[] own = values.get(name);
        for (int draw = 0; draw < 6; draw++) {
          int i = random.nextInt(own.length);
          double at = own[i];
          own[i] = at + step;
          double above = loss(plain, images, labels);
          own[i] = at - step;
          double below = loss(plain, images, labels);
          own[i] = at;
          assertThat(found.get(name)[i])
              .as("%s[%d]", name, i)
              .isCloseTo((above - below) / (2 * step), within(1e-5));
        }
      }
    }
  }

  @Test
  void headsAreBlocksAndEverythingElseIsPermutedOneByOne() {
    TorchNetwork network = Vit.of(4, 12, 2, 3, Tokens.Pool.FIRST, 5, 3, 8, 8);
    List<FeatureSpace> spaces = List.copyOf(network.architecture().spaces());
    assertThat(spaces)
        .extracting(FeatureSpace::id)
        .containsExactly(
            "conv_proj",
            "encoder.layers.encoder_layer_0.self_attention.heads",
            "encoder.layers.encoder_layer_0.mlp.0",
            "encoder.layers.encoder_layer_1.self_attention.heads",
            "encoder.layers.encoder_layer_1.mlp.0");
    assertThat(spaces).extracting(FeatureSpace::width).containsExactly(12L, 3L, 48L, 3L, 48L);
    assertThat(spaces).extracting(FeatureSpace::symmetry).containsOnly(MapFamily.PERMUTATION);
    try (MemoryCheckpoint theta = network.initialise(1)) {
      assertThat(network.architecture().validate(theta)).isEmpty();
    }
    assertThat(network.affineLayers())
        .extracting(layer -> layer.id())
        .containsExactly(
            "conv_proj",
            "encoder.layers.encoder_layer_0.self_attention.out_proj",
            "encoder.layers.encoder_layer_0.mlp.0",
            "encoder.layers.encoder_layer_0.mlp.3",
            "encoder.layers.encoder_layer_1.self_attention.out_proj",
            "encoder.layers.encoder_layer_1.mlp.0",
            "encoder.layers.encoder_layer_1.mlp.3",
            "heads.head");
  }

  /** Taps have their features on axis 1, tokens after them. */
  @Test
  void tapsHaveFeaturesFirst() throws IOException {
    TorchNetwork network = Vit.of(4, 12, 1, 3, Tokens.Pool.FIRST, 5, 3, 8, 8);
    String block = "encoder.layers.encoder_layer_0";
    try (Workspace ws = Workspace.builder().threads(1).open();
        MemoryCheckpoint theta = Oracle.lively(network, 1);
        Tensor x = Oracle.normal(2, 4, 3, 8, 8);
        Network.Session session = network.open(theta, ws)) {
      Map<String, List<Long>> shapes = new LinkedHashMap<>();
      Map<String, double[]> values = new LinkedHashMap<>();
      session.run(
          x,
          Mode.EVAL,
          Set.of(
              "conv_proj",
              block + ".self_attention.heads",
              block + ".mlp.0",
              block + ".mlp.0/out",
              Network.OUTPUT),
          (tap, y) -> {
            shapes.put(tap, Arrays.stream(y.shape()).boxed().toList());
            values.put(tap, y.toDoubleArray());
          });
      assertThat(shapes)
          .containsEntry("conv_proj", List.of(4L, 12L, 5L, 1L))
          .containsEntry(block + ".self_attention.heads", List.of(4L, 3L, 5L, 4L))
          .containsEntry(block + ".mlp.0", List.of(4L, 48L, 5L, 1L))
          .containsEntry(Network.OUTPUT, List.of(4L, 5L));
      double[] before = values.get(block + ".mlp.0/out");
      double[] after = values.get(block + ".mlp.0");
      for (int i = 0; i < before.length; i++) {
        assertThat(after[i]).isCloseTo(Oracle.apply(Activation.GELU, before[i]), within(1e-6));
      }
    }
  }

  @Test
  void whatDoesNotFitIsRefused() {
    assertThatThrownBy(() -> Vit.of(4, 12, 1, 3, Tokens.Pool.FIRST, 5, 3, 8, 10))
        .isInstanceOf(ShapeException.class)
        .hasMessage("patches of 4 do not tile an image of 8 x 10");
    assertThatThrownBy(() -> Vit.of(4, 12, 1, 5, Tokens.Pool.FIRST, 5, 3, 8, 8))
        .isInstanceOf(ShapeException.class)
        .hasMessage(
            "attention 'encoder.layers.encoder_layer_0.self_attention' of 12 features cannot have"
                + " 5 heads; they must divide the features");
    Layer conv = Convolution.of("c", 1, 4, 2, 2, 0, true);
    assertThatThrownBy(() -> Graph.of(Sequential.of(conv, Tokens.ofImage()), 1, 4, 4))
        .isInstanceOf(ShapeException.class)
        .hasMessage("a network ends with a vector, not with 4 tokens of 4; pool them");
    assertThatThrownBy(
            () -> Graph.of(Sequential.of(conv, Tokens.ofImage(), new Flatten()), 1, 4, 4))
        .isInstanceOf(ShapeException.class)
        .hasMessage("tokens are not flattened, but pooled; it is given 4 tokens of 4");
    assertThatThrownBy(
            () -> Graph.of(Sequential.of(conv, Tokens.ofImage(), new AveragePool()), 1, 4, 4))
        .isInstanceOf(ShapeException.class)
        .hasMessageContaining("4 tokens of 4");
    assertThatThrownBy(
            () -> Graph.of(Sequential.of(conv, Tokens.ofImage(), new BatchNorm("b", 4)), 1, 4, 4))
        .isInstanceOf(ShapeException.class);
    assertThatThrownBy(() -> Graph.of(Sequential.of(conv, Tokens.Pool.MEAN), 1, 4, 4))
        .isInstanceOf(ShapeException.class)
        .hasMessage("tokens are pooled of a sequence, not of 4 channels of 2 x 2");
  }
}
