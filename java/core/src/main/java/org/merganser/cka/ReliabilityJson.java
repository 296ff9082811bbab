// SPDX-License-Identifier: Apache-2.0
package org.merganser.cka;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.util.DefaultPrettyPrinter;
import java.io.IOException;
import java.io.StringWriter;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.TreeMap;
import org.merganser.cka.ReliabilityReport.Check;
import org.merganser.cka.ReliabilityReport.Grid;
import org.merganser.cka.ReliabilityReport.Opinion;
import org.merganser.cka.ReliabilityReport.Point;
import org.merganser.cka.ReliabilityReport.Removal;
import org.merganser.cka.ReliabilityReport.Setup;
import org.merganser.cka.ReliabilityReport.SideSetup;
import org.merganser.cka.ReliabilityReport.Translated;
import org.merganser.cka.ReliabilityReport.Value;
import org.merganser.cka.ReliabilityReport.Warning;
import org.merganser.similarity.SimilarityGrid;
import org.merganser.similarity.SimilarityGrid.Cell;

/** A report as JSON; what is not a number is null. */
final class ReliabilityJson {
  private final JsonGenerator g;

  private ReliabilityJson(JsonGenerator g) {
    this.g = g;
  }

  static String of(ReliabilityReport report) {
    return text(json -> json.report(report));
  }

  static String of(Grid grid) {
    return text(json -> json.grid(grid));
  }

  private static String text(Fields<ReliabilityJson> fields) {
    StringWriter text = new StringWriter();
    try (JsonGenerator g = new JsonFactory().createGenerator(text)) {
      g.setPrettyPrinter(new DefaultPrettyPrinter());
      g.writeStartObject();
      fields.write(new ReliabilityJson(g));
      g.writeEndObject();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return text.append('\n').toString();
  }

  private void grid(Grid grid) throws IOException {
    SimilarityGrid values = grid.values();
    g.writeStringField("kernel", CkaKernel.LINEAR.toString());
    g.writeNumberField("samples", values.samples());
    g.writeNumberField("dropped", values.dropped());
    g.writeStringField("flatten", values.flatten().name().toLowerCase(Locale.ROOT));
    list("warnings", grid.warnings(), this::warning);
    List<int[]> places = new ArrayList<>();
    for (int i = 0; i < values.namesA().size(); i++) {
      for (int j = 0; j < values.namesB().size(); j++) {
        places.add(new int[] {i, j});
      }
    }
    list("cells", places, at -> cell(grid, at[0], at[1]));
  }

  private void cell(Grid grid, int i, int j) throws IOException {
    Cell cell = grid.values().cell(i, j);
    g.writeStringField("a", grid.values().namesA().get(i));
    g.writeStringField("b", grid.values().namesB().get(j));
    number("biased", cell.biased());
    number("debiased", cell.debiased());
    number("p", cell.p());
    number("q", grid.q(i, j));
    number("chance", cell.chance());
    if (cell.reason().isEmpty()) {
      g.writeNumberField("topInfluenceIndex", cell.topInfluenceIndex());
      number("topInfluence", cell.topInfluence());
    } else {
      g.writeStringField("reason", cell.reason());
    }
  }

  private void report(ReliabilityReport report) throws IOException {
    setup(report.setup());
    value("biased", report.biased());
    if (report.debiased().isPresent()) {
      value("debiased", report.debiased().get());
    }
    number("chance", report.chance());
    number("adjusted", report.adjusted());
    number("p", report.significance().p());
    g.writeNumberField("atLeast", report.significance().atLeast());
    g.writeNumberField("orders", report.significance().orders());
    g.writeBooleanField("exact", report.significance().exact());
    list("warnings", report.warnings(), this::warning);
    list("translations", report.translations(), this::translated);
    list("opinions", report.opinions(), this::opinion);
    list("checks", report.checks(), this::check);
    list("removals", report.removals(), this::removal);
    list("points", report.points(), this::point);
  }

  private void setup(Setup setup) throws IOException {
    g.writeStringField("kernel", setup.kernel());
    g.writeNumberField("samples", setup.samples());
    g.writeNumberField("positions", setup.positions());
    g.writeNumberField("given", setup.given());
    g.writeNumberField("seed", setup.seed());
    side("x", setup.x());
    side("y", setup.y());
  }

  private void side(String name, SideSetup side) throws IOException {
    g.writeObjectFieldStart(name);
    g.writeNumberField("features", side.features());
    number("dimension", side.dimension());
    number("topShare", side.topShare());
    g.writeEndObject();
  }

  private void value(String name, Value value) throws IOException {
    g.writeObjectFieldStart(name);
    number("value", value.value());
    number("low", value.low());
    number("high", value.high());
    g.writeStringField("interval", value.interval());
    number("level", value.level());
    g.writeNumberField("undefined", value.undefined());
    g.writeEndObject();
  }

  private void warning(Warning warning) throws IOException {
    g.writeStringField("code", warning.code());
    g.writeStringField("sentence", warning.sentence());
    g.writeStringField("remedy", warning.remedy());
    g.writeObjectFieldStart("numbers");
    for (var entry : new TreeMap<>(warning.numbers()).entrySet()) {
      number(entry.getKey(), entry.getValue());
    }
    g.writeEndObject();
  }

  private void translated(Translated curve) throws IOException {
    g.writeStringField("name", curve.name());
    g.writeNumberField("samples", curve.samples());
    g.writeBooleanField("unseen", curve.unseen());
    number("unit", curve.unit());
    number("radius", curve.radius());
    number("half", curve.half());
    number("limit", curve.limit());
    list(
        "curve",
        curve.curve(),
        at -> {
          number("distance", at.distance());
          number("value", at.value());
        });
  }

  private void opinion(Opinion opinion) throws IOException {
    g.writeStringField("name", opinion.name());
    g.writeStringField("measure", opinion.id());
    number("value", opinion.value());
    g.writeStringField("note", opinion.note());
    g.writeNumberField("samples", opinion.samples());
    for (var entry : new TreeMap<>(opinion.details()).entrySet()) {
      number(entry.getKey(), entry.getValue());
    }
  }

  private void check(Check check) throws IOException {
    g.writeStringField("change", check.name());
    g.writeBooleanField("invariant", check.invariant());
    if (check.undefined()) {
      g.writeNullField("holds");
    } else {
      g.writeBooleanField("holds", check.holds());
    }
    number("by", check.change());
    g.writeNumberField("samples", check.samples());
  }

  private void removal(Removal removal) throws IOException {
    g.writeNumberField("index", removal.index());
    number("value", removal.value());
  }

  private void point(Point point) throws IOException {
    g.writeNumberField("index", point.index());
    number("influence", point.influence());
    number("debiasedInfluence", point.debiasedInfluence());
    number("leverage", point.leverage());
    number("atInfinity", point.atInfinity());
    g.writeBooleanField("outlier", point.outlier());
  }

  private interface Fields<T> {
    void write(T of) throws IOException;
  }

  private <T> void list(String name, List<T> all, Fields<T> fields) throws IOException {
    g.writeArrayFieldStart(name);
    for (T each : all) {
      g.writeStartObject();
      fields.write(each);
      g.writeEndObject();
    }
    g.writeEndArray();
  }

  /** JSON has no NaN and no infinity. */
  private void number(String name, double value) throws IOException {
    if (Double.isFinite(value)) {
      g.writeNumberField(name, value);
    } else {
      g.writeNullField(name);
    }
  }
}
