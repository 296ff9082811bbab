// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch.transformer;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.transformer.GoldenModel;
import org.merganser.transformer.SymmetryAligner;
import org.merganser.transformer.SymmetryElement;
import org.merganser.transformer.SymmetryElement.Kind;
import org.merganser.transformer.SymmetryMoments;
import org.merganser.transformer.TransformerConfig;

/** What a symmetry did to a model is found by what the models compute on the same tokens. */
class ActivationMomentsTest {
  @ParameterizedTest
  @EnumSource(
      value = GoldenModel.class,
      names = {"LLAMA", "MHA", "QWEN2", "GPT2"})
  void aPlantedSymmetryIsFound(GoldenModel golden) throws IOException {
    TransformerConfig config = golden.config();
    SplittableRandom random = new SplittableRandom(1);
    List<int[]> sequences = new ArrayList<>();
    for (int s = 0; s < 40; s++) {
      sequences.add(random.ints(12, 0, config.vocabulary()).toArray());
    }
    SymmetryElement planted = SymmetryElement.random(config, EnumSet.of(Kind.UNITS, Kind.HEADS), 2);
    try (Workspace ws = Workspace.builder().threads(2).open();
        MemoryCheckpoint target = golden.weights();
        MemoryCheckpoint source = MemoryCheckpoint.copyOf(planted.apply(target), ws);
        SymmetryMoments moments =
            ActivationMoments.collect(
                TransformerNetwork.of(config).in(DType.F64),
                source,
                target,
                TokenWindows.of(sequences),
                7,
                ws)) {
      assertThat(moments.tokens()).isEqualTo(480);
      SymmetryAligner.Result found =
          SymmetryAligner.of(SymmetryAligner.Options.defaults())
              .align(
                  new SymmetryAligner.Model(source, config),
                  new SymmetryAligner.Model(target, config),
                  moments,
                  ws);
      assertThat(found.report().after()).isLessThan(1e-12 * found.report().before());
    }
  }
}
