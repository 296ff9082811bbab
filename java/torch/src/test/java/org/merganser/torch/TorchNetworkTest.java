// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.io.IOException;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;
import org.bytedeco.javacpp.Pointer;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.error.IncompatibleModelsException;
import org.merganser.error.ShapeException;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.io.TensorInfo;
import org.merganser.linalg.Tensor;
import org.merganser.model.Mode;
import org.merganser.model.Network;
import org.merganser.torch.layers.Activation;
import org.merganser.torch.layers.Flatten;
import org.merganser.torch.layers.Initial;
import org.merganser.torch.layers.Linear;
import org.merganser.torch.layers.Sequential;

class TorchNetworkTest {
  private static final double TOLERANCE = 1e-5;

  private final Workspace ws = Workspace.builder().threads(1).open();

  @AfterEach
  void close() {
    ws.close();
  }

  private Map<String, double[]> run(
      Network network, Checkpoint theta, Tensor inputs, String... taps) throws IOException {
    Map<String, double[]> found = new LinkedHashMap<>();
    try (Network.Session session = network.open(theta, ws)) {
      session.run(
          inputs, Mode.EVAL, Set.of(taps), (tap, tensor) -> found.put(tap, tensor.toDoubleArray()));
    }
    return found;
  }

  private static void assertClose(double[] found, double[] wanted, double tolerance) {
    assertThat(found).hasSameSizeAs(wanted);
    double scale = Math.max(1, Arrays.stream(wanted).map(Math::abs).max().orElse(0));
    for (int i = 0; i < found.length; i++) {
      assertThat(found[i]).as("value %d", i).isCloseTo(wanted[i], within(tolerance * scale));
    }
  }

  @ParameterizedTest
  @EnumSource(Activation.class)
  void computesWhatAPlainPerceptronComputes(Activation activation) throws IOException {
    TorchNetwork network = TorchNetwork.mlp(7, 5, 2, 3, activation);
    try (MemoryCheckpoint theta = Oracle.random(network, 4);
        Tensor inputs = Oracle.normal(5, 11, 7)) {
      double[][] first =
          Oracle.apply(activation, Oracle.layer(theta, "fc1", Oracle.rows(inputs), ws));
      double[][] second = Oracle.apply(activation, Oracle.layer(theta, "fc2", first, ws));
      double[][] logits = Oracle.layer(theta, "fc3", second, ws);

      Map<String, double[]> found = run(network, theta, inputs, "fc1", "fc2", Network.OUTPUT);

      assertThat(found).containsOnlyKeys("fc1", "fc2", Network.OUTPUT);
      assertClose(found.get("fc1"), Oracle.flat(first), TOLERANCE);
      assertClose(found.get("fc2"), Oracle.flat(second), TOLERANCE);
      assertClose(found.get(Network.OUTPUT), Oracle.flat(logits), TOLERANCE);
    }
  }

  /** As the same one with biases of zero. */
  @Test
  void computesWithoutBiases() throws IOException {
    TorchNetwork network = TorchNetwork.of(new Linear("fc", 7, 5, false, Initial.xavier(7, 5)), 7);
    TorchNetwork biased = TorchNetwork.of(new Linear("fc", 7, 5), 7);
    try (MemoryCheckpoint theta = network.initialise(4);
        Tensor inputs = Oracle.normal(5, 11, 7);
        MemoryCheckpoint zeros =
            MemoryCheckpoint.of(
                Map.of(
                    "fc.weight",
                    theta.read("fc.weight", ws),
                    "fc.bias",
                    Tensor.zeros(DType.F32, 5)))) {
      assertThat(run(network, theta, inputs, Network.OUTPUT).get(Network.OUTPUT))
          .isEqualTo(run(biased, zeros, inputs, Network.OUTPUT).get(Network.OUTPUT));
    }
  }

  @Test
  void handsOutOnlyTheTapsAskedFor() throws IOException {
    TorchNetwork network = TorchNetwork.mlp(4, 3, 2, 2, Activation.RELU);
    try (MemoryCheckpoint theta = network.initialise(1);
        Tensor inputs = Oracle.normal(1, 6, 4)) {
      assertThat(run(network, theta, inputs, "fc2")).containsOnlyKeys("fc2");
      assertThat(run(network, theta, inputs)).isEmpty();
    }
  }

  @Test
  void flattensChannelMajor() throws IOException {
    TorchNetwork network =
        TorchNetwork.of(Sequential.of(new Flatten(), new Linear("fc", 12, 3)), 3, 2, 2);
    try (MemoryCheckpoint theta = Oracle.random(network, 1);
        Tensor inputs = Oracle.normal(2, 5, 3, 2, 2);
        Tensor flat = inputs.reshape(5, 12)) {
      double[] wanted = Oracle.flat(Oracle.layer(theta, "fc", Oracle.rows(flat), ws));
      assertClose(
          run(network, theta, inputs, Network.OUTPUT).get(Network.OUTPUT), wanted, TOLERANCE);
    }
  }

  @ParameterizedTest
  @EnumSource(
      value = DType.class,
      names = {"F64", "F16", "BF16"})
  void runsCheckpointsOfOtherTypes(DType dtype) throws IOException {
    TorchNetwork network = TorchNetwork.mlp(6, 5, 1, 3, Activation.TANH);
    Map<String, Tensor> rounded = new LinkedHashMap<>();
    Map<String, Tensor> widened = new LinkedHashMap<>();
    try (MemoryCheckpoint theta = Oracle.random(network, 9);
        Tensor inputs = Oracle.normal(3, 4, 6)) {
      for (String name : theta.tensors().keySet()) {
        Tensor narrow = theta.tensor(name).to(dtype, ws);
        rounded.put(name, narrow);
        widened.put(name, narrow.to(DType.F32, ws));
      }
      try (MemoryCheckpoint other = MemoryCheckpoint.of(rounded);
          MemoryCheckpoint same = MemoryCheckpoint.of(widened)) {
        double[] found = run(network, other, inputs, Network.OUTPUT).get(Network.OUTPUT);
        double[] wanted = run(network, same, inputs, Network.OUTPUT).get(Network.OUTPUT);
        assertThat(found).containsExactly(wanted);
        if (dtype != DType.F64) {
          assertThat(found)
              .isNotEqualTo(run(network, theta, inputs, Network.OUTPUT).get(Network.OUTPUT));
        }
      }
    }
  }

  @Test
  void listsEverythingThatDoesNotFit() {
    TorchNetwork network = TorchNetwork.mlp(4, 3, 1, 2, Activation.RELU);
    Map<String, Tensor> tensors = new LinkedHashMap<>();
    tensors.put("fc1.weight", Tensor.zeros(DType.F32, 3, 5));
    tensors.put("fc1.bias", Tensor.zeros(DType.I64, 3));
    tensors.put("fc2.wieght", Tensor.zeros(DType.F32, 2, 3));
    tensors.put("fc2.bias", Tensor.zeros(DType.F32, 2));
    try (MemoryCheckpoint theta = MemoryCheckpoint.of(tensors)) {
      assertThatThrownBy(() -> network.open(theta, ws))
          .isInstanceOfSatisfying(
              IncompatibleModelsException.class,
              e ->
                  assertThat(e.problems())
                      .containsExactly(
                          "'fc1.weight' is F32 [3, 5], the network has F32 [3, 4]",
                          "'fc1.bias' is I64 [3], the network has F32 [3]",
                          "no tensor 'fc2.weight' (nearest of 4: fc1.weight, fc2.wieght,"
                              + " fc2.bias)"));
    }
  }

  @Test
  void refusesStaleStatistics() {
    TorchNetwork network = TorchNetwork.mlp(2, 3, 1, 2, Activation.RELU);
    try (MemoryCheckpoint theta = network.initialise(1)) {
      Checkpoint stale =
          new Checkpoint() {
            @Override
            public Map<String, TensorInfo> tensors() {
              return theta.tensors();
            }

            @Override
            public void readRange(String name, long from, long to, Tensor into, Workspace own) {
              theta.readRange(name, from, to, into, own);
            }

            @Override
            public Set<String> stale() {
              return Set.of("bn1.running_var");
            }
          };
      assertThatThrownBy(() -> network.open(stale, ws))
          .isInstanceOf(IncompatibleModelsException.class)
          .hasMessageContaining("'bn1.running_var' is stale");
    }
  }

  @Test
  void refusesInputsOfAnotherShapeOrType() throws IOException {
    TorchNetwork network = TorchNetwork.mlp(4, 3, 1, 2, Activation.RELU);
    try (MemoryCheckpoint theta = network.initialise(1);
        Network.Session session = network.open(theta, ws);
        Tensor narrow = Oracle.normal(1, 6, 3);
        Tensor image = Oracle.normal(1, 6, 4, 1);
        Tensor wide = Tensor.zeros(DType.F64, 6, 4)) {
      for (Tensor inputs : new Tensor[] {narrow, image, wide}) {
        assertThatThrownBy(() -> session.run(inputs, Mode.EVAL, Set.of(), (tap, t) -> {}))
            .isInstanceOf(ShapeException.class)
            .hasMessage("inputs are " + inputs + ", the network reads F32 [samples, 4]");
      }
    }
  }

  @Test
  void runsAnEmptyBatch() throws IOException {
    TorchNetwork network = TorchNetwork.mlp(4, 3, 1, 2, Activation.RELU);
    try (MemoryCheckpoint theta = network.initialise(1);
        Tensor none = Tensor.zeros(DType.F32, 0, 4)) {
      assertThat(run(network, theta, none, Network.OUTPUT).get(Network.OUTPUT)).isEmpty();
    }
  }

  @Test
  void aClosedSessionSaysSo() throws IOException {
    TorchNetwork network = TorchNetwork.mlp(4, 3, 1, 2, Activation.RELU);
    try (MemoryCheckpoint theta = network.initialise(1);
        Tensor inputs = Oracle.normal(1, 6, 4)) {
      Network.Session session = network.open(theta, ws);
      session.close();
      session.close();
      assertThatThrownBy(() -> session.run(inputs, Mode.EVAL, Set.of(), (tap, t) -> {}))
          .isInstanceOf(IllegalStateException.class)
          .hasMessageContaining("closed");
      assertThat(theta.tensor("fc1.weight").get(0)).isFinite();
    }
  }

  @Test
  void initialisesEachParameterFromItsOwnStream() {
    TorchNetwork two = TorchNetwork.mlp(30, 40, 2, 5, Activation.RELU);
    TorchNetwork three = TorchNetwork.mlp(30, 40, 3, 5, Activation.RELU);
    try (MemoryCheckpoint first = two.initialise(3);
        MemoryCheckpoint again = two.initialise(3);
        MemoryCheckpoint other = two.initialise(4);
        MemoryCheckpoint deeper = three.initialise(3)) {
      for (String name : two.parameters().keySet()) {
        assertThat(first.tensor(name).sameBytes(again.tensor(name))).as(name).isTrue();
        if (name.endsWith("weight")) {
          assertThat(first.tensor(name).sameBytes(other.tensor(name))).as(name).isFalse();
        } else {
          assertThat(first.tensor(name).toFloatArray()).containsOnly(0f);
        }
      }
      double scale = Math.sqrt(40.0 / 30);
      assertThat(first.tensor("fc2.weight").get(0) * scale)
          .isNotCloseTo(first.tensor("fc1.weight").get(0), within(1e-4));
      // What else the network has does not matter.
      assertThat(first.tensor("fc1.weight").sameBytes(deeper.tensor("fc1.weight"))).isTrue();
      assertThat(first.tensor("fc2.weight").sameBytes(deeper.tensor("fc2.weight"))).isTrue();
      double[] weights = first.tensor("fc1.weight").toDoubleArray();
      double variance = Arrays.stream(weights).map(w -> w * w).average().orElseThrow();
      assertThat(variance).isCloseTo(2.0 / 30, within(0.2 * 2.0 / 30));
    }
  }

  @Test
  void tellsItsParametersInOrder() {
    TorchNetwork network = TorchNetwork.mlp(4, 3, 1, 2, Activation.RELU);
    assertThat(network.parameters().keySet())
        .containsExactly("fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias");
    assertThat(network.size()).isEqualTo(4 * 3 + 3 + 3 * 2 + 2);
    assertThat(network.outputs()).isEqualTo(2);
  }

  @Test
  void refusesAParameterThatIsTooLargeToInitialise() {
    TorchNetwork network = TorchNetwork.mlp(2, 60_000, 2, 2, Activation.RELU);
    assertThatThrownBy(() -> network.initialise(0))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("'fc2.weight' F32 [60000, 60000]")
        .hasMessageContaining("narrower");
  }

  @Test
  void activationsEndWithTheNextRun() throws IOException {
    TorchNetwork network = TorchNetwork.mlp(4, 3, 1, 2, Activation.RELU);
    try (MemoryCheckpoint theta = network.initialise(1);
        Network.Session session = network.open(theta, ws);
        Tensor inputs = Oracle.normal(1, 6, 4)) {
      Tensor[] kept = new Tensor[1];
      session.run(inputs, Mode.EVAL, Set.of("fc1"), (tap, tensor) -> kept[0] = tensor);
      assertThat(kept[0].get(0)).isFinite();
      session.run(inputs, Mode.EVAL, Set.of(), (tap, tensor) -> {});
      assertThatThrownBy(() -> kept[0].get(0)).isInstanceOf(IllegalStateException.class);
    }
  }

  /** Each run would keep 128 KiB; over all of them that is 250 MiB. */
  @Test
  void runsDoNotPileUpNativeMemory() throws IOException {
    TorchNetwork network = TorchNetwork.mlp(32, 64, 1, 64, Activation.RELU);
    try (MemoryCheckpoint theta = network.initialise(1);
        Network.Session session = network.open(theta, ws);
        Tensor inputs = Oracle.normal(1, 256, 32)) {
      Set<String> taps = Set.of("fc1", Network.OUTPUT);
      for (int i = 0; i < 200; i++) {
        session.run(inputs, Mode.EVAL, taps, (tap, tensor) -> {});
      }
      long pointers = Pointer.totalCount();
      long physical = Pointer.physicalBytes();
      for (int i = 0; i < 2000; i++) {
        session.run(inputs, Mode.EVAL, taps, (tap, tensor) -> {});
      }
      assertThat(Pointer.totalCount() - pointers).isLessThan(100);
      assertThat(Pointer.physicalBytes() - physical).isLessThan(100L << 20);
    }
  }
}
