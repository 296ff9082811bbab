// SPDX-License-Identifier: Apache-2.0
package org.merganser.cli;

import java.io.IOException;
import java.nio.file.Path;
import org.merganser.compute.Workspace;
import org.merganser.error.IncompatibleModelsException;
import org.merganser.io.Checkpoint;
import org.merganser.io.Safetensors;
import picocli.CommandLine.Option;

/** What to do with running statistics that a dense map made meaningless. */
final class Staleness {
  @Option(
      names = "--allow-stale",
      description =
          "Write a model whose running statistics a dense map made meaningless; reset them before"
              + " it is used.")
  boolean allowed;

  void write(Checkpoint checkpoint, Path out, Workspace ws) throws IOException {
    if (!checkpoint.stale().isEmpty() && !allowed) {
      throw new IncompatibleModelsException(
          "a dense map changes what normalisation statistics describe, and they are not reset"
              + " here; use --method permutation, reset them through the Java API, or write the"
              + " model as it is with --allow-stale and reset it where it is trained",
          checkpoint.stale().stream().sorted().toList());
    }
    Safetensors.write(checkpoint, out, ws);
  }
}
