// SPDX-License-Identifier: Apache-2.0
package org.merganser.cli;

import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.merganser.cka.CkaReliability;
import org.merganser.cka.ReliabilityReport;
import org.merganser.compute.Workspace;
import org.merganser.error.NumericalException;
import org.merganser.lab.experiment.ReliabilitySections;
import org.merganser.lab.report.Section;
import org.merganser.linalg.Matrix;
import org.merganser.similarity.Similarity;
import org.merganser.similarity.SimilarityGrid.Layers;
import org.merganser.similarity.SimilarityMeasure;

/**
 * Two representations.
 *
 * @param cells by measure: a {@link Similarity}, or the reason why there is none
 * @param dropped samples that were not finite
 */
record ComparedPair(
    Map<String, Object> cells, long dropped, Optional<ReliabilityReport> reliability)
    implements Compared {
  private static final String RELIABILITY = "reliability";

  /**
   * @param all whether measures were not chosen: those that these data have no value for say why
   */
  static ComparedPair of(
      Map<String, SimilarityMeasure> wanted,
      boolean all,
      boolean reliability,
      Layers layers,
      Workspace ws) {
    Matrix x = layers.a().values().iterator().next();
    Matrix y = layers.b().values().iterator().next();
    Map<String, Object> cells = new LinkedHashMap<>();
    RuntimeException failure = null;
    for (Map.Entry<String, SimilarityMeasure> each : wanted.entrySet()) {
      try {
        cells.put(each.getKey(), each.getValue().between(x, y, ws));
      } catch (NumericalException | IllegalArgumentException e) {
        cells.put(each.getKey(), e.getMessage());
        failure = failure == null ? e : failure;
      }
    }
    // What was asked for, or what no measure has a value for, is no result.
    boolean some = cells.values().stream().anyMatch(Similarity.class::isInstance);
    if (failure != null && !(all && some)) {
      throw failure;
    }
    if (reliability) {
      Reportable.require(layers);
    }
    Optional<ReliabilityReport> report =
        reliability
            ? Optional.of(CkaReliability.of(x, y, layers.positions()).run(ws))
            : Optional.empty();
    return new ComparedPair(cells, layers.dropped(), report);
  }

  @Override
  public void print(PrintWriter out) {
    cells.forEach((measure, cell) -> print(measure, cell, out));
    reliability.ifPresent(report -> out.print("\n" + report.toText()));
  }

  private void print(String measure, Object cell, PrintWriter out) {
    if (cell instanceof Similarity found) {
      out.print(
          Section.format(
              "%-28s %10.4f  %s, %d samples%s%n",
              measure,
              found.value(),
              Compared.lower(found.estimator()),
              found.samples(),
              dropped == 0 ? "" : ", " + dropped + " dropped"));
      found.warnings().forEach(warning -> out.println("  " + warning));
    } else {
      out.print(Section.format("%-28s %10s  %s%n", measure, "-", Printable.line(cell)));
    }
  }

  @Override
  public Map<String, Object> facts() {
    Map<String, Object> values = new LinkedHashMap<>();
    Map<String, Object> found = new LinkedHashMap<>();
    cells.forEach(
        (measure, cell) -> {
          values.put(
              measure,
              Compared.number(cell instanceof Similarity each ? each.value() : Double.NaN));
          found.put(measure, found(cell));
        });
    Map<String, Object> facts = new LinkedHashMap<>();
    facts.put("measures", values);
    facts.put("found", found);
    return facts;
  }

  private Map<String, Object> found(Object cell) {
    if (!(cell instanceof Similarity found)) {
      return Map.of("reason", cell);
    }
    Map<String, Object> how = new LinkedHashMap<>();
    how.put("kind", Compared.lower(found.kind()));
    how.put("estimator", Compared.lower(found.estimator()));
    how.put("route", Compared.lower(found.route()));
    how.put("samples", found.samples());
    how.put("dropped", dropped);
    found.details().forEach((name, value) -> how.put(name, Compared.number(value)));
    how.put("warnings", found.warnings().stream().map(Similarity.Warning::toString).toList());
    return how;
  }

  private record Row(String measure, Double value, String estimator, Long samples, String note) {
    static Row of(String measure, Object cell) {
      return cell instanceof Similarity found
          ? new Row(
              measure,
              found.value(),
              Compared.lower(found.estimator()),
              found.samples(),
              String.join("; ", found.warnings().stream().map(String::valueOf).toList()))
          : new Row(measure, null, null, null, cell.toString());
    }
  }

  @Override
  public List<Section<?>> sections() {
    List<Row> rows = new ArrayList<>();
    cells.forEach((measure, cell) -> rows.add(Row.of(measure, cell)));
    String about = dropped == 0 ? "" : dropped + " samples were dropped: they are not finite.";
    List<Section<?>> sections = new ArrayList<>();
    sections.add(
        new Section<>("pair", "Values", about, rows)
            .text("measure", 0, Row::measure)
            .number(
                "value", 0, row -> row.value() == null ? "-" : Section.format("%.4f", row.value()))
            .text("estimator", 0, row -> row.estimator() == null ? "" : row.estimator())
            .number("samples", 0, row -> row.samples() == null ? "" : "" + row.samples())
            .text("note", 0, Row::note));
    reliability.ifPresent(
        report ->
            sections.addAll(ReliabilitySections.of(RELIABILITY, "Reliability of CKA", report)));
    return sections;
  }

  @Override
  public List<String> files() {
    return reliability.isPresent()
        ? List.of(RELIABILITY + ".json", RELIABILITY + ".svg")
        : List.of();
  }

  @Override
  public void write(Path folder) throws IOException {
    if (reliability.isPresent()) {
      reliability.get().toJson(folder.resolve(RELIABILITY + ".json"));
      reliability.get().toSvg(folder.resolve(RELIABILITY + ".svg"));
    }
  }
}
