// SPDX-License-Identifier: Apache-2.0
package org.merganser.examples;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.merganser.compute.Workspace;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.io.Safetensors;
import org.merganser.io.ShardedWriter;
import org.merganser.symmetry.SymmetryElement;
import org.merganser.symmetry.SymmetryElement.Kind;
import org.merganser.torch.transformer.DecoderTraining;
import org.merganser.torch.transformer.TokenWindows;
import org.merganser.torch.transformer.TransformerNetwork;
import org.merganser.torch.transformer.TransformerSession;
import org.merganser.transformer.TransformerConfig;

/** The example of transfers: a decoder learns to count, and another one counts. */
class TransferSkillTest {
  private static final TransformerConfig CONFIG = TransformerConfig.llama(12, 16, 1, 2, 1, 8, 24);

  @TempDir Path folder;

  @Test
  void theTargetLearnsWhatTheSkillDid() throws IOException {
    TransformerNetwork network = TransformerNetwork.of(CONFIG);
    List<int[]> counting = new ArrayList<>();
    for (int i = 0; i < 400; i++) {
      int[] text = new int[8];
      for (int t = 0; t < text.length; t++) {
        text[t] = (i + t) % 12;
      }
      counting.add(text);
    }
    try (Workspace ws = Workspace.builder().threads(1).seed(1).open();
        MemoryCheckpoint target = network.initialise(1);
        DecoderTraining skill =
            DecoderTraining.of(
                network,
                target,
                TokenWindows.of(counting),
                DecoderTraining.Options.adamW(1e-2, 60).withBatch(8),
                ws)) {
      // Source models in other coordinates: what is added as it is would be noise.
      SymmetryElement moved = SymmetryElement.random(CONFIG, EnumSet.of(Kind.UNITS, Kind.HEADS), 2);
      write("target", target, ws);
      write("base", moved.apply(target), ws);
      write("skill", moved.apply(skill.model()), ws);
      Path out = folder.resolve("out");
      int[][] texts = {counting.get(3), counting.get(7)};
      double lambda =
          TransferSkill.transfer(
              folder.resolve("target"),
              folder.resolve("skill"),
              folder.resolve("base"),
              texts,
              out,
              ws);
      assertThat(lambda).isBetween(0.5, 1.0);
      assertThat(ShardedWriter.verify(out, ws)).isEmpty();
      try (Checkpoint result = Safetensors.open(out);
          TransformerSession before = network.open(target, ws);
          TransformerSession after = network.open(result, ws)) {
        assertThat(sum(after.logProbabilities(texts)))
            .isGreaterThan(0.5 * sum(before.logProbabilities(texts)));
      }
    }
  }

  private static double sum(double[][] values) {
    double sum = 0;
    for (double[] row : values) {
      for (double value : row) {
        sum += value;
      }
    }
    return sum;
  }

  private void write(String name, Checkpoint model, Workspace ws) throws IOException {
    Path to = Files.createDirectories(folder.resolve(name));
    CONFIG.writeTo(to.resolve("config.json"));
    Safetensors.write(model, to.resolve("model.safetensors"), ws);
  }
}
