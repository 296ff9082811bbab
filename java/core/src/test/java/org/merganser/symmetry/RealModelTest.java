// SPDX-License-Identifier: Apache-2.0
package org.merganser.symmetry;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeFalse;
import static org.merganser.testing.Work.WS;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.merganser.compute.DType;
import org.merganser.io.Checkpoint;
import org.merganser.io.Safetensors;
import org.merganser.symmetry.SymmetryElement.Kind;
import org.merganser.transformer.CanonicalCheckpoint;
import org.merganser.transformer.TransformerConfig;

/** A model of someone's: {@code -Dmerganser.gguf=PATH}, a GGUF file or a folder. */
class RealModelTest {
  @Test
  void aModelOnThisMachineKeepsItsFunction() throws IOException {
    String path = System.getProperty("merganser.gguf", "");
    assumeFalse(path.isEmpty(), "skipped: -Dmerganser.gguf=PATH names no model");
    try (Checkpoint file = Safetensors.open(Path.of(path))) {
      TransformerConfig config =
          Files.isDirectory(Path.of(path))
              ? TransformerConfig.read(Path.of(path))
              : TransformerConfig.ofGguf(file);
      CanonicalCheckpoint model = CanonicalCheckpoint.of(file, config).as(DType.F32);
      int[] ids = new SplittableRandom(1).ints(8, 0, config.vocabulary()).toArray();
      double[][] wanted = ReferenceForward.logits(config, model, ids, WS);
      double largest = 0;
      for (double[] row : wanted) {
        for (double each : row) {
          largest = Math.max(largest, Math.abs(each));
        }
      }
      for (Set<Kind> kinds :
          List.of(
              EnumSet.of(Kind.UNITS, Kind.HEADS, Kind.RESIDUAL),
              EnumSet.complementOf(EnumSet.of(Kind.ROTATION)))) {
        Checkpoint moved = SymmetryElement.random(config, kinds, 1).apply(model);
        double[][] found = ReferenceForward.logits(config, moved, ids, WS);
        assertThat(ReferenceForward.difference(wanted, found)).isLessThan(1e-4 * largest);
      }
    }
  }
}
