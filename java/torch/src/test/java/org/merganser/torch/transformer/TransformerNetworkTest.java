// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch.transformer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.io.IOException;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.SplittableRandom;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.merganser.align.AlignmentProblem;
import org.merganser.align.AlignmentSet;
import org.merganser.align.PermutationAligner;
import org.merganser.align.ScaledPermutation;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.error.IncompatibleModelsException;
import org.merganser.error.ShapeException;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.linalg.Tensor;
import org.merganser.model.Mode;
import org.merganser.model.Network;
import org.merganser.stats.Moments;
import org.merganser.symmetry.ReferenceForward;
import org.merganser.torch.transformer.TransformerNetwork.Tap;
import org.merganser.transformer.GoldenModel;
import org.merganser.transformer.TransformerConfig;

class TransformerNetworkTest {
  private static final int[] IDS = {1, 5, 7, 3, 2, 9, 31, 0};

  private final Workspace ws = Workspace.builder().threads(2).open();

  @AfterEach
  void close() {
    ws.close();
  }

  private double[] logits(TransformerNetwork network, Checkpoint theta, int[]... ids)
      throws IOException {
    try (TransformerSession session = network.open(theta, ws);
        Tensor logits = session.logits(ids)) {
      return logits.toDoubleArray();
    }
  }

  /** Confirmed with Hugging Face's implementations to the precision of their norms, 3e-6. */
  @ParameterizedTest
  @CsvSource({
    "LLAMA, 2.4814217200447732, -0.7283543663383167, -0.8447924807337827, 15, 57.691853924732015,"
        + " 23.732320421292147",
    "TIED, 1.006410355050025, 4.600252456465024, -2.706274086064496, 17, 44.48169720032699,"
        + " 40.3298409323552",
    "MHA, 0.1621894219896997, -0.9319565431416235, 1.5129391730494413, 27, 6.927884943751083,"
        + " 23.59849281889492",
    "MQA, -1.449566324430429, 0.0510632893944435, -0.9411819989768853, 30, -0.30069179549306924,"
        + " 16.497370220259825",
    "QWEN2, 0.526676468687375, 2.8000405998115534, 1.6401975485898805, 1, -30.753188610518286,"
        + " 19.49360686948866",
    "QWEN3, -1.7314722587774891, -0.49504472579010267, -1.6135666113521445, 5,"
        + " 60.26979372748082, 16.393018820626647"
  })
  void goldens(GoldenModel model, double a, double b, double c, int best, double sum, double norm)
      throws IOException {
    TransformerNetwork network = TransformerNetwork.of(model.config());
    try (Checkpoint theta = model.weights()) {
      double[] wanted = {a, b, c, sum, norm};
      check(logits(network.in(DType.F64), theta, IDS), wanted, best, 1e-9);
      check(logits(network, theta, IDS), wanted, best, 2e-5);
    }
  }

  private static void check(double[] all, double[] wanted, int best, double tolerance) {
    double[] last = Arrays.copyOfRange(all, 7 * 32, 8 * 32);
    double[] found = {
      last[0],
      last[1],
      last[2],
      Arrays.stream(all).sum(),
      Math.sqrt(Arrays.stream(all).map(v -> v * v).sum())
    };
    assertThat(found).containsExactly(wanted, within(tolerance));
    assertThat(last[best]).isEqualTo(Arrays.stream(last).max().getAsDouble());
  }

  /** Every structure, over several sequences at once. */
  @ParameterizedTest
  @EnumSource
  void everyStructureIsThatOfPlainLoops(GoldenModel model) throws IOException {
    TransformerNetwork network = TransformerNetwork.of(model.config());
    int[][] sequences = sequences(model.config(), 3, 16, 1);
    try (Checkpoint theta = model.weights()) {
      double[] exact = logits(network.in(DType.F64), theta, sequences);
      double[] single = logits(network, theta, sequences);
      int at = 0;
      for (int[] ids : sequences) {
        for (double[] row : ReferenceForward.logits(model.config(), theta, ids, ws)) {
          for (double wanted : row) {
            assertThat(exact[at]).isCloseTo(wanted, within(1e-10));
            assertThat(single[at++]).isCloseTo(wanted, within(5e-5));
          }
        }
      }
      assertThat(at).isEqualTo(exact.length);
    }
  }

  static int[][] sequences(TransformerConfig config, int count, int tokens, long seed) {
    SplittableRandom random = new SplittableRandom(seed);
    int[][] sequences = new int[count][];
    for (int s = 0; s < count; s++) {
      sequences[s] = random.ints(tokens, 0, config.vocabulary()).toArray();
    }
    return sequences;
  }

  @Test
  void logProbabilitiesAreTheLogitsNormed() throws IOException {
    TransformerConfig config = GoldenModel.medium();
    TransformerNetwork network = TransformerNetwork.of(config).in(DType.F64);
    // More tokens than logits are there at once.
    int[][] sequences = sequences(config, 2, 130, 2);
    try (Checkpoint theta = GoldenModel.weights(config, 3);
        TransformerSession session = network.open(theta, ws);
        Tensor logits = session.logits(sequences)) {
      double[][] found = session.logProbabilities(sequences);
      for (int s = 0; s < 2; s++) {
        assertThat(found[s]).hasSize(129);
        for (int t = 0; t < 129; t++) {
          int row = (s * 130 + t) * config.vocabulary();
          double sum = 0;
          for (int v = 0; v < config.vocabulary(); v++) {
            sum += Math.exp(logits.get(row + v));
          }
          double wanted = logits.get(row + sequences[s][t + 1]) - Math.log(sum);
          assertThat(found[s][t]).isCloseTo(wanted, within(1e-10));
        }
      }
    }
  }

  @Test
  void aTapIsTheSameWithAndWithoutTheRest() throws IOException {
    TransformerNetwork network = TransformerNetwork.of(GoldenModel.QWEN3.config());
    TokenWindows windows = TokenWindows.of(List.of(IDS));
    try (Checkpoint theta = GoldenModel.QWEN3.weights();
        TransformerSession session = network.open(theta, ws)) {
      Tensor ids = windows.batches(1).open(0).next();
      double[][] found = new double[2][];
      String tap = Tap.KEYS.of(0);
      session.run(ids, Mode.EVAL, Set.of(tap), (name, x) -> found[0] = x.toDoubleArray());
      session.run(
          ids,
          Mode.EVAL,
          Set.of(tap, Tap.RESIDUAL.of(1), Network.OUTPUT),
          (name, x) -> found[1] = name.equals(tap) ? x.toDoubleArray() : found[1]);
      // K = 2 heads of 8.
      assertThat(found[0]).hasSize(8 * 16).isEqualTo(found[1]);
    }
  }

  /** Statistics and aligners of networks work on transformers: hidden units of MLPs are found. */
  @Test
  void aPlantedPermutationOfHiddenUnitsIsFoundFromActivations() throws IOException {
    TransformerConfig config = GoldenModel.QWEN2.config();
    TransformerNetwork network = TransformerNetwork.of(config);
    try (MemoryCheckpoint theta = GoldenModel.QWEN2.weights();
        MemoryCheckpoint moved = reversed(theta, config)) {
      assertThat(logits(network.in(DType.F64), moved, IDS))
          .containsExactly(logits(network.in(DType.F64), theta, IDS), within(1e-12));
      try (Moments moments =
              Moments.collect(
                  network,
                  List.of(theta, moved),
                  TokenWindows.of(List.of(sequences(config, 16, 8, 4))).batches(5),
                  PermutationAligner.REQUEST,
                  Moments.Options.defaults(),
                  ws);
          AlignmentSet found =
              PermutationAligner.byCorrelation()
                  .align(AlignmentProblem.of(network.architecture(), moments), ws)) {
        ScaledPermutation map = (ScaledPermutation) found.of(1).map(Tap.MLP.of(1));
        for (int r = 0; r < config.intermediate(); r++) {
          assertThat(map.permutation()[r]).isEqualTo(config.intermediate() - 1 - r);
        }
      }
    }
  }

  private MemoryCheckpoint reversed(MemoryCheckpoint theta, TransformerConfig config)
      throws IOException {
    MemoryCheckpoint moved = MemoryCheckpoint.copyOf(theta, ws);
    int m = config.intermediate();
    int d = config.hidden();
    for (String part : List.of("gate_proj", "up_proj", "down_proj")) {
      String name = "model.layers.1.mlp." + part + ".weight";
      for (int unit = 0; unit < m; unit++) {
        for (int i = 0; i < d; i++) {
          boolean down = part.equals("down_proj");
          long from = down ? (long) i * m + unit : (long) unit * d + i;
          long to = down ? (long) i * m + m - 1 - unit : (long) (m - 1 - unit) * d + i;
          moved.tensor(name).set(to, theta.tensor(name).get(from));
        }
      }
    }
    return moved;
  }

  @Test
  @SuppressWarnings("try")
  void whatDoesNotFitIsNamed() throws IOException {
    TransformerNetwork network = TransformerNetwork.of(GoldenModel.GPT2.config());
    try (MemoryCheckpoint theta = GoldenModel.GPT2.weights();
        TransformerSession session = network.open(theta, ws)) {
      assertThatThrownBy(() -> session.logits(new int[] {1, 32}))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessage(
              "token 1 of sequence 0 is 32, and there are 32 rows of the embedding, from 0");
      assertThatThrownBy(() -> session.logits(new int[] {1}, new int[] {1, 2}))
          .isInstanceOf(ShapeException.class)
          .hasMessage(
              "sequence 1 has 2 tokens, sequence 0 has 1; sequences of a batch are of equal"
                  + " length");
      assertThatThrownBy(() -> session.logits(new int[17]))
          .isInstanceOf(ShapeException.class)
          .hasMessage(
              "sequences of 17 tokens, and the model has 16 positions; give shorter windows");
      assertThatThrownBy(() -> TransformerNetwork.of(GoldenModel.LLAMA.config()).open(theta, ws))
          .isInstanceOf(IncompatibleModelsException.class)
          .hasMessageContaining("lm_head.weight");
      session.close();
      assertThatThrownBy(() -> session.logits(IDS))
          .isInstanceOf(IllegalStateException.class)
          .hasMessage("this session is already closed");
    }
    TransformerNetwork bert = TransformerNetwork.of(GoldenModel.BERT.config());
    try (MemoryCheckpoint theta = GoldenModel.BERT.weights();
        TransformerSession session = bert.open(theta, ws)) {
      assertThatThrownBy(() -> session.logProbabilities(IDS))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessage(
              "a model of type 'bert' sees all tokens at once and predicts none; give a causal"
                  + " one");
      assertThatThrownBy(() -> session.logits(new int[][] {{1, 2}}, new int[][] {{0, 2}}))
          .hasMessage("token 1 of sequence 0 is 2, and there are 2 types of tokens, from 0");
    }
  }
}
