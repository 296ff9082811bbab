// SPDX-License-Identifier: Apache-2.0
package org.merganser.similarity;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.util.DefaultPrettyPrinter;
import java.io.IOException;
import java.io.StringWriter;
import java.io.UncheckedIOException;
import java.util.List;
import java.util.Locale;
import org.merganser.similarity.SimilarityGrid.Cell;

/** A grid as CSV and as JSON. */
final class GridText {
  private GridText() {}

  static String csv(SimilarityGrid grid) {
    boolean cka = GridValues.isLinearCka(grid.measure());
    StringBuilder text = new StringBuilder("layerA,layerB,");
    text.append(cka ? "biased,debiased" : "value")
        .append(",p,chance,topInfluenceIndex,topInfluence\n");
    for (int i = 0; i < grid.namesA().size(); i++) {
      for (int j = 0; j < grid.namesB().size(); j++) {
        Cell cell = grid.cell(i, j);
        text.append(quoted(grid.namesA().get(i))).append(',').append(quoted(grid.namesB().get(j)));
        if (cka) {
          text.append(',')
              .append(number(cell.biased()))
              .append(',')
              .append(number(cell.debiased()));
        } else {
          text.append(',').append(number(cell.value()));
        }
        text.append(',').append(number(cell.p())).append(',').append(number(cell.chance()));
        text.append(',').append(cell.topInfluenceIndex() < 0 ? "" : cell.topInfluenceIndex());
        text.append(',').append(number(cell.topInfluence())).append('\n');
      }
    }
    return text.toString();
  }

  private static String number(double value) {
    return Double.isNaN(value) ? "" : Double.toString(value);
  }

  private static String quoted(String name) {
    boolean plain = name.chars().noneMatch(c -> c == ',' || c == '"' || c == '\n' || c == '\r');
    return plain ? name : '"' + name.replace("\"", "\"\"") + '"';
  }

  static String json(SimilarityGrid grid) {
    StringWriter text = new StringWriter();
    try (JsonGenerator g = new JsonFactory().createGenerator(text)) {
      g.setPrettyPrinter(new DefaultPrettyPrinter());
      g.writeStartObject();
      g.writeStringField("measure", grid.measure());
      g.writeStringField("estimator", grid.estimator().name().toLowerCase(Locale.ROOT));
      g.writeStringField("route", grid.route());
      g.writeNumberField("samples", grid.samples());
      g.writeNumberField("dropped", grid.dropped());
      g.writeNumberField("batch", grid.batch());
      g.writeStringField("flatten", grid.flatten().name().toLowerCase(Locale.ROOT));
      names(g, "layersA", grid.namesA());
      names(g, "layersB", grid.namesB());
      names(g, "warnings", grid.warnings().stream().map(String::valueOf).toList());
      g.writeArrayFieldStart("cells");
      for (List<Cell> row : grid.cells()) {
        g.writeStartArray();
        for (Cell cell : row) {
          cell(g, cell);
        }
        g.writeEndArray();
      }
      g.writeEndArray();
      g.writeEndObject();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return text.append('\n').toString();
  }

  private static void names(JsonGenerator g, String field, List<String> names) throws IOException {
    g.writeArrayFieldStart(field);
    for (String name : names) {
      g.writeString(name);
    }
    g.writeEndArray();
  }

  private static void cell(JsonGenerator g, Cell cell) throws IOException {
    g.writeStartObject();
    number(g, "value", cell.value());
    number(g, "biased", cell.biased());
    number(g, "debiased", cell.debiased());
    number(g, "p", cell.p());
    number(g, "chance", cell.chance());
    if (cell.topInfluenceIndex() >= 0) {
      g.writeNumberField("topInfluenceIndex", cell.topInfluenceIndex());
      number(g, "topInfluence", cell.topInfluence());
    }
    if (!cell.reason().isEmpty()) {
      g.writeStringField("reason", cell.reason());
    }
    g.writeEndObject();
  }

  /** JSON has no NaN: what was not computed is left out. */
  private static void number(JsonGenerator g, String field, double value) throws IOException {
    if (!Double.isNaN(value)) {
      g.writeNumberField(field, value);
    }
  }
}
