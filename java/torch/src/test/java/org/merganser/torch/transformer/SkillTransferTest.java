// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch.transformer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.io.IOException;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.recipe.SkillTransfer;
import org.merganser.symmetry.SymmetryAligner;
import org.merganser.symmetry.SymmetryElement;
import org.merganser.symmetry.SymmetryElement.Kind;
import org.merganser.symmetry.SymmetryMoments;
import org.merganser.torch.transformer.DecoderTraining.Options;
import org.merganser.transformer.GoldenModel;
import org.merganser.transformer.TransformerConfig;

/** Alignment by activations of forward passes, and what it is for, on models that were trained. */
class SkillTransferTest {
  private static final Set<Kind> ORDERS = EnumSet.of(Kind.UNITS, Kind.HEADS);

  /** Whatever keeps the residual stream. */
  private static final Set<Kind> INSIDE =
      EnumSet.of(Kind.UNITS, Kind.UNIT_SCALES, Kind.HEADS, Kind.VALUE_OUTPUT, Kind.QUERY_KEY);

  private static final SymmetryAligner.Options BALANCED =
      SymmetryAligner.Options.defaults()
          .with("scales", SymmetryAligner.Scales.BALANCE)
          .with("valueOutput", SymmetryAligner.ValueOutput.GENERAL);

  private static SymmetryAligner.Model model(Checkpoint weights, TransformerConfig config) {
    return new SymmetryAligner.Model(weights, config);
  }

  @Test
  void activationsFindAPlantedElement() throws IOException {
    TransformerConfig config = GoldenModel.medium();
    SymmetryElement planted = SymmetryElement.random(config, ORDERS, 3);
    TokenWindows data =
        TokenWindows.of(List.of(TransformerNetworkTest.sequences(config, 16, 64, 6)));
    try (Workspace ws = Workspace.builder().threads(2).open();
        MemoryCheckpoint exact = GoldenModel.weights(config, 0);
        MemoryCheckpoint target = MemoryCheckpoint.copyOf(exact.as(DType.F32), ws)) {
      Checkpoint source = planted.apply(target);
      try (SymmetryMoments moments =
          SymmetryStatistics.collect(
              model(source, config),
              model(target, config),
              data,
              5,
              SymmetryMoments.Tokens.UNIT,
              ws)) {
        SymmetryElement found =
            SymmetryAligner.of(SymmetryAligner.Options.defaults())
                .align(model(source, config), model(target, config), moments, ws)
                .element();
        Checkpoint back = found.apply(source);
        for (String name : config.tensors(DType.F32).keySet()) {
          try (var moved = back.read(name, ws)) {
            double largest = 0;
            for (long i = 0; i < moved.size(); i++) {
              double off = Math.abs(moved.get(i) - target.tensor(name).get(i));
              largest = Math.max(largest, off);
            }
            assertThat(largest).as(name).isCloseTo(0, within(1e-4));
          }
        }
      }
    }
  }

  /**
   * A skill that a model in other coordinates was trained to arrives whole where its difference is
   * aligned, and half at most where it is added as it is.
   */
  @Test
  void aSkillArrivesInOtherCoordinates() throws IOException {
    TransformerNetwork network = DecoderTrainingTest.NETWORK;
    TransformerConfig config = network.config();
    try (Workspace ws = DecoderTrainingTest.seeded(1);
        MemoryCheckpoint initial = network.initialise(1);
        DecoderTraining base =
            DecoderTraining.of(
                network,
                initial,
                DecoderTrainingTest.progressions(256, 2, 1),
                Options.adamW(1e-2, 150),
                ws);
        DecoderTraining skill =
            DecoderTraining.of(
                network,
                base.model(),
                DecoderTrainingTest.progressions(256, 4, 2),
                Options.adamW(5e-3, 150),
                ws);
        DecoderTraining target =
            DecoderTraining.of(
                network,
                base.model(),
                DecoderTrainingTest.progressions(256, 2, 3),
                Options.adamW(2e-3, 60),
                ws)) {
      double before = accuracy(target.model(), ws);
      assertThat(before).isLessThan(0.3);
      for (Set<Kind> kinds : List.of(ORDERS, INSIDE)) {
        SymmetryAligner.Options align =
            kinds.equals(ORDERS) ? SymmetryAligner.Options.defaults() : BALANCED;
        SymmetryElement hidden = SymmetryElement.random(config, kinds, 7);
        Checkpoint there = hidden.apply(base.model());
        SkillTransfer transfer =
            SkillTransfer.of(
                config,
                target.model(),
                hidden.apply(skill.model()),
                there,
                SkillTransfer.Options.defaults().withAlign(align));
        double naive = accuracy(transfer.add(1, ws), ws);
        double weights = accuracy(transfer.add(transfer.align(ws).element(), 1, ws), ws);
        SymmetryElement byActivations =
            byActivations(align, model(there, config), model(target.model(), config), ws);
        double activations = accuracy(transfer.add(byActivations, 1, ws), ws);
        assertThat(naive).isLessThan(0.7);
        assertThat(weights).isGreaterThan(0.9);
        assertThat(activations).isGreaterThan(0.9);
      }
    }
  }

  private static SymmetryElement byActivations(
      SymmetryAligner.Options align,
      SymmetryAligner.Model source,
      SymmetryAligner.Model target,
      Workspace ws)
      throws IOException {
    TokenWindows data = DecoderTrainingTest.progressions(64, 4, 8);
    try (SymmetryMoments moments =
        SymmetryStatistics.collect(source, target, data, 16, SymmetryMoments.Tokens.UNIT, ws)) {
      return SymmetryAligner.of(align).align(source, target, moments, ws).element();
    }
  }

  private static double accuracy(Checkpoint theta, Workspace ws) throws IOException {
    return DecoderTrainingTest.accuracy(theta, 4, ws);
  }
}
