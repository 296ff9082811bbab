// SPDX-License-Identifier: Apache-2.0
package org.merganser.cli;

import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.merganser.internal.Opened;
import org.merganser.io.Checkpoint;
import org.merganser.io.Safetensors;
import org.merganser.merge.MergeProblem;
import org.merganser.merge.Merger.Importance;
import picocli.CommandLine.Option;

/** What mergers weigh by, from files: see {@code merganser importance}. */
final class ImportanceOptions {
  @Option(
      names = "--importance",
      paramLabel = "FILE",
      description =
          "For --merger fisher and regmean, repeated in the order of the models: Fisher diagonals,"
              + " or Gram matrices of inputs, under the names of the model's tensors; 'merganser"
              + " importance' makes them. With --network and --data they are measured when none are"
              + " given.")
  List<Path> files = new ArrayList<>();

  /** Whether a merger's importances are to be measured with the network. */
  boolean measured(Importance kind) {
    return kind != Importance.NONE && files.isEmpty();
  }

  /** Those of the files, in their order. */
  List<Checkpoint> open(Opened opened) throws IOException {
    List<Checkpoint> found = new ArrayList<>();
    for (Path file : files) {
      found.add(opened.add(Safetensors.open(file)));
    }
    return found;
  }

  /** Says what is averaged for want of importances, and which are not used. */
  static void tell(MergeProblem problem, PrintWriter out) {
    problem.notes().forEach(note -> out.println(Printable.line(note)));
  }
}
