// SPDX-License-Identifier: Apache-2.0
package org.merganser.cli;

import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import org.merganser.analysis.topology.Rips;
import org.merganser.compute.Workspace;
import org.merganser.linalg.Matrix;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Persistent homology of points. */
@Command(
    name = "rips",
    description = {
      "Components, loops and voids of points at every scale: persistent homology of the"
          + " Vietoris-Rips complexes of a .npy file, [points x coordinates] or with --distances"
          + " [points x points]."
    },
    footer = {
      "",
      "Example:",
      "  merganser rips points.npy --max-dim 1 --out rips",
      "  merganser rips distances.npy --distances --threshold 0.5 --out rips"
    })
final class RipsCommand extends Computation {
  @Parameters(index = "0", paramLabel = "FILE", description = "A .npy file, F64 or F32.")
  Path file;

  @Option(
      names = "--distances",
      description =
          "The file has distances: symmetric, 0 on the diagonal, infinite where there is no edge"
              + " (default: points, of which the Euclidean distances are taken).")
  boolean distances;

  @Option(
      names = "--max-dim",
      paramLabel = "N",
      description =
          "The last degree: 0 components, 1 loops, 2 voids, for some thousand, thousand and hundred"
              + " points (default: ${DEFAULT-VALUE}).")
  int maxDegree = 1;

  @Option(
      names = "--threshold",
      paramLabel = "X",
      description =
          "The last distance; what lives there never dies (default: the enclosing radius, beyond"
              + " which nothing changes).")
  Double threshold;

  @Option(
      names = "--out",
      paramLabel = "DIR",
      required = true,
      description =
          "The folder for results.json, diagrams.csv, report.html and its pictures (.svg).")
  Path out;

  @Override
  void run(PrintWriter print) throws IOException {
    Rips.Options options = Rips.Options.defaults().withMaxDegree(maxDegree);
    if (threshold != null) {
      if (!(threshold >= 0)) {
        throw new IllegalArgumentException("--threshold is " + threshold + ", must be >= 0");
      }
      options = options.withThreshold(threshold);
    }
    Compared.requireFolder(out);
    String shape = distances ? "[points x points]" : "[points x coordinates]";
    try (Workspace ws = open(0);
        Matrix read = ArrayFiles.matrix(file, shape)) {
      long start = System.nanoTime();
      Rips.Barcode found =
          distances ? Rips.of(read, options, ws) : Rips.ofPoints(read, options, ws);
      double seconds = (System.nanoTime() - start) / 1e9;
      progress.close();
      Map<String, Object> facts = new LinkedHashMap<>();
      facts.put("file", file.toString());
      facts.put("points", read.rows());
      facts.put("distances", distances);
      facts.put("maxDim", maxDegree);
      boolean bounded = found.threshold() < Float.MAX_VALUE;
      facts.put("threshold", Compared.number(bounded ? found.threshold() : Double.NaN));
      facts.put("enclosingRadius", threshold == null);
      String text =
          "Vietoris-Rips complexes of %d points of %s, %s."
              .formatted(read.rows(), file, bounded ? upTo(found) : unbounded());
      new PersistenceReport("Persistent homology", text, facts, found.diagrams(), seconds)
          .give(out, print);
    }
  }

  private String upTo(Rips.Barcode found) {
    return "up to the distance "
        + (float) found.threshold()
        + (threshold == null ? ", the enclosing radius" : "");
  }

  /** As the enclosing radius is infinite where no point has an edge to every other. */
  private String unbounded() {
    return threshold == null
        ? "no bound: no point has a finite distance to all others"
        : "no bound";
  }
}
