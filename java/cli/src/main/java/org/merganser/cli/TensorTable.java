// SPDX-License-Identifier: Apache-2.0
package org.merganser.cli;

import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.merganser.io.Checkpoint;
import org.merganser.io.Safetensors;
import org.merganser.io.TensorInfo;

/** The tensors of a checkpoint, one a line, and what they sum to by type and file. */
final class TensorTable {
  private final Checkpoint checkpoint;
  private final Map<String, String> files;

  private TensorTable(Checkpoint checkpoint, Map<String, String> files) {
    this.checkpoint = checkpoint;
    this.files = files;
  }

  /** Tensors and bytes. */
  private record Sum(long tensors, long parameters, long bytes) {
    static final Sum NONE = new Sum(0, 0, 0);

    Sum plus(TensorInfo info) {
      return new Sum(tensors + 1, parameters + info.size(), bytes + info.bytes());
    }
  }

  static void print(Path path, Checkpoint checkpoint, PrintWriter print) throws IOException {
    new TensorTable(checkpoint, files(path)).print(print);
  }

  /** The shard of each tensor; empty when there is one file. */
  private static Map<String, String> files(Path path) throws IOException {
    List<Path> shards =
        Safetensors.files(path).stream()
            .filter(file -> !file.getFileName().toString().endsWith(".json"))
            .toList();
    Map<String, String> files = new LinkedHashMap<>();
    for (Path shard : shards.size() > 1 ? shards : List.<Path>of()) {
      try (Checkpoint part = Safetensors.open(shard)) {
        String name = shard.getFileName().toString();
        part.tensors().keySet().forEach(tensor -> files.put(tensor, name));
      }
    }
    return files;
  }

  private void print(PrintWriter print) {
    List<String[]> rows = new ArrayList<>();
    rows.add(new String[] {"tensor", "type and shape", "bytes", files.isEmpty() ? "" : "file"});
    checkpoint
        .tensors()
        .forEach(
            (name, info) ->
                rows.add(
                    new String[] {
                      Printable.line(name),
                      info.toString(),
                      String.valueOf(info.bytes()),
                      Printable.line(files.getOrDefault(name, ""))
                    }));
    int[] widths = new int[3];
    for (String[] row : rows) {
      for (int c = 0; c < widths.length; c++) {
        widths[c] = Math.max(widths[c], row[c].length());
      }
    }
    String line = "%-" + widths[0] + "s  %-" + widths[1] + "s  %" + widths[2] + "s  %s";
    for (String[] row : rows) {
      print.println(line.formatted((Object[]) row).stripTrailing());
    }
    sums(print);
  }

  /** By type where there are several, and likewise by file. */
  private void sums(PrintWriter print) {
    Map<String, Sum> types = new TreeMap<>();
    Map<String, Sum> shards = new TreeMap<>();
    checkpoint
        .tensors()
        .forEach(
            (name, info) -> {
              types.merge(info.dtype().name(), Sum.NONE.plus(info), (a, b) -> a.plus(info));
              String file = files.get(name);
              if (file != null) {
                shards.merge(file, Sum.NONE.plus(info), (a, b) -> a.plus(info));
              }
            });
    for (Map<String, Sum> sums : List.of(types, shards)) {
      if (sums.size() > 1) {
        sums.forEach(
            (what, sum) ->
                print.printf(
                    "%s: %d tensors, %d parameters, %d bytes%n",
                    Printable.line(what), sum.tensors(), sum.parameters(), sum.bytes()));
      }
    }
  }
}
