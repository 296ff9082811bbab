// SPDX-License-Identifier: Apache-2.0
package org.merganser.repair;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;
import static org.merganser.testing.Work.WS;

import java.io.IOException;
import java.util.Arrays;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.merganser.compute.DType;
import org.merganser.error.IncompatibleModelsException;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.linalg.Tensor;
import org.merganser.model.BatchNormLayer;
import org.merganser.model.Mode;
import org.merganser.testing.JavaNetwork;
import org.merganser.testing.NormedMlp;
import org.merganser.testing.Oracle;

/** Normalisation folded into the layers before it and put back, on a network in plain Java. */
class BatchNormFoldTest {
  private static final NormedMlp NETWORK = new NormedMlp(true, 5, 7, 6, 3);
  private static final double[][] X = Oracle.gaussian(40, 5, 9);
  private static final BatchNormFold FOLD = BatchNormFold.of(NETWORK);

  static IntStream seeds() {
    return IntStream.range(0, 10);
  }

  /** w=2, b=.5 with mean 1, variance 4, scale 3, shift -1 become w=3, b=-1.75. */
  @Test
  void golden() throws IOException {
    NormedMlp one = new NormedMlp(true, 1, 1, 1);
    try (MemoryCheckpoint model = one.random(DType.F64, 1, WS)) {
      model.tensor("fc0.weight").set(0, 2);
      model.tensor("fc0.bias").set(0, 0.5);
      model.tensor("bn0.weight").set(0, 3);
      model.tensor("bn0.bias").set(0, -1);
      model.tensor("bn0.running_mean").set(0, 1);
      model.tensor("bn0.running_var").set(0, 4 - 1e-5);
      Checkpoint folded = BatchNormFold.of(one).fold(model);
      try (Tensor weight = folded.read("fc0.weight", WS);
          Tensor bias = folded.read("fc0.bias", WS)) {
        assertThat(weight.get(0)).isCloseTo(3, within(1e-12));
        assertThat(bias.get(0)).isCloseTo(-1.75, within(1e-12));
      }
    }
  }

  @ParameterizedTest
  @MethodSource("seeds")
  void foldingKeepsTheFunction(int seed) throws IOException {
    try (MemoryCheckpoint model = NETWORK.random(DType.F64, seed, WS)) {
      Checkpoint folded = FOLD.fold(model);
      try (MemoryCheckpoint plain = NETWORK.folded().random(DType.F64, seed, WS)) {
        assertThat(folded.tensors()).isEqualTo(plain.tensors());
      }
      assertThat(NETWORK.folded().outputs(folded, X, Mode.EVAL, WS))
          .containsExactly(NETWORK.outputs(model, X, Mode.EVAL, WS), within(1e-12));
    }
  }

  /** After a reset, a model that was folded and put back is the model after a reset. */
  @ParameterizedTest
  @MethodSource("seeds")
  void unfoldingRestoresTheFunction(int seed) throws IOException {
    try (MemoryCheckpoint model = NETWORK.random(DType.F64, seed, WS)) {
      // Some scales negative: their sign is in the rows once it is folded.
      for (BatchNormLayer norm : NETWORK.batchNorms()) {
        Tensor scale = model.tensor(norm.scale());
        scale.set(seed % scale.size(), -1.1);
      }
      Checkpoint unfolded = FOLD.unfold(FOLD.fold(model), model);
      assertThat(unfolded.tensors()).isEqualTo(model.tensors());
      assertThat(unfolded.stale())
          .containsExactlyInAnyOrder(
              "bn0.running_mean", "bn0.running_var", "bn1.running_mean", "bn1.running_var");
      assertThatThrownBy(() -> FOLD.fold(unfolded))
          .isInstanceOf(IncompatibleModelsException.class)
          .hasMessageContaining("'bn0.running_mean' is stale: reset it before folding");
      assertThat(outputsAfterReset(unfolded))
          .containsExactly(outputsAfterReset(model), within(1e-3));
      assertThatThrownBy(() -> FOLD.unfold(model, model))
          .isInstanceOf(IncompatibleModelsException.class)
          .hasMessageContaining("the first is not folded: it has 'bn0.weight'");
    }
  }

  private static double[] outputsAfterReset(Checkpoint model) throws IOException {
    try (MemoryCheckpoint reset =
        new BatchNormReset().apply(model, NETWORK, JavaNetwork.inputs(X, X.length), WS)) {
      return NETWORK.outputs(reset, X, Mode.EVAL, WS);
    }
  }

  @ParameterizedTest
  @MethodSource("seeds")
  void negativeScalesMoveIntoTheLayerBefore(int seed) throws IOException {
    try (MemoryCheckpoint model = NETWORK.random(DType.F64, seed, WS)) {
      for (BatchNormLayer norm : NETWORK.batchNorms()) {
        Tensor scale = model.tensor(norm.scale());
        for (long c = seed % 3; c < scale.size(); c += 3) {
          scale.set(c, -scale.get(c));
        }
      }
      Checkpoint positive = FOLD.positive(model);
      for (BatchNormLayer norm : NETWORK.batchNorms()) {
        try (Tensor scale = positive.read(norm.scale(), WS)) {
          assertThat(Arrays.stream(scale.toDoubleArray()).min().getAsDouble()).isPositive();
        }
      }
      assertThat(NETWORK.outputs(positive, X, Mode.EVAL, WS))
          .containsExactly(NETWORK.outputs(model, X, Mode.EVAL, WS), within(1e-12));
    }
  }

  @Test
  void aNetworkWithoutNormalisationIsRefused() {
    assertThatThrownBy(() -> BatchNormFold.of(NETWORK.folded()))
        .isInstanceOf(IncompatibleModelsException.class)
        .hasMessageContaining("the network has no batch normalisation");
  }
}
