// SPDX-License-Identifier: Apache-2.0
package org.merganser.cli;

import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
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
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** Shows what is in a file. */
@Command(
    name = "inspect",
    mixinStandardHelpOptions = true,
    description =
        "Shows a checkpoint, statistics (*.mgstats), maps (*.mgalign) or an array (*.npy).")
final class InspectCommand implements Callable<Integer> {
  @Spec CommandSpec spec;
  @Mixin CommonOptions common;

  @Parameters(paramLabel = "FILE", description = "The file.")
  Path file;

  @Override
  public Integer call() throws IOException {
    PrintWriter print = spec.commandLine().getOut();
    String name = String.valueOf(file.getFileName());
    if (name.endsWith(".npy")) {
      try (Npy npy = Npy.open(file)) {
        print.println(npy.info() + axes(npy.info()));
      }
    } else if (name.endsWith(".mgstats")) {
      statistics(print);
    } else if (name.endsWith(".mgalign")) {
      try (Workspace ws = common.open(0, (stage, done, total) -> {});
          Alignment alignment = Alignment.load(file, ws)) {
        print.println("method " + Printable.line(alignment.method()));
        AlignmentTable.print(alignment, alignment.verify(ws), print);
      }
    } else {
      checkpoint(print);
    }
    print.flush();
    return 0;
  }

  /** How an array would be read as activations: features come second. */
  private static String axes(TensorInfo info) {
    if (info.rank() < 3) {
      return "";
    }
    return ": as activations "
        + info.dim(0)
        + " samples (axis 0), "
        + info.dim(1)
        + " features (axis 1), "
        + info.shape().subList(2, info.rank())
        + " positions ("
        + (info.rank() == 3 ? "axis 2" : "axes 2 to " + (info.rank() - 1))
        + "); features last need np.moveaxis(array, -1, 1)";
  }

  private void statistics(PrintWriter print) throws IOException {
    try (Workspace ws = common.open(0, (stage, done, total) -> {});
        Moments moments = Moments.load(file, ws)) {
      print.printf(
          Locale.ROOT,
          "%-24s %8s %10s %8s %s%n",
          "space",
          "models",
          "samples",
          "skipped",
          "blocks");
      for (String id : moments.spaces()) {
        SpaceMoments space = moments.space(id);
        print.printf(
            Locale.ROOT,
            "%-24s %8d %10d %8d %s%n",
            Printable.line(id),
            space.models(),
            space.samples(),
            space.skipped(),
            space.blocks().keySet().stream().map(p -> "(" + p.i() + "," + p.j() + ")").toList());
      }
    }
  }

  private void checkpoint(PrintWriter print) throws IOException {
    try (Checkpoint checkpoint = Safetensors.open(file)) {
      for (Map.Entry<String, TensorInfo> tensor : checkpoint.tensors().entrySet()) {
        print.printf(Locale.ROOT, "%-40s %s%n", Printable.line(tensor.getKey()), tensor.getValue());
      }
      print.println(
          checkpoint.tensors().size()
              + " tensors, "
              + checkpoint.parameters()
              + " parameters, metadata "
              + Printable.line(checkpoint.metadata()));
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
      List<String> layers = order.layers();
      if (order.proved()) {
        return List.of(
            "a plain stack of linear layers with spaces "
                + layers.subList(0, layers.size() - 1)
                + ", then "
                + layers.get(layers.size() - 1)
                + "; the order is proved by "
                + order.reason());
      }
      List<String> lines = new ArrayList<>();
      lines.add(
          "linear layers whose order is not proved: "
              + order.reason()
              + "; confirm the right one:");
      lines.add("  --layers " + String.join(",", layers));
      order.others().forEach(other -> lines.add("  --layers " + String.join(",", other)));
      return lines;
    } catch (IncompatibleModelsException e) {
      return List.of("aligning it needs a builder file (--architecture): " + e.problems().get(0));
    }
  }
}
