// SPDX-License-Identifier: Apache-2.0
package org.merganser.cli;

import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;
import org.merganser.cka.ReliabilityReport;
import org.merganser.lab.report.Chart;
import org.merganser.lab.report.Section;
import org.merganser.similarity.Plan;
import org.merganser.similarity.Similarity;
import org.merganser.similarity.SimilarityGrid;
import org.merganser.similarity.SimilarityGrid.Cell;

/**
 * Every layer of A with every layer of B.
 *
 * @param grids by measure
 * @param plan of sums that came in one pass; empty when all needed all samples in memory
 */
record ComparedGrid(
    Map<String, SimilarityGrid> grids,
    Optional<Plan> plan,
    Optional<ReliabilityReport.Grid> reliability)
    implements Compared {
  private static final String RELIABILITY = "reliability";

  @Override
  public void print(PrintWriter out) {
    plan.ifPresent(chosen -> out.println("plan     " + text(chosen)));
    grids.forEach(
        (measure, grid) -> {
          out.println(measure + "  " + GridTable.how(grid));
          GridTable.print(grid, out);
          notes(grid).forEach(note -> out.println("  " + Printable.line(note)));
        });
    reliability.ifPresent(report -> out.print("\n" + report.toText()));
  }

  private static String text(Plan plan) {
    String of =
        switch (plan.kind()) {
          case FEATURE -> "products of features";
          case FULL -> "Gram matrices of all samples";
          case MINIBATCH -> "Gram matrices of batches of " + plan.batch();
        };
    return of + ", " + plan.bytes() + " bytes";
  }

  /** Warnings, and why cells have no value, each once. */
  private static Set<String> notes(SimilarityGrid grid) {
    Set<String> notes = new LinkedHashSet<>();
    grid.warnings().forEach(warning -> notes.add(warning.toString()));
    grid.cells().stream()
        .flatMap(List::stream)
        .filter(cell -> Double.isNaN(cell.value()))
        .forEach(cell -> notes.add("-  " + cell.reason()));
    return notes;
  }

  @Override
  public Map<String, Object> facts() {
    Map<String, Object> values = new LinkedHashMap<>();
    Map<String, Object> found = new LinkedHashMap<>();
    grids.forEach(
        (measure, grid) -> {
          values.put(measure, byLayers(grid));
          found.put(measure, found(grid));
        });
    Map<String, Object> facts = new LinkedHashMap<>();
    facts.put("measures", values);
    facts.put("found", found);
    plan.ifPresent(
        chosen -> {
          Map<String, Object> of = new LinkedHashMap<>();
          of.put("kind", Compared.lower(chosen.kind()));
          of.put("batch", chosen.batch());
          of.put("bytes", chosen.bytes());
          facts.put("plan", of);
        });
    return facts;
  }

  private static Map<String, Object> byLayers(SimilarityGrid grid) {
    Map<String, Object> rows = new LinkedHashMap<>();
    for (int i = 0; i < grid.namesA().size(); i++) {
      Map<String, Object> row = new LinkedHashMap<>();
      for (int j = 0; j < grid.namesB().size(); j++) {
        row.put(grid.namesB().get(j), Compared.number(grid.value(i, j)));
      }
      rows.put(grid.namesA().get(i), row);
    }
    return rows;
  }

  private static Map<String, Object> found(SimilarityGrid grid) {
    Map<String, Object> how = new LinkedHashMap<>();
    how.put("estimator", Compared.lower(grid.estimator()));
    how.put("route", grid.route());
    how.put("samples", grid.samples());
    how.put("dropped", grid.dropped());
    how.put("batch", grid.batch());
    how.put("flatten", Compared.lower(grid.flatten()));
    how.put("warnings", grid.warnings().stream().map(Similarity.Warning::toString).toList());
    Map<String, Map<String, String>> reasons = new LinkedHashMap<>();
    for (int i = 0; i < grid.namesA().size(); i++) {
      for (int j = 0; j < grid.namesB().size(); j++) {
        if (Double.isNaN(grid.value(i, j))) {
          reasons
              .computeIfAbsent(grid.namesA().get(i), name -> new LinkedHashMap<>())
              .put(grid.namesB().get(j), grid.cell(i, j).reason());
        }
      }
    }
    how.put("reasons", reasons);
    return how;
  }

  /** A cell on the page; what is not a number is left out of {@code results.json}. */
  private record Row(
      String a,
      String b,
      Double value,
      Double biased,
      Double debiased,
      Double chance,
      Double p,
      Double q,
      String reason) {
    static Row of(SimilarityGrid grid, int i, int j, double q) {
      Cell cell = grid.cell(i, j);
      return new Row(
          grid.namesA().get(i),
          grid.namesB().get(j),
          Compared.orNull(cell.value()),
          Compared.orNull(cell.biased()),
          Compared.orNull(cell.debiased()),
          Compared.orNull(cell.chance()),
          Compared.orNull(cell.p()),
          Compared.orNull(q),
          cell.reason().isEmpty() ? null : cell.reason());
    }

    private static String text(Double value) {
      return value == null ? "-" : Section.format("%.4f", value);
    }
  }

  private static List<Row> rows(SimilarityGrid grid, Optional<ReliabilityReport.Grid> report) {
    List<Row> rows = new ArrayList<>();
    for (int i = 0; i < grid.namesA().size(); i++) {
      for (int j = 0; j < grid.namesB().size(); j++) {
        rows.add(Row.of(grid, i, j, report.isPresent() ? report.get().q(i, j) : Double.NaN));
      }
    }
    return rows;
  }

  @Override
  public List<Section<?>> sections() {
    List<Section<?>> sections = new ArrayList<>();
    grids.forEach(
        (measure, grid) -> {
          String notes =
              notes(grid).stream().map(note -> " " + note + ".").collect(Collectors.joining());
          Section<Row> section =
              new Section<>(
                  fileName(measure),
                  measure,
                  GridTable.how(grid) + "." + notes,
                  rows(grid, Optional.empty()));
          sections.add(
              section
                  .text("A", 0, Row::a)
                  .text("B", 0, Row::b)
                  .number("value", 0, row -> Row.text(row.value()))
                  .chart(Chart.svg(fileName(measure), measure + " by layers", grid.svg())));
        });
    reliability.ifPresent(report -> sections.add(section(report)));
    return sections;
  }

  private static Section<?> section(ReliabilityReport.Grid report) {
    String warnings =
        report.warnings().stream()
            .map(warning -> " " + warning + ".")
            .collect(Collectors.joining());
    return new Section<>(
            RELIABILITY,
            "Reliability of CKA",
            "p: orders of the samples that give as much; q: the same for as many cells at once"
                + " (Benjamini and Hochberg). A dot in the map: p above 0.05."
                + warnings,
            rows(report.values(), Optional.of(report)))
        .text("A", 0, Row::a)
        .text("B", 0, Row::b)
        .number("biased", 0, row -> Row.text(row.biased()))
        .number("debiased", 0, row -> Row.text(row.debiased()))
        .number("chance", 0, row -> Row.text(row.chance()))
        .number("p", 0, row -> Row.text(row.p()))
        .number("q", 0, row -> Row.text(row.q()))
        .chart(Chart.svg(RELIABILITY, "Biased CKA by layers", report.values().svg()));
  }

  /** As reports name pictures. */
  private static String fileName(String measure) {
    return measure.replaceAll("[^A-Za-z0-9._-]", "_");
  }

  @Override
  public List<String> files() {
    List<String> files = new ArrayList<>();
    for (String measure : grids.keySet()) {
      files.add(fileName(measure) + ".csv");
      files.add(fileName(measure) + ".svg");
    }
    if (reliability.isPresent()) {
      files.addAll(List.of(RELIABILITY + ".csv", RELIABILITY + ".json", RELIABILITY + ".svg"));
    }
    return files;
  }

  /** Tables; pictures come with the page. */
  @Override
  public void write(Path folder) throws IOException {
    for (Map.Entry<String, SimilarityGrid> grid : grids.entrySet()) {
      grid.getValue().toCsv(folder.resolve(fileName(grid.getKey()) + ".csv"));
    }
    if (reliability.isPresent()) {
      reliability.get().toCsv(folder.resolve(RELIABILITY + ".csv"));
      reliability.get().toJson(folder.resolve(RELIABILITY + ".json"));
    }
  }
}
