// SPDX-License-Identifier: Apache-2.0
package org.merganser.cka;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.util.DefaultPrettyPrinter;
import java.io.IOException;
import java.io.StringWriter;
import java.io.UncheckedIOException;
import java.util.List;
import java.util.TreeMap;
import org.merganser.cka.ReliabilityReport.Check;
import org.merganser.cka.ReliabilityReport.Opinion;
import org.merganser.cka.ReliabilityReport.Point;
import org.merganser.cka.ReliabilityReport.Removal;
import org.merganser.cka.ReliabilityReport.Setup;
import org.merganser.cka.ReliabilityReport.SideSetup;
import org.merganser.cka.ReliabilityReport.Translated;
import org.merganser.cka.ReliabilityReport.Value;
import org.merganser.cka.ReliabilityReport.Warning;

/** A report as JSON; what is not a number is null. */
final class ReliabilityJson {
  private final JsonGenerator g;

  private ReliabilityJson(JsonGenerator g) {
    this.g = g;
  }

  static String of(ReliabilityReport report) {
    StringWriter text = new StringWriter();
    try (JsonGenerator g = new JsonFactory().createGenerator(text)) {
      g.setPrettyPrinter(new DefaultPrettyPrinter());
      new ReliabilityJson(g).report(report);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return text.append('\n').toString();
  }

  private void report(ReliabilityReport report) throws IOException {
    g.writeStartObject();
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
    g.writeEndObject();
  }

  private void setup(Setup setup) throws IOException {
    g.writeStringField("kernel", setup.kernel());
    g.writeNumberField("samples", setup.samples());
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
