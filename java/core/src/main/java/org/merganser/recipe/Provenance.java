// SPDX-License-Identifier: Apache-2.0
package org.merganser.recipe;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.util.DefaultPrettyPrinter;
import java.io.IOException;
import java.io.StringWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.merganser.compute.Workspace;
import org.merganser.internal.io.FileBytes;
import org.merganser.internal.io.InputFiles;
import org.merganser.internal.kernel.Sha256;
import org.merganser.io.ModelDirectory;
import org.merganser.io.Safetensors;
import org.merganser.lora.LoraAdapter;
import org.merganser.plan.Doctor;

/** What a result was made of, as JSON: enough to make it again. */
final class Provenance {
  private Provenance() {}

  /**
   * @param digests whether the files of models are read for their SHA-256
   */
  static String json(MergeJob job, boolean digests, Workspace ws) throws IOException {
    StringWriter text = new StringWriter();
    try (JsonGenerator g = new JsonFactory().createGenerator(text)) {
      g.setPrettyPrinter(new DefaultPrettyPrinter());
      g.writeStartObject();
      g.writeStringField("merganser", Doctor.version());
      g.writeStringField("backend", ws.backend().name().toLowerCase(Locale.ROOT));
      g.writeStringField("isa", Doctor.isa());
      g.writeStringField("java", Runtime.version().toString());
      g.writeStringField("compat", job.options().mergekit() ? "mergekit" : "merganser");
      g.writeFieldName("recipe");
      g.writeRawValue(job.recipe().toJson());
      g.writeArrayFieldStart("models");
      for (Map.Entry<String, ModelDirectory> model : job.models().entrySet()) {
        g.writeStartObject();
        g.writeStringField("model", model.getKey());
        Path path = model.getValue().path();
        files(g, path, Safetensors.files(path), digests);
        LoraAdapter adapter = job.adapters().get(model.getKey());
        if (adapter != null) {
          g.writeObjectFieldStart("adapter");
          files(g, adapter.path().orElseThrow(), adapter.files(), digests);
          g.writeEndObject();
        }
        g.writeEndObject();
      }
      g.writeEndArray();
      each(g, "importances", job.importances(), digests);
      if (job.recipe().align().isPresent()) {
        each(g, "aligned_with", all(job.recipe().align().get().inputs()), digests);
      }
      settings(g, job.settings());
      if (job.options().repair().isPresent()) {
        MergeJob.Repairing repair = job.options().repair().get();
        g.writeStringField("repair", repair.description());
        each(g, "repaired_with", all(repair.inputs()), digests);
      }
      g.writeEndObject();
    }
    return text.toString();
  }

  private static void files(JsonGenerator g, Path folder, List<Path> files, boolean digests)
      throws IOException {
    g.writeStringField("path", folder.toAbsolutePath().normalize().toString());
    g.writeArrayFieldStart("files");
    for (Path file : files) {
      file(g, "name", file.getFileName(), file, digests);
    }
    g.writeEndArray();
  }

  /** Files that are in no one folder; nothing without them. */
  private static void each(JsonGenerator g, String key, List<Path> files, boolean digests)
      throws IOException {
    if (files.isEmpty()) {
      return;
    }
    g.writeArrayFieldStart(key);
    for (Path file : files) {
      file(g, "path", file.toAbsolutePath().normalize(), file, digests);
    }
    g.writeEndArray();
  }

  private static void file(JsonGenerator g, String key, Path name, Path file, boolean digests)
      throws IOException {
    g.writeStartObject();
    g.writeStringField(key, name.toString());
    g.writeNumberField("bytes", Files.size(file));
    if (digests) {
      g.writeStringField("sha256", sha256(file));
    }
    g.writeEndObject();
  }

  /** With the defaults, and the tensors that have them where not all have the same. */
  private static void settings(JsonGenerator g, Map<Map<String, Object>, List<String>> settings)
      throws IOException {
    g.writeArrayFieldStart("settings");
    for (Map.Entry<Map<String, Object>, List<String>> item : settings.entrySet()) {
      g.writeStartObject();
      for (Map.Entry<String, Object> value : item.getKey().entrySet()) {
        g.writeFieldName(value.getKey());
        if (value.getValue() instanceof List<?> list) {
          g.writeStartArray();
          for (Object each : list) {
            g.writePOJO(each);
          }
          g.writeEndArray();
        } else {
          g.writePOJO(value.getValue());
        }
      }
      if (settings.size() > 1) {
        g.writeArrayFieldStart("tensors");
        for (String tensor : item.getValue()) {
          g.writeString(tensor);
        }
        g.writeEndArray();
      }
      g.writeEndObject();
    }
    g.writeEndArray();
  }

  /**
   * Of a job that is resumed: the same program and recipe, and models and what aligns, weighs and
   * repairs them, whose files did not change.
   */
  static String identity(MergeJob job) throws IOException {
    StringBuilder text = new StringBuilder(job.recipe().toJson());
    text.append(job.options().mergekit()).append('\n').append(Doctor.version());
    for (ModelDirectory model : job.models().values()) {
      for (Path file : RecipeModels.files(model)) {
        file(text, file);
      }
    }
    for (LoraAdapter adapter : job.adapters().values()) {
      for (Path file : adapter.files()) {
        file(text, file);
      }
    }
    if (job.recipe().align().isPresent()) {
      for (Path file : all(job.recipe().align().get().inputs())) {
        file(text, file);
      }
    }
    if (job.options().repair().isPresent()) {
      MergeJob.Repairing repair = job.options().repair().get();
      text.append('\n').append(repair.description());
      for (Path file : all(repair.inputs())) {
        file(text, file);
      }
    }
    for (Path importance : job.importances()) {
      file(text, importance);
    }
    return Sha256.of(StandardCharsets.UTF_8.encode(text.toString()));
  }

  /** Files, and those of folders. */
  private static List<Path> all(List<Path> filesAndFolders) throws IOException {
    List<Path> all = new ArrayList<>();
    for (Path path : filesAndFolders) {
      all.addAll(InputFiles.of(path));
    }
    return all;
  }

  private static void file(StringBuilder text, Path file) throws IOException {
    text.append('\n').append(file.getFileName()).append(' ').append(Files.size(file));
    text.append(' ').append(Files.getLastModifiedTime(file).toMillis());
  }

  private static String sha256(Path path) throws IOException {
    try (FileBytes file = new FileBytes(path)) {
      return file.sha256();
    }
  }
}
