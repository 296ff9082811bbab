// SPDX-License-Identifier: Apache-2.0
package org.merganser.cli;

import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.merganser.align.Alignment;
import org.merganser.compute.Workspace;
import org.merganser.error.IncompatibleModelsException;
import org.merganser.io.Checkpoint;
import org.merganser.io.Npy;
import org.merganser.io.Safetensors;
import org.merganser.io.TensorInfo;
import org.merganser.model.LinearStack;
import org.merganser.stats.Moments;
import org.merganser.stats.SpaceMoments;
import picocli.CommandLine.Command;
import picocli.CommandLine.Parameters;

/** Shows what is in a file. */
@Command(
    name = "inspect",
    description =
        "Shows a checkpoint (safetensors, torch.save or GGUF), statistics (*.mgstats), maps"
            + " (*.mgalign) or an array (*.npy); of two checkpoints, how far their tensors are"
            + " apart.")
final class InspectCommand extends Computation {
  @Parameters(paramLabel = "FILE", index = "0", description = "The file.")
  Path file;

  @Parameters(
      paramLabel = "OTHER",
      index = "1",
      arity = "0..1",
      description = "Another checkpoint, to compare with.")
  Path other;

  @Override
  void run(PrintWriter print) throws IOException {
    if (other != null) {
      try (Workspace ws = open(0)) {
        ModelDifference.print(file, other, ws, print);
      }
      return;
    }
    String name = String.valueOf(file.getFileName());
    if (name.endsWith(".npy")) {
      try (Npy npy = Npy.open(file)) {
        print.println(npy.info() + axes(npy.info()));
      }
    } else if (name.endsWith(".mgstats")) {
      statistics(print);
    } else if (name.endsWith(".mgalign")) {
      try (Workspace ws = open(0);
          Alignment alignment = Alignment.load(file, ws)) {
        print.println("method " + Printable.line(alignment.method()));
        AlignmentTable.print(alignment, alignment.verify(ws), print);
      }
    } else {
      checkpoint(print);
    }
  }

  /** How an array would be read as activations: features come second. */
  private static String axes(TensorInfo info) {
    int rank = info.rank();
    return rank < 3
        ? ""
        : ": as activations %d samples (axis 0), %d features (axis 1), %s positions (%s); features"
                .formatted(
                    info.dim(0),
                    info.dim(1),
                    info.shape().subList(2, rank),
                    rank == 3 ? "axis 2" : "axes 2 to " + (rank - 1))
            + " last need np.moveaxis(array, -1, 1)";
  }

  private void statistics(PrintWriter print) throws IOException {
    String line = "%-24s %8s %10s %8s %s%n";
    try (Workspace ws = open(0);
        Moments moments = Moments.load(file, ws)) {
      print.printf(line, "space", "models", "samples", "skipped", "blocks");
      for (String id : moments.spaces()) {
        SpaceMoments of = moments.space(id);
        List<String> blocks =
            of.blocks().keySet().stream().map(p -> "(" + p.i() + "," + p.j() + ")").toList();
        String name = Printable.line(id);
        print.printf(line, name, of.models(), of.samples(), of.skipped(), blocks);
      }
    }
  }

  private void checkpoint(PrintWriter print) throws IOException {
    try (Checkpoint checkpoint = Safetensors.open(file)) {
      TensorTable.print(file, checkpoint, print);
      print.printf(
          "%d tensors, %d parameters, %d bytes, metadata %s%n",
          checkpoint.tensors().size(),
          checkpoint.parameters(),
          checkpoint.tensors().values().stream().mapToLong(TensorInfo::bytes).sum(),
          Printable.line(checkpoint.metadata()));
      if (!checkpoint.stale().isEmpty()) {
        print.println("stale, to be reset before use: " + Printable.line(checkpoint.stale()));
      }
      stack(checkpoint).forEach(line -> print.println(Printable.line(line)));
    }
  }

  /** In which order its layers would be taken, and whether that is proved. */
  private static List<String> stack(Checkpoint checkpoint) {
    try {
      LinearStack.Order order = LinearStack.order(checkpoint);
      int last = order.layers().size() - 1;
      if (order.proved()) {
        return List.of(
            "a plain stack of linear layers with spaces %s, then %s; the order is proved by %s"
                .formatted(
                    order.layers().subList(0, last), order.layers().get(last), order.reason()));
      }
      String why = "linear layers whose order is not proved: %s; confirm the right one:";
      return Stream.concat(
              Stream.of(why.formatted(order.reason())),
              order.possible().stream().map(layers -> "  --layers " + String.join(",", layers)))
          .toList();
    } catch (IncompatibleModelsException e) {
      return List.of("aligning it needs a builder file (--architecture): " + e.problems().get(0));
    }
  }
}
