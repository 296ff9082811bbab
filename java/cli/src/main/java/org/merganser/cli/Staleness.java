// SPDX-License-Identifier: Apache-2.0
package org.merganser.cli;

import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
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
          "Writes the model although its normalisation statistics must be reset before use.")
  boolean allowed;

  /**
   * Writes a checkpoint, with a warning when it must be reset.
   *
   * @throws IncompatibleModelsException when it must be, and that was not asked for
   */
  void write(Checkpoint checkpoint, Path out, Workspace ws, PrintWriter err) throws IOException {
    List<String> stale = checkpoint.stale().stream().sorted().toList();
    if (stale.isEmpty()) {
      Safetensors.write(checkpoint, out, ws);
      return;
    }
    String reset = "reset them in PyTorch:\n" + Safetensors.TORCH_RESET.indent(2);
    if (!allowed) {
      throw new IncompatibleModelsException(
          "a dense map changes what normalisation statistics describe; use merge --repair bn-reset"
              + " (with --network and --data), --method permutation, or write the model with"
              + " --allow-stale and "
              + reset
              + "stale",
          stale);
    }
    Safetensors.write(checkpoint, Map.of("format", "pt"), out, Safetensors.Stale.WRITE, ws);
    err.print(
        "merganser: warning: "
            + stale.size()
            + " normalisation statistics of "
            + Printable.line(out)
            + " do not describe the model; before it is used, "
            + reset);
    err.flush();
  }
}
