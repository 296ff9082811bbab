// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch.experts;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.merganser.compute.Workspace;
import org.merganser.error.IncompatibleModelsException;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.io.TensorInfo;
import org.merganser.linalg.Tensor;
import org.merganser.lora.LoraAdapter;
import org.merganser.lora.MoeModel;
import org.merganser.lora.MoeUpcycler;
import org.merganser.model.AffineLayer;
import org.merganser.model.Evaluation;
import org.merganser.model.Mode;
import org.merganser.model.Network;
import org.merganser.testing.Work;
import org.merganser.torch.Examples;
import org.merganser.torch.TorchNetwork;
import org.merganser.torch.layers.Activation;
import org.merganser.torch.layers.Convolution;
import org.merganser.torch.layers.Flatten;
import org.merganser.torch.layers.Linear;
import org.merganser.torch.layers.Sequential;
import org.merganser.torch.layers.Tokens;
import org.merganser.torch.networks.Vit;

/** Against {@link PlainExperts}, and where experts come to the same as a dense weight. */
class MoeNetworkTest {
  static final Workspace WS = Work.WS;
  static final TorchNetwork MLP = TorchNetwork.mlp(5, 7, 1, 4, Activation.RELU);

  /** 2 x 6 x 5 images, 3 x 3 x 3 positions. */
  static final TorchNetwork CNN =
      TorchNetwork.of(
          new Sequential(
              List.of(
                  Convolution.of("conv", 2, 3, 3, 2, 1, true),
                  Activation.RELU,
                  new Flatten(),
                  new Linear("fc", 27, 4))),
          2,
          6,
          5);

  /** Four patches of 2 x 6 x 6 images, and a token of its own. */
  static final TorchNetwork VIT = Vit.of(3, 8, 2, 2, Tokens.Pool.FIRST, 4, 2, 6, 6);

  static Tensor normal(long seed, long... shape) {
    SplittableRandom random = new SplittableRandom(seed);
    float[] values = new float[(int) Tensor.size(shape)];
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) random.nextGaussian();
    }
    return Tensor.of(values, shape);
  }

  /** Of every linear layer, convolution and attention. */
  static LoraAdapter adapter(
      String name, TorchNetwork network, Checkpoint base, int rank, long seed) throws IOException {
    Map<String, Tensor> tensors = new LinkedHashMap<>();
    for (AffineLayer layer : network.adaptable()) {
      TensorInfo weight = network.parameters().get(layer.weight());
      String module = layer.id().replace(".out_proj", ".base_layer.out_proj");
      long[] ofA = weight.dims();
      ofA[0] = rank;
      long[] ofB = new long[ofA.length];
      Arrays.fill(ofB, 1);
      ofB[0] = weight.dim(0);
      ofB[1] = rank;
      tensors.put(LoraAdapter.nameOfA(module), normal(seed + tensors.size(), ofA));
      tensors.put(LoraAdapter.nameOfB(module), normal(seed + tensors.size(), ofB));
    }
    return LoraAdapter.of(
        new LoraAdapter.Settings(name, "", rank, 1.5, false),
        MemoryCheckpoint.of(tensors, LoraAdapter.baseDigests(base, WS), Set.of()));
  }

  static List<LoraAdapter> adapters(TorchNetwork network, Checkpoint base, int count, int rank)
      throws IOException {
    List<LoraAdapter> all = new ArrayList<>();
    for (int e = 0; e < count; e++) {
      all.add(adapter("e" + e, network, base, rank, 100 * e + 1));
    }
    return all;
  }

  static double[] outputs(Network network, Checkpoint theta, Tensor inputs) throws IOException {
    double[][] found = new double[1][];
    try (Network.Session session = network.open(theta, WS)) {
      session.run(
          inputs,
          Mode.EVAL,
          Set.of(Network.OUTPUT),
          (tap, output) -> found[0] = output.toDoubleArray());
    }
    return found[0];
  }

  private static void assertClose(double[] found, double[] wanted) {
    assertThat(found).hasSameSizeAs(wanted);
    double largest = Arrays.stream(wanted).map(Math::abs).max().orElseThrow();
    for (int i = 0; i < wanted.length; i++) {
      assertThat(found[i]).as("output " + i).isCloseTo(wanted[i], within(2e-5 * largest));
    }
  }

  @ParameterizedTest
  @CsvSource({
    "arrow, 1, 1",
    "arrow, 2, 1",
    "arrow, 4, 0",
    "arrow, 2, 3.5",
    "random, 1, 1",
    "random, 3, 0",
    "random, 4, 2"
  })
  void followsTheFormula(String router, int topK, double temperature) throws IOException {
    for (TorchNetwork network : List.of(MLP, CNN, VIT)) {
      try (MemoryCheckpoint base = network.initialise(3);
          MoeModel experts =
              (router.equals("arrow") ? MoeUpcycler.arrow(topK) : MoeUpcycler.random(topK))
                  .withTemperature(temperature)
                  .upcycle(base, adapters(network, base, 4, 2), WS)) {
        long[] shape =
            LongStream.concat(LongStream.of(9), LongStream.of(network.inputShape())).toArray();
        Tensor inputs = normal(8, shape);
        PlainExperts plain = new PlainExperts(base, experts);
        double[] wanted =
            network == VIT
                ? new PlainVit(plain).outputs(inputs)
                : network == MLP ? plain.mlp(inputs) : plain.cnn(inputs);
        assertClose(outputs(new MoeNetwork(network, experts), base, inputs), wanted);
      }
    }
  }

  /** One expert has all the weight, and so have equal ones together. */
  @Test
  void isTheFoldedAdapterWhereThereIsOne() throws IOException {
    for (TorchNetwork network : List.of(MLP, CNN, VIT)) {
      try (MemoryCheckpoint base = network.initialise(3);
          LoraAdapter adapter = adapter("one", network, base, 2, 5);
          MoeModel one = MoeUpcycler.arrow(1).upcycle(base, List.of(adapter), WS);
          MoeModel same =
              MoeUpcycler.arrow(2)
                  .withNames(List.of("a", "b", "c"))
                  .upcycle(base, List.of(adapter, adapter, adapter), WS);
          MoeModel random =
              MoeUpcycler.random(MoeUpcycler.ALL)
                  .withNames(List.of("a", "b"))
                  .upcycle(base, List.of(adapter, adapter), WS)) {
        long[] shape =
            LongStream.concat(LongStream.of(9), LongStream.of(network.inputShape())).toArray();
        Tensor inputs = normal(8, shape);
        double[] folded = outputs(network, adapter.fold(base), inputs);
        for (MoeModel experts : List.of(one, same, random)) {
          assertClose(outputs(new MoeNetwork(network, experts), base, inputs), folded);
        }
      }
    }
  }

  /** Of gates that are the same, those of the lower experts count. */
  @Test
  void equalLogitsGoToTheLowerExpert() throws IOException {
    try (MemoryCheckpoint base = MLP.initialise(3);
        MoeModel made = MoeUpcycler.arrow(1).upcycle(base, adapters(MLP, base, 3, 2), WS)) {
      Map<String, Tensor> equal = new LinkedHashMap<>();
      for (String name : made.tensors().tensors().keySet()) {
        Tensor tensor = made.tensors().read(name, WS);
        for (long i = 0; name.endsWith(".gate") && i < tensor.size(); i++) {
          tensor.set(i, tensor.get(i % (tensor.size() / 3)));
        }
        equal.put(name, tensor);
      }
      Tensor inputs = normal(8, 9, 5);
      try (MoeModel experts = made.with(equal);
          LoraAdapter first = adapter("first", MLP, base, 2, 1)) {
        assertClose(
            outputs(new MoeNetwork(MLP, experts), base, inputs),
            outputs(MLP, first.fold(base), inputs));
      }
    }
  }

  @Test
  void untrainedExpertsLeaveTheNetworkAsItIs() throws IOException {
    try (MemoryCheckpoint base = MLP.initialise(3)) {
      Map<String, Tensor> tensors = new LinkedHashMap<>();
      try (LoraAdapter some = adapter("x", MLP, base, 2, 1)) {
        for (String name : some.tensors().tensors().keySet()) {
          Tensor tensor = some.tensors().read(name, WS);
          for (long i = 0; name.contains("lora_B") && i < tensor.size(); i++) {
            tensor.set(i, 0);
          }
          tensors.put(name, tensor);
        }
      }
      LoraAdapter.Settings settings = new LoraAdapter.Settings("0", "", 2, 1, false);
      try (LoraAdapter zero = LoraAdapter.of(settings, MemoryCheckpoint.of(tensors));
          MoeModel experts =
              MoeUpcycler.arrow(1)
                  .withNames(List.of("a", "b"))
                  .upcycle(base, List.of(zero, zero), WS)) {
        Tensor inputs = normal(8, 9, 5);
        assertThat(outputs(new MoeNetwork(MLP, experts), base, inputs))
            .containsExactly(outputs(MLP, base, inputs));
      }
    }
  }

  @Test
  void isEvaluatedAsAnyNetwork() throws IOException {
    try (MemoryCheckpoint base = MLP.initialise(3);
        MoeModel experts = MoeUpcycler.arrow(2).upcycle(base, adapters(MLP, base, 3, 2), WS);
        Examples data = new Examples(normal(8, 30, 5), new int[30], 4)) {
      MoeNetwork network = new MoeNetwork(MLP, experts);
      double[] outputs = outputs(network, base, data.inputs());
      int right = 0;
      for (int i = 0; i < 30; i++) {
        int at = 4 * i;
        right +=
            outputs[at] >= Math.max(outputs[at + 1], Math.max(outputs[at + 2], outputs[at + 3]))
                ? 1
                : 0;
      }
      assertThat(Evaluation.of(network, base, data, WS).accuracy()).isEqualTo(right / 30.0);
      try (MemoryCheckpoint other = MLP.initialise(4)) {
        assertThatThrownBy(() -> network.open(other, WS))
            .isInstanceOf(IncompatibleModelsException.class)
            .hasMessageContaining("the model of experts was not trained for this model");
      }
      assertThatThrownBy(() -> new MoeNetwork(CNN, experts))
          .isInstanceOf(IncompatibleModelsException.class)
          .hasMessageStartingWith("3 experts (arrow, top 2) in 2 modules do not fit the network")
          .hasMessageContaining(
              "no linear layer, convolution or attention 'fc1'; there are 'conv', 'fc'");
      TorchNetwork wide = TorchNetwork.mlp(5, 8, 1, 4, Activation.RELU);
      assertThatThrownBy(() -> new MoeNetwork(wide, experts))
          .hasMessageContaining("the weight of 'fc1' is F32 [8, 5]; the experts are for [7, 5]");
    }
  }

  @Test
  void meanInputsAreThoseOfTheLayers() throws IOException {
    for (TorchNetwork network : List.of(MLP, CNN)) {
      long[] shape = network == MLP ? new long[] {150, 5} : new long[] {150, 2, 6, 5};
      String first = network == MLP ? "fc1" : "conv";
      try (MemoryCheckpoint base = network.initialise(3);
          Examples one = new Examples(normal(8, shape), new int[150], 4);
          Examples two = new Examples(normal(9, shape), new int[150], 4);
          MoeModel random = MoeUpcycler.random(1).upcycle(base, adapters(network, base, 2, 2), WS);
          MemoryCheckpoint means =
              MoeNetwork.meanInputs(
                  network, base, random.layers().keySet(), List.of(one, two), WS)) {
        PlainExperts plain = new PlainExperts(base, random);
        assertThat(means.tensors().keySet()).isEqualTo(random.layers().keySet());
        for (String module : means.tensors().keySet()) {
          double[] found = means.tensor(module).toDoubleArray();
          List<double[]> wanted = new ArrayList<>();
          for (Examples data : List.of(one, two)) {
            wanted.add(plain.meanInput(data.inputs(), module.equals(first), network == CNN));
          }
          int in = found.length / 2;
          for (int i = 0; i < found.length; i++) {
            assertThat(found[i]).isCloseTo(wanted.get(i / in)[i % in], within(1e-5));
          }
        }
        try (MoeModel made =
            MoeUpcycler.meanActivation(1, means).upcycle(base, adapters(network, base, 2, 2), WS)) {
          assertClose(
              outputs(new MoeNetwork(network, made), base, one.inputs()),
              network == MLP
                  ? new PlainExperts(base, made).mlp(one.inputs())
                  : new PlainExperts(base, made).cnn(one.inputs()));
        }
        assertThatThrownBy(
                () -> MoeNetwork.meanInputs(network, base, Set.of("fcc"), List.of(one), WS))
            .isInstanceOf(IllegalArgumentException.class)
            .hasMessageContaining("no linear layer, convolution or attention 'fcc'; there are ");
      }
    }
  }
}
