// SPDX-License-Identifier: Apache-2.0
package org.merganser.cli;

import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.merganser.compute.Workspace;
import org.merganser.error.FormatException;
import org.merganser.error.NumericalException;
import org.merganser.internal.Opened;
import org.merganser.internal.io.PartialFile;
import org.merganser.linalg.Matrix;
import org.merganser.plan.Catalogue;
import org.merganser.similarity.SimilarityMeasure;
import org.merganser.stats.NonFinite;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Compares representations by the measures of the catalogue. */
@Command(
    name = "similarity",
    description = {
      "Compares activations of the same samples: of two .npy files [samples x features] by every"
          + " measure, or of two folders of them, each file of A with each of B.",
      "Arrays of more axes are taken as one row a sample."
    },
    footer = {
      "",
      "Example:",
      "  merganser similarity acts/a/fc1.npy acts/b/fc1.npy --measure cka-linear-debiased \\",
      "      --measure cka-rbf:t=0.5 --out similarity"
    })
final class SimilarityCommand extends Computation {
  static final String RESULTS = "results.json";

  @Parameters(index = "0", paramLabel = "A", description = "A .npy file, or a folder of them.")
  Path a;

  @Parameters(index = "1", paramLabel = "B", description = "Another, of the same samples.")
  Path b;

  @Option(
      names = "--measure",
      paramLabel = "ID[:SETTINGS]",
      completionCandidates = Ids.class,
      description =
          "A measure with its settings, see 'merganser methods'; may be repeated (default: all,"
              + " without those that these data have no value for; cka-linear-debiased for"
              + " folders).")
  List<String> measures;

  @Option(
      names = "--skip-non-finite",
      description =
          "Drops samples with NaN or infinite activations on both sides, and counts them.")
  boolean skip;

  @Option(
      names = "--seed",
      paramLabel = "N",
      description = "Seed of folds and the like (default: ${DEFAULT-VALUE}).")
  long seed;

  @Option(
      names = "--out",
      paramLabel = "DIR",
      required = true,
      description = "The folder to write " + RESULTS + " to.")
  Path out;

  /** Of the catalogue, for completion. */
  static final class Ids implements Iterable<String> {
    @Override
    public Iterator<String> iterator() {
      return Catalogue.measures().ids().iterator();
    }
  }

  @Override
  void run(PrintWriter print) throws IOException {
    boolean grid = Files.isDirectory(a);
    if (grid != Files.isDirectory(b)) {
      throw new IllegalArgumentException(
          (grid ? a : b)
              + " is a folder and "
              + (grid ? b : a)
              + " is none; give two files or two folders");
    }
    Map<String, SimilarityMeasure> wanted = wanted(grid);
    Files.createDirectories(out);
    PartialFile.requirePlace(out.resolve(RESULTS), 0);
    try (Workspace ws = open(seed)) {
      SimilarityTable table = grid ? grid(wanted, ws) : pair(wanted, ws);
      table.print(print);
      boolean replaced = Files.exists(out.resolve(RESULTS));
      table.write(out.resolve(RESULTS));
      print.println(
          "results  " + Printable.line(out.resolve(RESULTS)) + (replaced ? " (replaced)" : ""));
    }
  }

  private Map<String, SimilarityMeasure> wanted(boolean grid) {
    List<String> texts =
        measures != null
            ? measures
            : grid ? List.of("cka-linear-debiased") : Catalogue.measures().ids();
    Map<String, SimilarityMeasure> wanted = new LinkedHashMap<>();
    for (String text : texts) {
      if (wanted.put(text, Catalogue.measures().method(text)) != null) {
        throw new IllegalArgumentException("--measure " + text + " is given twice");
      }
    }
    return wanted;
  }

  private SimilarityTable pair(Map<String, SimilarityMeasure> wanted, Workspace ws)
      throws IOException {
    SimilarityTable table =
        new SimilarityTable(List.of(a.toString()), List.of(b.toString()), false);
    try (Matrix x = ActivationMatrix.read(a, ws);
        Matrix y = ActivationMatrix.read(b, ws)) {
      Optional<RuntimeException> failure = Optional.empty();
      for (Map.Entry<String, SimilarityMeasure> each : wanted.entrySet()) {
        Optional<RuntimeException> own = compare(each, x, y, table, 0, 0, ws);
        failure = failure.or(() -> own);
      }
      // What was asked for, or what no measure has a value for, is no result.
      if (failure.isPresent() && (measures != null || !table.hasValues())) {
        throw failure.get();
      }
    }
    return table;
  }

  /** Every file of A with every file of B; a cell without a value says why, the others stay. */
  private SimilarityTable grid(Map<String, SimilarityMeasure> wanted, Workspace ws)
      throws IOException {
    List<Path> filesA = ActivationMatrix.files(a);
    List<Path> filesB = ActivationMatrix.files(b);
    SimilarityTable table = new SimilarityTable(names(filesA), names(filesB), true);
    try (Opened opened = new Opened()) {
      Matrix[] columns = new Matrix[filesB.size()];
      for (int j = 0; j < columns.length; j++) {
        columns[j] = opened.add(ActivationMatrix.read(filesB.get(j), ws));
      }
      for (int i = 0; i < filesA.size(); i++) {
        try (Matrix x = ActivationMatrix.read(filesA.get(i), ws)) {
          for (int j = 0; j < columns.length; j++) {
            if (x.rows() != columns[j].rows()) {
              throw new FormatException(
                  filesA.get(i)
                      + " has "
                      + x.rows()
                      + " samples, "
                      + filesB.get(j)
                      + " "
                      + columns[j].rows()
                      + "; rows are the same samples in all files");
            }
            for (Map.Entry<String, SimilarityMeasure> each : wanted.entrySet()) {
              compare(each, x, columns[j], table, i, j, ws);
            }
          }
        }
      }
    }
    return table;
  }

  private static List<String> names(List<Path> files) {
    return files.stream()
        .map(file -> String.valueOf(file.getFileName()).replaceFirst("\\.npy$", ""))
        .toList();
  }

  /** Fills a cell; the failure where there is no value. */
  private Optional<RuntimeException> compare(
      Map.Entry<String, SimilarityMeasure> measure,
      Matrix x,
      Matrix y,
      SimilarityTable table,
      int i,
      int j,
      Workspace ws) {
    NonFinite nonFinite = skip ? NonFinite.SKIP_SAMPLE : NonFinite.FAIL;
    try {
      table.put(measure.getKey(), i, j, measure.getValue().between(x, y, nonFinite, ws));
      return Optional.empty();
    } catch (NumericalException | IllegalArgumentException e) {
      table.put(measure.getKey(), i, j, e.getMessage());
      return Optional.of(e);
    }
  }
}
