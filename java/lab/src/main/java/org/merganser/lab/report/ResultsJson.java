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
import org.merganser.io.PartialFile;
import org.merganser.lab.experiment.CcaMergeResult;
import org.merganser.lab.experiment.NetworkChoice;

/** {@code results.json}: two runs of the same command differ in {@code seconds} only. */
public final class ResultsJson {
  private ResultsJson() {}

  /** Writes through {@code PATH.partial}. */
  public static void write(CcaMergeResult result, Path path) throws IOException {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    try (JsonGenerator g = new JsonFactory().createGenerator(bytes)) {
      g.setPrettyPrinter(new DefaultPrettyPrinter());
      g.writeStartObject();
      g.writeStringField("experiment", "cca-merge");
      g.writeNumberField("seed", result.options().seed());
      g.writeNumberField("seeds", result.options().pairs());
      g.writeNumberField("models", result.options().models());
      g.writeNumberField("epochs", result.options().epochs());
      g.writeStringField("training", result.options().training().toString());
      g.writeNumberField("gamma", result.options().gamma());
      g.writeStringField("split", result.options().split().id());
      g.writeObjectFieldStart("augmentation");
      g.writeBooleanField("flip", result.options().training().augmentation().flip());
      g.writeNumberField("padding", result.options().training().augmentation().padding());
      g.writeEndObject();
      data(result.data(), g);
      g.writeObjectFieldStart("model");
      network(result.options().network(), g);
      g.writeNumberField("parameters", result.parameters());
      g.writeEndObject();
      rows(result, g);
      pairs(result, g);
      paths(result, g);
      spectra(result, g);
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

  private static void data(CcaMergeResult.Data data, JsonGenerator g) throws IOException {
    g.writeObjectFieldStart("data");
    g.writeStringField("name", data.name());
    g.writeNumberField("train", data.train());
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

  private static void array(String name, List<Double> values, JsonGenerator g) throws IOException {
    g.writeFieldName(name);
    g.writeArray(values.stream().mapToDouble(Double::doubleValue).toArray(), 0, values.size());
  }

  private static void paths(CcaMergeResult result, JsonGenerator g) throws IOException {
    g.writeArrayFieldStart("paths");
    for (CcaMergeResult.Path path : result.paths()) {
      g.writeStartObject();
      g.writeStringField("method", path.method());
      array("lambdas", path.lambdas(), g);
      array("accuracies", path.accuracies(), g);
      array("losses", path.losses(), g);
      g.writeNumberField("accuracyBarrier", path.accuracyBarrier());
      g.writeNumberField("lossBarrier", path.lossBarrier());
      g.writeEndObject();
    }
    g.writeEndArray();
  }

  private static void spectra(CcaMergeResult result, JsonGenerator g) throws IOException {
    g.writeObjectFieldStart("spectra");
    for (Map.Entry<String, CcaMergeResult.Spectra> space : result.spectra().entrySet()) {
      g.writeObjectFieldStart(space.getKey());
      array("canonical", space.getValue().canonical(), g);
      array("regularised", space.getValue().regularised(), g);
      g.writeObjectFieldStart("matched");
      for (Map.Entry<String, List<Double>> item : space.getValue().matched().entrySet()) {
        array(item.getKey(), item.getValue(), g);
      }
      g.writeEndObject();
      g.writeEndObject();
    }
    g.writeEndObject();
  }

  private static void rows(CcaMergeResult result, JsonGenerator g) throws IOException {
    g.writeArrayFieldStart("rows");
    for (CcaMergeResult.Row row : result.rows()) {
      g.writeStartObject();
      g.writeStringField("method", row.method());
      if (row.isRefused()) {
        g.writeBooleanField("refused", true);
      } else {
        g.writeNumberField("accuracy", row.accuracy());
        g.writeNumberField("accuracySd", row.accuracySd());
        g.writeNumberField("loss", row.loss());
      }
      g.writeEndObject();
    }
    g.writeEndArray();
  }

  private static void pairs(CcaMergeResult result, JsonGenerator g) throws IOException {
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
