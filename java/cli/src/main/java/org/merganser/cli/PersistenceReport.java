// SPDX-License-Identifier: Apache-2.0
package org.merganser.cli;

import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.merganser.analysis.topology.Diagram;
import org.merganser.analysis.topology.DiagramSvg;
import org.merganser.internal.io.PartialFile;
import org.merganser.internal.io.TextFile;
import org.merganser.lab.report.Chart;
import org.merganser.lab.report.Report;
import org.merganser.lab.report.Section;
import org.merganser.plan.Doctor;

/** What commands of persistent homology print and write. */
final class PersistenceReport {
  static final String RESULTS = "results.json";
  static final String PAGE = "report.html";
  static final String TABLE = "diagrams.csv";
  static final String BARCODE = "barcode";
  static final String DIAGRAM = "diagram";

  private final Report report;
  private final List<Diagram> diagrams;

  /** A class as JSON has it; without a death when it never dies. */
  record Row(int degree, double birth, Double death) {}

  /** A degree; lifetimes of what dies. */
  record Summary(
      int degree,
      int points,
      int essential,
      double totalPersistence,
      double longest,
      double entropy) {}

  PersistenceReport(
      String title,
      String text,
      Map<String, Object> facts,
      List<Diagram> diagrams,
      double seconds) {
    this.diagrams = diagrams;
    List<Row> rows =
        diagrams.stream()
            .flatMap(
                d ->
                    d.points().stream()
                        .map(p -> new Row(d.degree(), p.birth(), p.essential() ? null : p.death())))
            .toList();
    report =
        new Report(
            title,
            text,
            facts,
            List.of(summary(diagrams), Section.data("diagrams", rows)),
            Map.of("version", Doctor.version()),
            Map.of("compute", seconds));
  }

  private static Section<Summary> summary(List<Diagram> diagrams) {
    List<Summary> rows =
        diagrams.stream()
            .map(
                d ->
                    new Summary(
                        d.degree(),
                        d.size(),
                        d.essentials(),
                        d.totalPersistence(1),
                        d.longest(),
                        d.entropy()))
            .toList();
    return new Section<>(
            "summary",
            "Classes by degree",
            "Essential classes never die; lifetimes are of the others. All classes are in "
                + TABLE
                + ".",
            rows)
        .number("degree", 6, row -> String.valueOf(row.degree()))
        .number("classes", 8, row -> String.valueOf(row.points()))
        .number("essential", 10, row -> String.valueOf(row.essential()))
        .number("total", 12, "%.6g", Summary::totalPersistence)
        .number("longest", 12, "%.6g", Summary::longest)
        .number("entropy", 9, "%.4f", Summary::entropy)
        .chart(Chart.svg(BARCODE, "From birth to death", DiagramSvg.barcode(diagrams)))
        .chart(Chart.svg(DIAGRAM, "Deaths over births", DiagramSvg.diagram(diagrams)));
  }

  /** Prints first: a full disk does not take it away. */
  void give(Path out, PrintWriter print) throws IOException {
    print.print(report.tables());
    print.flush();
    boolean replaced = Files.exists(out.resolve(RESULTS));
    Files.createDirectories(out);
    PartialFile.requirePlace(out.resolve(TABLE), 0);
    PartialFile.requirePlace(out.resolve(PAGE), 0);
    TextFile.write(out.resolve(TABLE), table());
    report.write(out);
    String suffix = replaced ? " (replaced)" : "";
    print.println("results  " + Printable.line(out.resolve(RESULTS)) + suffix);
    print.println("report   " + Printable.line(out.resolve(PAGE)) + suffix);
  }

  private String table() {
    StringBuilder text = new StringBuilder("degree,birth,death\n");
    for (Diagram d : diagrams) {
      for (Diagram.Point p : d.points()) {
        String death = p.essential() ? p.death() > 0 ? "inf" : "-inf" : String.valueOf(p.death());
        text.append(d.degree())
            .append(',')
            .append(p.birth())
            .append(',')
            .append(death)
            .append('\n');
      }
    }
    return text.toString();
  }
}
