// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch.transformer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.io.IOException;
import java.util.EnumSet;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.linalg.Tensor;
import org.merganser.model.Mode;
import org.merganser.model.Network;
import org.merganser.symmetry.LayerSymmetry;
import org.merganser.symmetry.NormAbsorption;
import org.merganser.symmetry.SymmetryElement;
import org.merganser.symmetry.SymmetryElement.Kind;
import org.merganser.symmetry.SymmetryElement.SignedPermutation;
import org.merganser.torch.transformer.TransformerNetwork.Tap;
import org.merganser.transformer.GoldenModel;
import org.merganser.transformer.TransformerConfig;

/** Symmetries of transformers, seen by the network: outputs stay, activations move. */
class SymmetriesTest {
  private final Workspace ws = Workspace.builder().threads(2).open();

  @AfterEach
  void close() {
    ws.close();
  }

  private double[] outputs(TransformerConfig config, DType precision, Checkpoint theta)
      throws IOException {
    int[][] ids = TransformerNetworkTest.sequences(config, 2, 16, 9);
    try (TransformerSession session = TransformerNetwork.of(config).in(precision).open(theta, ws);
        Tensor found = session.logits(ids)) {
      return found.toDoubleArray();
    }
  }

  private static void assertClose(double[] found, double[] wanted, double tolerance) {
    double largest = 1;
    for (double each : wanted) {
      largest = Math.max(largest, Math.abs(each));
    }
    assertThat(found).hasSameSizeAs(wanted);
    for (int i = 0; i < found.length; i++) {
      assertThat(found[i]).as("%d", i).isCloseTo(wanted[i], within(tolerance * largest));
    }
  }

  /** All kinds at once but rotations of the residual stream; moved weights in F64 and in F32. */
  @ParameterizedTest
  @EnumSource
  void outputsStay(GoldenModel model) throws IOException {
    TransformerConfig config = model.config();
    Set<Kind> kinds = EnumSet.complementOf(EnumSet.of(Kind.ROTATION));
    if (!config.causal()) {
      // It gives the stream itself.
      kinds.remove(Kind.RESIDUAL);
    }
    try (MemoryCheckpoint theta = model.weights()) {
      double[] wanted = outputs(config, DType.F64, theta);
      for (long seed = 1; seed <= 3; seed++) {
        Checkpoint moved = SymmetryElement.random(config, kinds, seed).apply(theta);
        assertClose(outputs(config, DType.F64, moved), wanted, 1e-10);
        assertClose(outputs(config, DType.F32, moved.as(DType.F32)), wanted, 1e-4);
      }
    }
  }

  @ParameterizedTest
  @EnumSource(
      value = GoldenModel.class,
      names = {"LLAMA", "TIED", "MQA", "QWEN2", "QWEN3"})
  void outputsStayUnderRotationsOfTheResidualStream(GoldenModel model) throws IOException {
    try (MemoryCheckpoint theta = model.weights()) {
      double[] wanted = outputs(model.config(), DType.F64, theta);
      NormAbsorption absorbed = NormAbsorption.of(theta, model.config(), true, ws);
      TransformerConfig config = absorbed.config();
      assertClose(outputs(config, DType.F64, absorbed.checkpoint()), wanted, 1e-10);
      Set<Kind> kinds = EnumSet.complementOf(EnumSet.of(Kind.RESIDUAL, Kind.GAINS));
      Checkpoint moved = SymmetryElement.random(config, kinds, 4).apply(absorbed.checkpoint());
      assertClose(outputs(config, DType.F64, moved), wanted, 1e-10);
      assertClose(outputs(config, DType.F32, moved.as(DType.F32)), wanted, 1e-4);
    }
  }

  /** New hidden unit i is s_i times the old unit[i]; the residual stream is permuted with signs. */
  @Test
  void activationsMoveAsTheElementSays() throws IOException {
    TransformerConfig config = GoldenModel.medium();
    SymmetryElement element =
        SymmetryElement.random(
            config, EnumSet.complementOf(EnumSet.of(Kind.ROTATION, Kind.GAINS)), 5);
    try (MemoryCheckpoint theta = GoldenModel.weights(config, 1)) {
      Map<String, double[]> before = taps(config, theta);
      Map<String, double[]> after = taps(config, element.apply(theta));
      SignedPermutation residual = (SignedPermutation) element.residual();
      int[] permutation = residual.permutation();
      int[] signs = residual.signs();
      for (int layer = 0; layer < config.layers(); layer++) {
        LayerSymmetry of = element.layers().get(layer);
        int[] units = of.units();
        double[] scales = of.unitScales();
        String mlp = Tap.MLP.of(layer);
        String stream = Tap.RESIDUAL.of(layer);
        for (int token = 0; token < 32; token++) {
          for (int i = 0; i < config.intermediate(); i++) {
            double wanted = scales[i] * before.get(mlp)[token * config.intermediate() + units[i]];
            assertThat(after.get(mlp)[token * config.intermediate() + i])
                .isCloseTo(wanted, within(1e-9 * Math.max(1, Math.abs(wanted))));
          }
          for (int i = 0; i < config.hidden(); i++) {
            assertThat(after.get(stream)[token * config.hidden() + i])
                .isCloseTo(
                    signs[i] * before.get(stream)[token * config.hidden() + permutation[i]],
                    within(1e-9));
          }
        }
      }
    }
  }

  private Map<String, double[]> taps(TransformerConfig config, Checkpoint theta)
      throws IOException {
    TransformerNetwork network = TransformerNetwork.of(config).in(DType.F64);
    Map<String, double[]> found = new LinkedHashMap<>();
    int[][] ids = TransformerNetworkTest.sequences(config, 2, 16, 9);
    Set<String> all = new HashSet<>();
    network.architecture().spaces().forEach(space -> all.add(space.id()));
    try (Network.Session session = network.open(theta, ws);
        Tensor inputs = TokenWindows.tensor(ids)) {
      session.run(inputs, Mode.EVAL, all, (tap, x) -> found.put(tap, x.toDoubleArray()));
    }
    assertThat(found.keySet()).isEqualTo(all);
    return found;
  }
}
