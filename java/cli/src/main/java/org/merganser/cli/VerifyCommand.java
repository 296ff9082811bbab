// SPDX-License-Identifier: Apache-2.0
package org.merganser.cli;

import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.List;
import org.merganser.compute.Workspace;
import org.merganser.error.FormatException;
import org.merganser.io.Checkpoint;
import org.merganser.io.Safetensors;
import org.merganser.io.ShardedWriter;
import picocli.CommandLine.Command;
import picocli.CommandLine.Parameters;

/** Reads a merged model again, and compares it with the digests of when it was written. */
@Command(
    name = "verify",
    description =
        "Compares a folder that merge wrote with the digests in its merganser.json: index, headers,"
            + " every tensor, and files where they have digests.")
final class VerifyCommand extends Computation {
  @Parameters(paramLabel = "DIR", description = "The folder.")
  Path folder;

  @Override
  void run(PrintWriter out) throws IOException {
    try (Workspace ws = open(0)) {
      List<String> problems = ShardedWriter.verify(folder, ws);
      problems.forEach(problem -> out.println(Printable.line(problem)));
      if (!problems.isEmpty()) {
        throw new FormatException(
            folder + ": " + problems.size() + " parts are not as they were written");
      }
      try (Checkpoint model = Safetensors.open(folder)) {
        out.printf(
            "%s: %d tensors, as they were written%n",
            Printable.line(folder), model.tensors().size());
      }
    }
  }
}
