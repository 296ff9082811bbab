// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import java.io.IOException;
import java.nio.file.DirectoryNotEmptyException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.apache.commons.io.function.IOSupplier;
import org.merganser.compute.Backend;
import org.merganser.lab.data.DataSet;
import org.merganser.plan.Doctor;
import org.merganser.torch.Examples;
import org.merganser.torch.TorchNatives;
import org.merganser.torch.internal.Digests;

/**
 * What an unfinished run has found so far: {@code OUT/unfinished/pair-I-HASH.json}, by a digest of
 * everything that findings depend on. A run of the same settings goes on after them; one whose
 * results are written takes its own away.
 */
final class Journal {
  private final Optional<Path> folder;
  private final String settings;
  private String backend = "";
  private final Map<Integer, Path> files = new LinkedHashMap<>();

  /** Without a folder for results there is none either. */
  Journal(Experiment experiment) {
    this.folder = experiment.runs().out().map(out -> out.resolve("unfinished"));
    Map<String, Object> values = experiment.facts();
    // Pairs do not depend on how many there are. What is kept was kept when they were found.
    values.remove("seeds");
    this.settings = experiment.id() + " " + values + " keep " + experiment.runs().keep();
  }

  /** The same for what computes there: findings of another backend differ in the last digits. */
  Journal on(Backend of) {
    backend = " " + of;
    return this;
  }

  /** What findings depend on of images and the like. */
  static String digest(DataSet data) {
    return Stream.of(data.train(), data.selection(), data.test())
        .map(Examples::digest)
        .collect(Collectors.joining(" "));
  }

  /**
   * Of an interrupted run, or found now.
   *
   * @param data what findings depend on beside settings, seed and versions
   */
  Findings found(int index, String data, IOSupplier<Findings> work) throws IOException {
    Optional<Findings> before = read(index, data);
    if (before.isPresent()) {
      return before.get();
    }
    Findings found = work.get();
    write(index, data, found);
    return found;
  }

  /** Of an interrupted run, or empty: what is missing is found and written part by part. */
  Findings begun(int index, String data) throws IOException {
    return read(index, data).orElseGet(() -> new Findings(ExperimentResult.Training.NONE));
  }

  /** Its models count as there before. */
  Optional<Findings> read(int index, String data) throws IOException {
    if (folder.isEmpty() || !Files.exists(file(index, data))) {
      return Optional.empty();
    }
    Optional<Findings> found = Findings.read(file(index, data));
    if (found.isEmpty()) {
      System.getLogger(Journal.class.getName())
          .log(
              System.Logger.Level.WARNING,
              "{0} was written by a version whose findings have other fields: group {1} is run"
                  + " again from its beginning",
              file(index, data),
              index + 1);
    }
    return found.map(Findings::before);
  }

  void write(int index, String data, Findings found) throws IOException {
    if (folder.isPresent()) {
      Files.createDirectories(folder.get());
      found.write(file(index, data));
    }
  }

  private Path file(int index, String samples) {
    return files.computeIfAbsent(
        index,
        i -> {
          String versions = TorchNatives.version() + " " + Doctor.versions() + " " + Doctor.isa();
          String hash = Digests.of(settings + " " + samples + " " + versions + backend);
          return folder.orElseThrow().resolve("pair-" + i + "-" + hash + ".json");
        });
  }

  /** The results are written. */
  void end() throws IOException {
    for (Path file : files.values()) {
      Files.deleteIfExists(file);
    }
    try {
      Files.deleteIfExists(folder.orElseThrow());
    } catch (DirectoryNotEmptyException e) {
      // Another run is unfinished too.
    }
  }
}
