// SPDX-License-Identifier: Apache-2.0
package org.merganser.examples;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import org.merganser.align.AlignmentProblem;
import org.merganser.align.AlignmentSet;
import org.merganser.align.CcaAligner;
import org.merganser.compute.Workspace;
import org.merganser.io.Checkpoint;
import org.merganser.io.Safetensors;
import org.merganser.merge.LinearMerger;
import org.merganser.merge.MergeProblem;
import org.merganser.model.Architecture;
import org.merganser.model.LinearStack;
import org.merganser.stats.Moments;

/**
 * Merges two safetensors checkpoints whose activations another program wrote: the example of the
 * README.
 *
 * <p>Run with the arguments {@code A.safetensors B.safetensors ACTIVATIONS_A ACTIVATIONS_B OUT}.
 */
public final class MergeTwoCheckpoints {
  private MergeTwoCheckpoints() {}

  /** Aligns b to a by CCA and averages both. */
  public static void main(String[] args) throws IOException {
    Path pathA = Path.of(args[0]);
    Path pathB = Path.of(args[1]);
    List<Path> activations = List.of(Path.of(args[2]), Path.of(args[3]));
    Path out = Path.of(args[4]);
    // README begin
    try (Workspace ws = Workspace.open();
        Checkpoint a = Safetensors.open(pathA);
        Checkpoint b = Safetensors.open(pathB)) {
      Architecture arch = LinearStack.infer(a);
      Moments.Options how = Moments.Options.defaults();
      try (Moments stats = Moments.fromFiles(arch, activations, CcaAligner.REQUEST, how, ws);
          AlignmentSet maps =
              CcaAligner.relativeGamma(1).align(AlignmentProblem.of(arch, stats), ws);
          Checkpoint inA = maps.of(1).apply(b);
          Checkpoint merged = LinearMerger.uniform().merge(MergeProblem.of(a, inA), ws)) {
        Safetensors.write(merged, out, ws);
      }
    }
    // README end
  }
}
