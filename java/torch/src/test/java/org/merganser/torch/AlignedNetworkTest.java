// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.io.IOException;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.SplittableRandom;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.merganser.align.Alignment;
import org.merganser.align.AlignmentProblem;
import org.merganser.align.CcaAligner;
import org.merganser.align.ScaledPermutation;
import org.merganser.align.Verification;
import org.merganser.compute.Workspace;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.linalg.Tensor;
import org.merganser.model.Architecture;
import org.merganser.model.Binding;
import org.merganser.model.Binding.Block;
import org.merganser.model.Inputs;
import org.merganser.model.MapFamily;
import org.merganser.model.Mode;
import org.merganser.model.Network;
import org.merganser.model.Role;
import org.merganser.stats.Moments;
import org.merganser.torch.layers.Activation;
import org.merganser.torch.layers.Flatten;
import org.merganser.torch.layers.Linear;
import org.merganser.torch.layers.Sequential;

/** What maps do to the function of a network, and what is found from its activations. */
class AlignedNetworkTest {
  private final Workspace ws = Workspace.builder().threads(2).open();

  @AfterEach
  void close() {
    ws.close();
  }

  private static int[] permutation(int width, long seed) {
    SplittableRandom random = new SplittableRandom(seed);
    int[] permutation = new int[width];
    for (int i = 0; i < width; i++) {
      int j = random.nextInt(i + 1);
      permutation[i] = permutation[j];
      permutation[j] = i;
    }
    return permutation;
  }

  private double[] outputs(Network network, Checkpoint theta, Tensor inputs) throws IOException {
    double[][] found = new double[1][];
    try (Network.Session session = network.open(theta, ws)) {
      session.run(
          inputs,
          Mode.EVAL,
          Set.of(Network.OUTPUT),
          (tap, output) -> found[0] = output.toDoubleArray());
    }
    return found[0];
  }

  private static void assertSame(double[] found, double[] wanted) {
    double scale = java.util.Arrays.stream(wanted).map(Math::abs).max().orElseThrow();
    for (int i = 0; i < wanted.length; i++) {
      assertThat(found[i]).as("output %d", i).isCloseTo(wanted[i], within(1e-5 * scale));
    }
  }

  private static Inputs batches(Tensor inputs, int size) {
    return new Examples(inputs, new int[Math.toIntExact(inputs.dim(0))], 1).batches(size);
  }

  @Test
  void permutingTheHiddenFeaturesKeepsTheOutput() throws IOException {
    for (Activation activation : Activation.values()) {
      TorchNetwork network = TorchNetwork.mlp(6, 17, 3, 4, activation);
      try (MemoryCheckpoint theta = Oracle.random(network, 2);
          Tensor inputs = Oracle.normal(1, 20, 6)) {
        Checkpoint permuted =
            PlantedPermutationTest.planted(network.architecture(), 5).apply(theta);
        try (Tensor moved = permuted.read("fc2.weight", ws)) {
          assertThat(moved.sameBytes(theta.tensor("fc2.weight"))).isFalse();
        }
        assertSame(outputs(network, permuted, inputs), outputs(network, theta, inputs));
      }
    }
  }

  /** Channels of the image are a space here, read through a flatten of 2 x 3 positions. */
  @Test
  void permutingChannelsBeforeAFlattenKeepsTheOutput() throws IOException {
    int channels = 5;
    int positions = 6;
    TorchNetwork network =
        TorchNetwork.of(
            Sequential.of(
                new Flatten(), new Linear("fc1", 30, 9), Activation.RELU, new Linear("fc2", 9, 3)),
            channels,
            2,
            3);
    Architecture.Builder builder = Architecture.builder();
    builder.space(
        "image",
        channels,
        MapFamily.PERMUTATION,
        new Binding("fc1.weight", 1, Role.WEIGHT_IN, new Block(0, positions)));
    network.architecture().spaces().forEach(builder::space);
    int[] permutation = permutation(channels, 3);
    Alignment alignment =
        Alignment.of(
            "planted",
            builder.build(),
            Map.of(
                "image",
                ScaledPermutation.of(permutation),
                "fc1",
                ScaledPermutation.of(permutation(9, 4))));
    try (MemoryCheckpoint theta = Oracle.random(network, 2);
        Tensor inputs = Oracle.normal(1, 8, channels, 2, 3);
        Tensor permuted = inputs.copy()) {
      for (int s = 0; s < 8; s++) {
        for (int c = 0; c < channels; c++) {
          for (int p = 0; p < positions; p++) {
            permuted.set(
                (s * channels + c) * positions + p,
                inputs.get((s * channels + permutation[c]) * positions + p));
          }
        }
      }
      assertSame(
          outputs(network, alignment.apply(theta), permuted), outputs(network, theta, inputs));
    }
  }

  @Test
  void verificationMeasuresHowMuchAMapChangesTheOutput() throws IOException {
    TorchNetwork network = TorchNetwork.mlp(8, 12, 2, 4, Activation.RELU);
    try (MemoryCheckpoint a = Oracle.random(network, 3);
        MemoryCheckpoint b = Oracle.random(network, 50);
        Tensor inputs = Oracle.normal(2, 400, 8);
        Moments moments =
            Moments.collect(network, List.of(a, b), batches(inputs, 100), CcaAligner.REQUEST, ws)) {
      AlignmentProblem problem = AlignmentProblem.of(network.architecture(), moments);
      Inputs batches = batches(inputs, 100);
      Alignment dense = CcaAligner.relativeGamma(1).align(problem, ws).of(1);
      Alignment exact = PlantedPermutationTest.planted(network.architecture(), 1);

      Verification ofDense = dense.verify(network, b, batches, ws);
      Verification ofExact = exact.verify(network, b, batches, ws);

      assertThat(ofExact.outputChange().orElseThrow()).isLessThan(1e-6);
      assertThat(ofExact.residual()).isZero();
      assertThat(exact.isExact()).isTrue();
      assertThat(ofDense.outputChange().orElseThrow()).isGreaterThan(0.01);
      assertThat(ofDense.residual()).isLessThan(1e-9);
      assertThat(dense.isExact()).isFalse();
    }
  }

  @Test
  void inALinearNetworkADenseMapKeepsTheOutput() throws IOException {
    TorchNetwork network =
        TorchNetwork.of(Sequential.of(new Linear("a", 8, 12), new Linear("b", 12, 4)), 8);
    try (MemoryCheckpoint a = Oracle.random(network, 3);
        MemoryCheckpoint b = Oracle.random(network, 50);
        Tensor inputs = Oracle.normal(2, 400, 8);
        Moments moments =
            Moments.collect(network, List.of(a, b), batches(inputs, 100), CcaAligner.REQUEST, ws)) {
      Alignment dense =
          CcaAligner.relativeGamma(1)
              .align(AlignmentProblem.of(network.architecture(), moments), ws)
              .of(1);
      assertThat(dense.isExact()).isTrue();
      assertSame(outputs(network, dense.apply(b), inputs), outputs(network, b, inputs));
    }
  }

  /** Tiles and threads must not change what is found. */
  @Test
  void momentsAreTheSameToTheBitForAnyNumberOfThreads() throws IOException {
    TorchNetwork network = TorchNetwork.mlp(8, 70, 1, 4, Activation.RELU);
    try (MemoryCheckpoint a = Oracle.random(network, 3);
        MemoryCheckpoint b = Oracle.random(network, 50);
        Tensor inputs = Oracle.normal(2, 700, 8)) {
      double[][][] first = null;
      for (int threads : new int[] {1, 2, 8}) {
        try (Workspace other = Workspace.builder().threads(threads).open();
            Moments moments =
                Moments.collect(
                    network, List.of(a, b), batches(inputs, 300), CcaAligner.REQUEST, other)) {
          double[][][] found = {
            moments.space("fc1").block(0, 0).toArray(), moments.space("fc1").block(0, 1).toArray()
          };
          first = first == null ? found : first;
          assertThat(found).isDeepEqualTo(first);
        }
      }
    }
  }

  @Test
  void batchesComeInOrderAndEnd() {
    try (Tensor inputs = Oracle.normal(2, 7, 3)) {
      Inputs batches = batches(inputs, 3);
      assertThat(batches.samples()).isEqualTo(7);
      int rows = 0;
      for (Iterator<Tensor> it = batches.open(1); it.hasNext(); ) {
        Tensor batch = it.next();
        assertThat(batch.get(0)).isEqualTo(inputs.get(rows * 3L));
        rows += Math.toIntExact(batch.dim(0));
      }
      assertThat(rows).isEqualTo(7);
    }
  }
}
