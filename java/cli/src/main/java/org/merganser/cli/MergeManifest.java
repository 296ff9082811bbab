// SPDX-License-Identifier: Apache-2.0
package org.merganser.cli;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.merganser.internal.io.FileBytes;
import org.merganser.internal.io.InputFiles;
import org.merganser.io.Safetensors;
import org.merganser.lab.report.Json;
import org.merganser.method.Method;
import org.merganser.method.Settings;
import org.merganser.plan.Doctor;

/**
 * What a merged file was made of, in {@code FILE.merganser.json}: program, methods with their
 * settings, and every file that was read, as {@code merganser.json} has them of a recipe.
 *
 * @param digests whether files are read once more for their SHA-256
 */
record MergeManifest(Map<String, Object> provenance, boolean digests) {
  /** What distinguishes such a file from another one of its name. */
  static final String MARK = "\"provenance\"";

  MergeManifest(boolean digests) {
    this(new LinkedHashMap<>(), digests);
    provenance.put("merganser", Doctor.version());
    provenance.put("isa", Doctor.isa());
    provenance.put("java", Runtime.version().toString());
  }

  /** That of a merged file: beside it, under its whole name. */
  static Path of(Path merged) {
    return merged.resolveSibling(merged.getFileName() + ".merganser.json");
  }

  /** A file; digests are left out where none are taken. */
  private record Part(String name, String path, long bytes, String sha256) {}

  private record Model(String model, String path, List<Part> files) {}

  private record Chosen(String method, Map<String, Object> settings) {
    static Chosen of(Method method) {
      return new Chosen(method.id(), Settings.values(method.options()));
    }
  }

  /** A value, unless it is null, false or an empty list; constants as they are typed. */
  void put(String key, Object value) {
    boolean nothing =
        value == null || value.equals(false) || value instanceof List<?> list && list.isEmpty();
    if (!nothing) {
      provenance.put(
          key, value instanceof Enum<?> one ? one.name().toLowerCase(Locale.ROOT) : value);
    }
  }

  /** A method with all its settings, those that are usual too. */
  void put(String key, Method method) {
    provenance.put(key, Chosen.of(method));
  }

  /** Methods, one after the other, likewise. */
  void putMethods(String key, List<? extends Method> methods) {
    put(key, methods.stream().map(Chosen::of).toList());
  }

  void putModels(String key, List<Path> models) throws IOException {
    List<Model> all = new ArrayList<>();
    for (Path model : models) {
      List<Part> files = new ArrayList<>();
      for (Path file : Safetensors.files(model)) {
        files.add(new Part(file.getFileName().toString(), null, Files.size(file), digest(file)));
      }
      all.add(new Model(model.toString(), whole(model), files));
    }
    put(key, all);
  }

  /** Files, and those of folders that are read. */
  void putFiles(String key, List<Path> filesAndFolders) throws IOException {
    List<Part> all = new ArrayList<>();
    for (Path path : filesAndFolders) {
      for (Path file : InputFiles.of(path)) {
        all.add(new Part(null, whole(file), Files.size(file), digest(file)));
      }
    }
    put(key, all);
  }

  /** Writes it, with the digest of what was merged. */
  void write(Path merged) throws IOException {
    Map<String, Object> all = new LinkedHashMap<>();
    all.put("provenance", provenance);
    if (digests) {
      all.put("files", Map.of(merged.getFileName().toString(), digest(merged)));
    }
    Json.write(all, of(merged));
  }

  private String digest(Path file) throws IOException {
    if (!digests) {
      return null;
    }
    try (FileBytes bytes = new FileBytes(file)) {
      return bytes.sha256();
    }
  }

  private static String whole(Path path) {
    return path.toAbsolutePath().normalize().toString();
  }
}
