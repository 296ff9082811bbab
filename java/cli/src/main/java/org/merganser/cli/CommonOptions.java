// SPDX-License-Identifier: Apache-2.0
package org.merganser.cli;

import org.merganser.compute.Progress;
import org.merganser.compute.Workspace;
import picocli.CommandLine;
import picocli.CommandLine.Option;

/** Options of every command that computes. */
final class CommonOptions {
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

  /** A Workspace with these options, Ctrl-C as its cancellation. */
  Workspace open(long seed, Progress progress) {
    Workspace.Builder builder =
        Workspace.builder().seed(seed).progress(progress).cancellation(Main.CANCELLATION);
    return (threads == null ? builder : builder.threads(threads)).open();
  }

  static boolean isVerbose(CommandLine command) {
    return command.getParseResult() != null
        && command.getParseResult().hasMatchedOption("--verbose");
  }
}
