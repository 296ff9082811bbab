// SPDX-License-Identifier: Apache-2.0
package org.merganser.cli;

import java.io.IOException;
import java.io.PrintWriter;
import java.util.concurrent.Callable;
import org.merganser.compute.Workspace;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** A command that computes, with the options of all of these. */
abstract class Computation implements Callable<Integer> {
  @Spec CommandSpec spec;

  @Option(
      names = "--threads",
      paramLabel = "N",
      description =
          "Threads of the kernels; results do not depend on it (default: all processors).")
  Integer threads;

  @Option(
      names = {"-v", "--verbose"},
      description = "Show stack traces of errors.")
  boolean verbose;

  /** On standard error, closed when the command ends. */
  final ConsoleProgress progress = new ConsoleProgress();

  /**
   * @param out shown when the command has ended
   */
  abstract void run(PrintWriter out) throws IOException;

  @Override
  public final Integer call() throws IOException {
    try (progress) {
      run(spec.commandLine().getOut());
    }
    return 0;
  }

  /** A Workspace with these options, Ctrl-C as its cancellation. */
  final Workspace open(long seed) {
    Workspace.Builder builder =
        Workspace.builder().seed(seed).progress(progress).cancellation(Main.CANCELLATION);
    return (threads == null ? builder : builder.threads(threads)).open();
  }
}
