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
import org.merganser.compute.Backend;
import org.merganser.lab.data.DataSet;
import org.merganser.lab.report.Json;
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
    Map<String, Object> values = ResultReport.settings(experiment);
    // Pairs do not depend on how many there are. What is kept was kept when they were found.
    values.remove("seeds");
    this.settings = experiment.id() + " " + values + " keep " + experiment.runs().keep();
  }

  /** The same for what computes there: findings of another backend differ in the last digits. */
  Journal on(Backend of) {
    backend = " " + of;
    return this;
  }

  /** Its models count as there before. */
  Optional<Findings> read(int index, DataSet data) throws IOException {
    return read(index, samples(data));
  }

  /**
   * @param data what findings depend on beside settings, seed and versions
   */
  Optional<Findings> read(int index, String data) throws IOException {
    if (folder.isEmpty() || !Files.exists(file(index, data))) {
      return Optional.empty();
    }
    Findings found = Json.read(file(index, data), Findings.class);
    return Optional.of(new Findings(found.training().before(), found.rows(), found.data()));
  }

  void write(int index, DataSet data, Findings found) throws IOException {
    write(index, samples(data), found);
  }

  void write(int index, String data, Findings found) throws IOException {
    if (folder.isPresent()) {
      Files.createDirectories(folder.get());
      Json.write(found, file(index, data));
    }
  }

  private static String samples(DataSet data) {
    return Stream.of(data.train(), data.selection(), data.test())
        .map(Examples::digest)
        .collect(Collectors.joining(" "));
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
