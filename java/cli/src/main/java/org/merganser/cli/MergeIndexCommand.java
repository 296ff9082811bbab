// SPDX-License-Identifier: Apache-2.0
package org.merganser.cli;

import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Path;
import org.merganser.io.ShardedWriter;
import picocli.CommandLine.Command;
import picocli.CommandLine.Parameters;

/** Finishes what several processes wrote; typed as {@code merge index DIR}. */
@Command(
    name = MergeIndexCommand.NAME,
    hidden = true,
    description =
        "Finishes a merge that several processes shared (merge --shard): writes the index.")
final class MergeIndexCommand extends Computation {
  static final String NAME = "merge-index";

  @Parameters(paramLabel = "DIR", description = "The folder that they wrote to.")
  Path folder;

  @Override
  void run(PrintWriter out) throws IOException {
    ShardedWriter.index(folder);
    out.println("finished " + Printable.line(folder));
  }
}
