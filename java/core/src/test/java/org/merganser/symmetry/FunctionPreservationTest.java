// SPDX-License-Identifier: Apache-2.0
package org.merganser.symmetry;

import static org.assertj.core.api.Assertions.assertThat;
import static org.merganser.testing.Work.WS;

import java.io.IOException;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.merganser.compute.DType;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.symmetry.SymmetryElement.Kind;
import org.merganser.symmetry.SymmetryElement.SignedPermutation;
import org.merganser.transformer.GoldenModel;
import org.merganser.transformer.TransformerConfig;

/** Elements change weights and no logit. */
class FunctionPreservationTest {
  private static final Set<Kind> INTERNAL =
      EnumSet.complementOf(EnumSet.of(Kind.RESIDUAL, Kind.ROTATION));

  static Stream<Arguments> alone() {
    List<Arguments> cases = new ArrayList<>();
    for (GoldenModel model : GoldenModel.values()) {
      for (Kind kind : Kind.values()) {
        cases.add(Arguments.of(model, EnumSet.of(kind)));
      }
      cases.add(Arguments.of(model, EnumSet.complementOf(EnumSet.of(Kind.ROTATION))));
      cases.add(Arguments.of(model, EnumSet.complementOf(EnumSet.of(Kind.RESIDUAL, Kind.GAINS))));
    }
    return cases.stream();
  }

  /** In F64 to 1e-10, and to 1e-4 where the new weights are rounded to F32. */
  @ParameterizedTest
  @MethodSource("alone")
  void noLogitMoves(GoldenModel model, Set<Kind> kinds) throws IOException {
    for (long seed = 1; seed <= 3; seed++) {
      TransformerConfig config = model.config();
      Checkpoint weights = GoldenModel.weights(config, seed);
      if (kinds.contains(Kind.ROTATION) && !config.postNorm()) {
        NormAbsorption absorbed = NormAbsorption.of(weights, config, true, WS);
        weights = absorbed.checkpoint();
        config = absorbed.config();
      }
      SymmetryElement element = SymmetryElement.random(config, kinds, seed);
      double[][] wanted = outputs(config, weights, element);
      Checkpoint moved = element.apply(weights);
      double[][] found = ReferenceForward.logits(config, moved, GoldenModel.ids(), WS);
      assertThat(ReferenceForward.difference(wanted, found)).isLessThan(1e-10);
      found = ReferenceForward.logits(config, moved.as(DType.F32), GoldenModel.ids(), WS);
      assertThat(ReferenceForward.difference(wanted, found)).isLessThan(1e-4);
      assertThat(changes(weights, moved)).isEqualTo(!element.isIdentity());
    }
  }

  /** Of a model without a head the residual stream is what comes out, so it moves along. */
  private static double[][] outputs(
      TransformerConfig config, Checkpoint weights, SymmetryElement element) throws IOException {
    double[][] outputs = ReferenceForward.logits(config, weights, GoldenModel.ids(), WS);
    if (!config.causal() && element.residual() instanceof SignedPermutation moved) {
      for (double[] row : outputs) {
        double[] before = row.clone();
        for (int i = 0; i < row.length; i++) {
          row[i] = moved.signs()[i] * before[moved.permutation()[i]];
        }
      }
    }
    return outputs;
  }

  private static boolean changes(Checkpoint before, Checkpoint after) throws IOException {
    for (String name : before.tensors().keySet()) {
      if (!before.read(name, WS).sameBytes(after.read(name, WS))) {
        return true;
      }
    }
    return false;
  }

  /** Absorption alone, with and without a tie. */
  @ParameterizedTest
  @EnumSource(mode = EnumSource.Mode.EXCLUDE, names = "BERT")
  void absorbedGainsLeaveTheFunction(GoldenModel model) throws IOException {
    MemoryCheckpoint weights = model.weights();
    NormAbsorption absorbed = NormAbsorption.of(weights, model.config(), true, WS);
    double[][] wanted = ReferenceForward.logits(model.config(), weights, GoldenModel.ids(), WS);
    double[][] found =
        ReferenceForward.logits(absorbed.config(), absorbed.checkpoint(), GoldenModel.ids(), WS);
    assertThat(ReferenceForward.difference(wanted, found)).isLessThan(1e-12);
    assertThat(absorbed.checkpoint().tensors()).isEqualTo(absorbed.config().tensors(DType.F64));
    for (String name : absorbed.checkpoint().tensors().keySet()) {
      if (name.contains("layernorm.weight") || name.equals("model.norm.weight")) {
        assertThat(absorbed.checkpoint().read(name, WS).toDoubleArray()).containsOnly(1);
      }
    }
  }
}
