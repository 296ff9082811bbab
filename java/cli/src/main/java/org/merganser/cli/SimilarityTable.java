// SPDX-License-Identifier: Apache-2.0
package org.merganser.cli;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.util.DefaultPrettyPrinter;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.merganser.internal.io.TextFile;
import org.merganser.similarity.Similarity;
import org.merganser.similarity.Similarity.Warning;

/** What measures found between representations, for the terminal and {@code results.json}. */
final class SimilarityTable {
  private final List<String> rows;
  private final List<String> columns;
  private final boolean grid;

  /** By measure and cell; a cell without a value has its reason. */
  private final Map<String, Object[][]> cells = new LinkedHashMap<>();

  /**
   * @param grid whether values are tables, also when they have one cell
   */
  SimilarityTable(List<String> rows, List<String> columns, boolean grid) {
    this.rows = rows;
    this.columns = columns;
    this.grid = grid;
  }

  void put(String measure, int row, int column, Similarity found) {
    cell(measure)[row][column] = found;
  }

  void put(String measure, int row, int column, String reason) {
    cell(measure)[row][column] = reason;
  }

  private Object[][] cell(String measure) {
    return cells.computeIfAbsent(measure, text -> new Object[rows.size()][columns.size()]);
  }

  /** Whether any cell has a value. */
  boolean hasValues() {
    return cells.values().stream()
        .flatMap(Arrays::stream)
        .flatMap(Arrays::stream)
        .anyMatch(Similarity.class::isInstance);
  }

  void print(PrintWriter out) {
    cells.forEach(
        (measure, table) -> {
          if (!grid) {
            printLine(measure, table[0][0], out);
            return;
          }
          out.println(measure);
          out.printf("  %-20s", "");
          columns.forEach(name -> out.printf(" %10.10s", Printable.line(name)));
          out.println();
          for (int i = 0; i < table.length; i++) {
            out.printf("  %-20.20s", Printable.line(rows.get(i)));
            for (Object each : table[i]) {
              out.printf(
                  Locale.ROOT,
                  " %10s",
                  each instanceof Similarity found
                      ? String.format(Locale.ROOT, "%.4f", found.value())
                      : "-");
            }
            out.println();
          }
        });
  }

  private static void printLine(String measure, Object cell, PrintWriter out) {
    if (!(cell instanceof Similarity found)) {
      out.printf("%-28s %10s  %s%n", measure, "-", Printable.line(cell));
      return;
    }
    out.printf(
        Locale.ROOT,
        "%-28s %10.4f  %s, %d samples%s%n",
        measure,
        found.value(),
        found.estimator().name().toLowerCase(Locale.ROOT),
        found.samples(),
        found.dropped() == 0 ? "" : ", " + found.dropped() + " dropped");
    found.warnings().forEach(warning -> out.println("  " + warning));
  }

  /** {@code measures} has the values by measure; {@code found} how they came. */
  void write(Path file) throws IOException {
    StringWriter text = new StringWriter();
    try (JsonGenerator g = new JsonFactory().createGenerator(text)) {
      g.setPrettyPrinter(new DefaultPrettyPrinter());
      g.writeStartObject();
      names("a", rows, g);
      names("b", columns, g);
      g.writeObjectFieldStart("measures");
      for (Map.Entry<String, Object[][]> measure : cells.entrySet()) {
        g.writeFieldName(measure.getKey());
        table(measure.getValue(), SimilarityTable::value, g);
      }
      g.writeEndObject();
      g.writeObjectFieldStart("found");
      for (Map.Entry<String, Object[][]> measure : cells.entrySet()) {
        g.writeFieldName(measure.getKey());
        table(measure.getValue(), SimilarityTable::found, g);
      }
      g.writeEndObject();
      g.writeEndObject();
    }
    TextFile.write(file, text + "\n");
  }

  private interface Writer {
    void write(Object cell, JsonGenerator g) throws IOException;
  }

  private void names(String name, List<String> names, JsonGenerator g) throws IOException {
    if (!grid) {
      g.writeStringField(name, names.get(0));
      return;
    }
    g.writeArrayFieldStart(name);
    for (String each : names) {
      g.writeString(each);
    }
    g.writeEndArray();
  }

  private void table(Object[][] table, Writer writer, JsonGenerator g) throws IOException {
    if (!grid) {
      writer.write(table[0][0], g);
      return;
    }
    g.writeStartArray();
    for (Object[] row : table) {
      g.writeStartArray();
      for (Object cell : row) {
        writer.write(cell, g);
      }
      g.writeEndArray();
    }
    g.writeEndArray();
  }

  private static void value(Object cell, JsonGenerator g) throws IOException {
    if (cell instanceof Similarity found) {
      g.writeNumber(found.value());
    } else {
      g.writeNull();
    }
  }

  private static void found(Object cell, JsonGenerator g) throws IOException {
    g.writeStartObject();
    if (cell instanceof Similarity found) {
      g.writeStringField("kind", found.kind().name().toLowerCase(Locale.ROOT));
      g.writeStringField("estimator", found.estimator().name().toLowerCase(Locale.ROOT));
      g.writeStringField("route", found.route().name().toLowerCase(Locale.ROOT));
      g.writeNumberField("samples", found.samples());
      g.writeNumberField("dropped", found.dropped());
      for (Map.Entry<String, Double> detail : found.details().entrySet()) {
        g.writeNumberField(detail.getKey(), detail.getValue());
      }
      g.writeArrayFieldStart("warnings");
      for (Warning warning : found.warnings()) {
        g.writeString(warning.code() + ": " + warning.text());
      }
      g.writeEndArray();
    } else {
      g.writeStringField("reason", String.valueOf(cell));
    }
    g.writeEndObject();
  }
}
