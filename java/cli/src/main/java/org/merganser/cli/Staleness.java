// SPDX-License-Identifier: Apache-2.0
package org.merganser.cli;

import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Path;
import org.merganser.compute.Workspace;
import org.merganser.io.Checkpoint;
import org.merganser.io.Safetensors;
import picocli.CommandLine.Option;

/** What to do with running statistics that a dense map made meaningless. */
final class Staleness {
  @Option(
      names = "--allow-stale",
      description =
          "Writes the model although its normalisation statistics must be reset before use.")
  boolean allowed;

  void describe(MergeManifest manifest) {
    manifest.put("allow_stale", allowed);
  }

  /** Writes a checkpoint, with a warning when it must be reset and that is allowed. */
  void write(Checkpoint checkpoint, Path out, Workspace ws, PrintWriter err) throws IOException {
    Safetensors.Stale stale = allowed ? Safetensors.Stale.WRITE : Safetensors.Stale.REFUSE;
    Safetensors.write(checkpoint, out, stale, ws);
    if (!checkpoint.stale().isEmpty()) {
      err.printf(
          "merganser: warning: %d normalisation statistics of %s do not describe the model; before"
              + " it is used, reset them in PyTorch:%n%s",
          checkpoint.stale().size(), Printable.line(out), Safetensors.TORCH_RESET.indent(2));
    }
  }
}
