// SPDX-License-Identifier: Apache-2.0
package org.merganser.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.merganser.testing.Work.WS;

import java.lang.management.ManagementFactory;
import java.lang.management.ThreadMXBean;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.error.IncompatibleModelsException;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.io.TensorInfo;
import org.merganser.linalg.Tensor;
import org.merganser.model.LayerChains.Chain;
import org.merganser.model.LayerChains.Layer;
import org.merganser.testing.JavaNetwork;
import org.merganser.testing.JavaNetwork.Activation;
import org.merganser.testing.RunsOnce;

class LinearStackTest {

  @Test
  void findsTheSpacesOfAPlainStack() {
    JavaNetwork network = JavaNetwork.mlp(Activation.RELU, 3, 5, 4, 2);
    // What stands between the layers is not known, so permutations alone are taken to be exact.
    Architecture.Builder wanted = Architecture.builder();
    for (FeatureSpace space : network.architecture().spaces()) {
      wanted.space(
          new FeatureSpace(space.id(), space.width(), MapFamily.PERMUTATION, space.bindings()));
    }
    assertThat(LinearStack.infer(network.random(DType.F32, 1, WS))).isEqualTo(wanted.build());
  }

  @Test
  void layersComeInNaturalOrderAndBiasesAreOptional() {
    Architecture architecture =
        LinearStack.infer(
            model(
                Map.entry("10.weight", new long[] {2, 4}),
                Map.entry("2.weight", new long[] {4, 5}),
                Map.entry("2.bias", new long[] {4}),
                Map.entry("0.weight", new long[] {5, 3})));
    assertThat(architecture.spaces()).extracting(FeatureSpace::id).containsExactly("0", "2");
    assertThat(architecture.space("2").bindings())
        .containsExactly(
            Binding.of("2.weight", 0, Role.WEIGHT_OUT),
            Binding.of("2.bias", 0, Role.BIAS),
            Binding.of("10.weight", 1, Role.WEIGHT_IN));
  }

  /** NAME OUTxIN, in the order of the file; the order that is proved. */
  @ParameterizedTest
  @CsvSource({
    "fc2 8x8 fc1 8x8 fc10 4x8,                        fc1 fc2 fc10",
    "layers.2 8x8 layers.0 8x8,                       layers.0 layers.2",
    "b2.fc1 8x8 b1.fc2 8x8 b1.fc1 8x8,                b1.fc1 b1.fc2 b2.fc1",
    "fc4 16x8 fc3 8x4 fc2 4x8 fc1 8x16,               fc1 fc2 fc3 fc4",
    "output 2x8 hidden 8x5 input 5x3,                 input hidden output",
    "encoder 4x8 decoder 6x4,                         encoder decoder",
    "square 8x8 wide 16x8 narrow 8x4,                 narrow square wide",
    "head 3x8 layers.1 8x8 layers.0 8x8 layers.2 8x8, layers.0 layers.1 layers.2 head",
    "head.0 8x8 head.2 8x8,                           head.0 head.2",
    "exploration.0 8x8 exploration.1 8x8,             exploration.0 exploration.1",
  })
  void numbersOrShapesProveAnOrder(String layers, String wanted) {
    LinearStack.Order order = LinearStack.order(layers(layers));
    assertThat(order.layers()).containsExactly(wanted.split(" "));
    assertThat(order.proved()).isTrue();
    assertThat(order.others()).isEmpty();
    assertThat(LinearStack.infer(layers(layers)))
        .isEqualTo(LinearStack.infer(layers(layers), List.of(wanted.split(" "))));
  }

  /** The order shown is the likely one; the number of all that are shown. */
  @ParameterizedTest
  @CsvSource({
    "hidden 8x8 input 8x8 output 4x8,                   input hidden output,                     2",
    "hidden 8x8 input 8x8 output 8x8,                   input hidden output,                     4",
    "decoder 8x4 encoder 4x8,                           encoder decoder,                         2",
    "decoder.0 8x4 encoder.0 4x8,                       encoder.0 decoder.0,                     2",
    "decoder.0 4x2 decoder.2 8x4 encoder.0 4x8 encoder.2 2x4,"
        + "encoder.0 encoder.2 decoder.0 decoder.2, 2",
    // A decoder numbered from its end: shapes and numbers leave one order, which is wrong.
    "enc1 8x16 enc2 4x8 dec2 8x4 dec1 16x8,             dec1 enc1 enc2 dec2,                     1",
    "up 8x2 down 2x8,                                   down up,                                 2",
    // Numbers that are widths.
    "fc64 64x128 fc128 128x7 fc10 10x64,                fc128 fc64 fc10,                         1",
    "fc01 8x8 fc1 8x8,                                  fc01 fc1,                                1",
    // Matrices kept as [in x out] chain backwards.
    "input 3x8 hidden 8x8 output 8x2,                   output hidden input,                     1",
    "layers.0 8x8 layers.1 8x8 extra 8x8,               extra layers.0 layers.1,                 3",
  })
  void whatIsNotProvedIsShownAndMustBeConfirmed(String layers, String likely, int shown) {
    Checkpoint model = layers(layers);
    List<String> order = List.of(likely.split(" "));
    LinearStack.Order found = LinearStack.order(model);
    assertThat(found.layers()).isEqualTo(order);
    assertThat(found.proved()).isFalse();
    assertThat(found.others()).hasSize(shown - 1).doesNotContain(order).doesNotHaveDuplicates();
    assertThatThrownBy(() -> LinearStack.infer(model))
        .isInstanceOf(IncompatibleModelsException.class)
        .hasMessageStartingWith("names and shapes do not prove in which order the layers run;")
        .hasMessageContaining(found.reason())
        .hasMessageContaining("\n  --layers " + String.join(",", order));
    for (List<String> other : found.others()) {
      assertThat(LinearStack.infer(model, other).spaces())
          .extracting(FeatureSpace::id)
          .isEqualTo(other.subList(0, other.size() - 1));
    }
  }

  @Test
  void whyAnOrderIsNotProvedIsSaid() {
    // An encoder with two layers side by side, as in a variational autoencoder.
    assertThat(
            LinearStack.order(layers("fc1 40x78 fc21 20x40 fc22 20x40 fc3 40x20 fc4 78x40"))
                .reason())
        .isEqualTo("the shapes admit several orders, none of which fits the numbers in the names");
    StringBuilder many = new StringBuilder("start 8x8");
    for (int i = 0; i < 70; i++) {
      many.append(" layer-").append((char) (0x410 + i)).append(" 8x8");
    }
    assertThat(LinearStack.order(layers(many.toString())).reason())
        .isEqualTo("the shapes admit several orders, too many to look through");
    assertThat(LinearStack.order(layers("input 8x8 hidden 8x8 output 4x8")).reason())
        .isEqualTo(
            "2 orders fit the shapes and the numbers in the names, and nothing orders layers of"
                + " different names");
    assertThat(LinearStack.order(layers("output 4x2 input 2x3 hidden 3x4")).proved()).isFalse();
    assertThat(LinearStack.order(layers("fc1 4x8 fc2 8x3")).reason())
        .isEqualTo("the shapes admit one order only, but 'fc1' would run after 'fc2'");
  }

  @Test
  void anOrderGivenMustNameEveryLayerOnceAndChain() {
    Checkpoint model = layers("input 8x5 hidden 8x8 output 4x8");
    assertThatThrownBy(() -> LinearStack.infer(model, List.of("input", "input", "outptu")))
        .isInstanceOf(IncompatibleModelsException.class)
        .hasMessageStartingWith("the order given must name every layer once:")
        .hasMessageContaining("layer 'input' is given twice")
        .hasMessageContaining("no tensor 'outptu.weight'")
        .hasMessageContaining("output.weight")
        .hasMessageContaining("layer 'hidden' is not among the layers given")
        .hasMessageContaining("layer 'output' is not among the layers given");
    assertThatThrownBy(() -> LinearStack.infer(model, List.of("hidden", "output", "input")))
        .isInstanceOf(IncompatibleModelsException.class)
        .hasMessage(
            "the layers do not chain in the order given:\n"
                + "  layer 'input' reads 5 features, layer 'output' before it writes 4");
  }

  /** Shapes and numbers of these chain by accident. */
  @ParameterizedTest
  @CsvSource({
    "layers.0.q_proj 8x8 layers.1.q_proj 8x8, an attention projection",
    "to_q 8x8 to_v 8x8,                       an attention projection",
    "attention.query 8x8 attention.key 8x8,   an attention projection",
    "selfAttention.out1 8x8 selfAttention.out2 8x8, an attention projection",
    "embed.word1 8x8 embed.word2 8x8,         an embedding",
    "heads.0 8x8 heads.1 8x8,                 one of several layers beside each other",
    "mlp.gate_proj 9x8 mlp.down_proj 8x9,     a gate or an expert of a mixture",
    "experts.0.fc 8x8 experts.1.fc 8x8,       a gate or an expert of a mixture",
    "fc1 8x8 shortcut 4x8,                    a path around other layers",
    "head1 8x8 head2 8x8,                     one of several layers beside each other",
    "net.q_1 8x8 net.q_2 8x8,                 one of several layers beside each other",
    "ffn.w2 8x32 ffn.w3 32x8,                 part of a gated unit",
    "l.0.adapter.down 4x16 l.0.adapter.up 8x4, an adapter added to other layers",
  })
  void namesOfLayersThatStandInNoRowAreRefusedUnlessTheOrderIsGiven(String layers, String what) {
    assertThatThrownBy(() -> LinearStack.order(layers(layers)))
        .isInstanceOf(IncompatibleModelsException.class)
        .hasMessageStartingWith("not a plain stack of linear layers;")
        .hasMessageContaining(" is " + what)
        .hasMessageContaining(" by its name;");
    String[] parts = layers.split(" ");
    assertThat(LinearStack.infer(layers(layers), List.of(parts[0], parts[2])).spaces()).hasSize(1);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "l.0.lora_A 4x16 l.0.lora_B 16x4",
        "unet_down.lora_down 4x16 unet_down.lora_up 16x4",
        "fc1.loraA 4x16 fc1.loraB 16x4",
        "fc1.LoRA_A 4x16 fc1.LoRA_B 16x4",
        "l0.ia3_l 1x16 l1.ia3_l 16x1",
        "l0.oft_R 8x8 l1.oft_R 8x8",
        "base_model.model.fc1.a 4x16 base_model.model.fc2.a 8x4",
      })
  void anAdapterIsNeverAStack(String layers) {
    String[] parts = layers.split(" ");
    for (Runnable attempt :
        List.<Runnable>of(
            () -> LinearStack.infer(layers(layers)),
            () -> LinearStack.infer(layers(layers), List.of(parts[0], parts[2])))) {
      assertThatThrownBy(attempt::run)
          .isInstanceOf(IncompatibleModelsException.class)
          .hasMessageContaining("is part of an adapter (such as LoRA) by its name");
    }
  }

  /** By trying all orders: the shapes admit one, several or none. */
  @Test
  void uniquenessByShapeIsThatOfAllPermutations() {
    Random random = new Random(7);
    int[] seen = new int[3];
    for (int trial = 0; trial < 3000; trial++) {
      int count = 1 + random.nextInt(6);
      int widths = 1 + random.nextInt(4);
      List<Layer> layers = new ArrayList<>();
      long at = 1 + random.nextInt(widths);
      for (int i = 0; i < count; i++) {
        long next = 1 + random.nextInt(widths);
        // Most trials chain by construction; in some, one layer reads anything.
        long reads = random.nextInt(12) == 0 ? 1 + random.nextInt(widths) : at;
        layers.add(new Layer(LayerName.of("l" + i), reads, next));
        at = next;
      }
      Collections.shuffle(layers, random);
      int chains = permutations(layers, new ArrayList<>());
      Chain found = LayerChains.byShape(layers).orElse(null);
      assertThat(found != null).as("%s", layers).isEqualTo(chains > 0);
      if (found != null) {
        assertThat(LayerChains.holds(found.layers())).isTrue();
        assertThat(found.layers()).containsExactlyInAnyOrderElementsOf(layers);
        assertThat(found.only()).as("%s", layers).isEqualTo(chains == 1);
      }
      seen[Math.min(chains, 2)]++;
    }
    assertThat(Arrays.stream(seen).min().getAsInt()).isGreaterThan(100);
  }

  private static int permutations(List<Layer> left, List<Layer> chosen) {
    if (left.isEmpty()) {
      return 1;
    }
    int count = 0;
    for (Layer layer : left) {
      if (chosen.isEmpty() || chosen.get(chosen.size() - 1).writes() == layer.reads()) {
        List<Layer> rest = new ArrayList<>(left);
        rest.remove(layer);
        List<Layer> next = new ArrayList<>(chosen);
        next.add(layer);
        count += permutations(rest, next);
      }
    }
    return count;
  }

  /** Names and shapes that take long in other ways: {@code %d} is the number of the layer. */
  @RunsOnce("measures time, and reads names and shapes alone")
  @ParameterizedTest
  @ValueSource(
      strings = {
        "layers.%d.weight", // proved
        "%d.a.weight", // one row
        "x%1$d.y%1$d.weight",
        "letter-%c.weight", // as many templates as layers
        "heads.%d.weight", // a problem each
        "norm%d.scale",
        "layer.bias%d"
      })
  void timeIsNearLinearInTheNumberOfTensors(String pattern) {
    Map<String, TensorInfo> tensors = new LinkedHashMap<>();
    for (int i = 0; i < 50_000; i++) {
      String number = pattern.contains("%c") ? letters(i) : "";
      tensors.put(
          pattern.contains("%c")
              ? pattern.replace("%c", number)
              : String.format(Locale.ROOT, pattern, i),
          TensorInfo.of(DType.F32, 8, 8));
    }
    // CPU time: a machine with other work on it must not fail the test.
    ThreadMXBean threads = ManagementFactory.getThreadMXBean();
    long start = threads.getCurrentThreadCpuTime();
    try {
      LinearStack.order(new Listed(tensors));
    } catch (IncompatibleModelsException e) {
      assertThat(e.problems()).hasSizeLessThan(25);
    }
    assertThat(threads.getCurrentThreadCpuTime() - start).isLessThan(1_000_000_000L);
  }

  private static String letters(int i) {
    StringBuilder text = new StringBuilder();
    for (int rest = i; rest > 0; rest /= 26) {
      text.append((char) ('a' + rest % 26));
    }
    return text.toString();
  }

  /** Names without values. */
  private record Listed(Map<String, TensorInfo> tensors) implements Checkpoint {
    @Override
    public void readRange(String name, long from, long to, Tensor into, Workspace ws) {
      throw new UnsupportedOperationException();
    }
  }

  @Test
  void whatIsNoStackIsRefusedWithEveryReason() {
    Checkpoint model =
        model(
            Map.entry("0.weight", new long[] {5, 3}),
            Map.entry("0.bias", new long[] {4}),
            Map.entry("1.weight", new long[] {2, 6}),
            Map.entry("bn.running_mean", new long[] {5}),
            Map.entry("conv.weight", new long[] {2, 2, 3, 3}));
    assertThatThrownBy(() -> LinearStack.infer(model))
        .isInstanceOf(IncompatibleModelsException.class)
        .hasMessage(
            "not a plain stack of linear layers; describe it in a builder file (--architecture):\n"
                + "  '0.bias' F32 [4] is no weight or bias of a linear layer\n"
                + "  'bn.running_mean' F32 [5] is no weight or bias of a linear layer\n"
                + "  'conv.weight' F32 [2, 2, 3, 3] is no weight or bias of a linear layer");
    assertThatThrownBy(() -> LinearStack.infer(layers("0 5x3 1 2x6")))
        .isInstanceOf(IncompatibleModelsException.class)
        .hasMessageEndingWith("\n  layer '1' reads 6 features, layer '0' before it writes 5");
    assertThatThrownBy(() -> LinearStack.infer(model(Map.entry("w.weight", new long[] {2, 2}))))
        .isInstanceOf(IncompatibleModelsException.class)
        .hasMessageEndingWith("\n  a stack needs at least two layers, found [w]");
    assertThatThrownBy(() -> LinearStack.infer(model()))
        .isInstanceOf(IncompatibleModelsException.class)
        .hasMessageEndingWith("\n  a stack needs at least two layers, found []");
    assertThatThrownBy(() -> LinearStack.infer(layers("a/1 2x2 a/2 2x2")))
        .isInstanceOf(IncompatibleModelsException.class)
        .hasMessageContaining("layer 'a/1' cannot name a file of activations");
  }

  /** Weights as {@code NAME OUTxIN}. */
  private static Checkpoint layers(String text) {
    String[] parts = text.split(" ");
    Map<String, TensorInfo> tensors = new LinkedHashMap<>();
    for (int i = 0; i < parts.length; i += 2) {
      String[] size = parts[i + 1].split("x");
      tensors.put(
          parts[i] + ".weight",
          TensorInfo.of(DType.F32, Long.parseLong(size[0]), Long.parseLong(size[1])));
    }
    return new Listed(tensors);
  }

  @SafeVarargs
  private static Checkpoint model(Map.Entry<String, long[]>... shapes) {
    Map<String, Tensor> tensors = new LinkedHashMap<>();
    for (Map.Entry<String, long[]> shape : shapes) {
      tensors.put(shape.getKey(), Tensor.zeros(DType.F32, shape.getValue()));
    }
    return MemoryCheckpoint.of(tensors);
  }
}
