// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.report;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.util.DefaultPrettyPrinter;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.merganser.internal.io.PartialFile;
import org.merganser.lab.experiment.ExperimentResult;
import org.merganser.lab.experiment.NetworkChoice;

/** {@code results.json}: two runs of the same command differ in {@code seconds} only. */
public final class ResultsJson {
  private ResultsJson() {}

  /** Writes the file, complete or not at all. */
  public static void write(ExperimentResult result, Path path) throws IOException {
    ReportContent content = ReportContent.of(result);
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    try (JsonGenerator g = new JsonFactory().createGenerator(bytes)) {
      g.setPrettyPrinter(new DefaultPrettyPrinter());
      g.writeStartObject();
      g.writeStringField("experiment", result.id());
      g.writeNumberField("seed", result.settings().seed());
      g.writeNumberField("seeds", result.settings().pairs());
      g.writeNumberField("models", result.settings().models());
      g.writeNumberField("epochs", result.settings().epochs());
      g.writeStringField("training", result.settings().training().toString());
      numbers("gamma", result.settings().gammas(), g);
      g.writeStringField("split", result.settings().split().id());
      g.writeObjectFieldStart("augmentation");
      g.writeBooleanField("flip", result.settings().training().augmentation().flip());
      g.writeNumberField("padding", result.settings().training().augmentation().padding());
      g.writeEndObject();
      data(result.data(), result.settings().shrink(), g);
      g.writeObjectFieldStart("model");
      network(result.settings().network(), g);
      g.writeNumberField("parameters", result.parameters());
      g.writeEndObject();
      content.writeSettings(g);
      rows(result, g);
      pairs(result, g);
      content.writeResults(g);
      g.writeStringField("backend", result.backend());
      g.writeStringField("isa", result.isa());
      g.writeObjectFieldStart("versions");
      for (Map.Entry<String, String> version : result.versions().entrySet()) {
        g.writeStringField(version.getKey(), version.getValue());
      }
      g.writeEndObject();
      g.writeObjectFieldStart("seconds");
      for (Map.Entry<String, Double> stage : result.seconds().entrySet()) {
        g.writeNumberField(stage.getKey(), Math.round(stage.getValue() * 1000) / 1000.0);
      }
      g.writeEndObject();
      g.writeEndObject();
    }
    try (PartialFile file = new PartialFile(path)) {
      file.write(ByteBuffer.wrap(bytes.toByteArray()));
      file.commit();
    }
  }

  private static void network(NetworkChoice network, JsonGenerator g) throws IOException {
    g.writeStringField("kind", network.kind().id());
    if (network.isConvolutional()) {
      g.writeNumberField("widthMultiplier", network.width());
      g.writeStringField("norm", network.norm().name().toLowerCase(Locale.ROOT));
    } else {
      g.writeNumberField("hidden", network.hidden());
      g.writeNumberField("layers", network.layers());
    }
  }

  private static void data(ExperimentResult.Data data, int shrink, JsonGenerator g)
      throws IOException {
    g.writeObjectFieldStart("data");
    g.writeStringField("name", data.name());
    if (shrink > 1) {
      g.writeNumberField("shrink", shrink);
    }
    g.writeNumberField("train", data.train());
    g.writeNumberField("validation", data.validation());
    g.writeNumberField("test", data.test());
    if (data.pixels().isPresent()) {
      numbers("mean", data.pixels().get().mean(), g);
      numbers("sd", data.pixels().get().sd(), g);
    }
    g.writeEndObject();
  }

  /** A single number as it is, several (one for each channel) as an array. */
  private static void numbers(String name, List<Double> values, JsonGenerator g)
      throws IOException {
    if (values.size() == 1) {
      g.writeNumberField(name, values.get(0));
    } else {
      array(name, values, g);
    }
  }

  static void array(String name, List<Double> values, JsonGenerator g) throws IOException {
    g.writeFieldName(name);
    g.writeArray(values.stream().mapToDouble(Double::doubleValue).toArray(), 0, values.size());
  }

  private static void rows(ExperimentResult result, JsonGenerator g) throws IOException {
    g.writeArrayFieldStart("rows");
    for (ExperimentResult.Row row : result.rows()) {
      g.writeStartObject();
      g.writeStringField("method", row.method());
      if (row.isRefused()) {
        g.writeBooleanField("refused", true);
      } else {
        g.writeNumberField("accuracy", row.accuracy());
        g.writeNumberField("accuracySd", row.accuracySd());
        g.writeNumberField("loss", row.loss());
        if (!Double.isNaN(row.selection())) {
          g.writeNumberField("selection", row.selection());
        }
      }
      g.writeEndObject();
    }
    g.writeEndArray();
  }

  private static void pairs(ExperimentResult result, JsonGenerator g) throws IOException {
    g.writeArrayFieldStart("pairs");
    for (Map<String, Double> pair : result.pairs()) {
      g.writeStartObject();
      for (Map.Entry<String, Double> accuracy : pair.entrySet()) {
        if (!Double.isNaN(accuracy.getValue())) {
          g.writeNumberField(accuracy.getKey(), accuracy.getValue());
        }
      }
      g.writeEndObject();
    }
    g.writeEndArray();
  }
}
