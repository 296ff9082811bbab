// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import java.io.IOException;
import java.nio.file.DirectoryNotEmptyException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import org.merganser.lab.data.DataSet;
import org.merganser.lab.report.Json;
import org.merganser.plan.Doctor;
import org.merganser.torch.TorchNatives;

/**
 * What an unfinished run has found so far: {@code OUT/unfinished/pair-I-HASH.json}, by a digest of
 * everything that findings depend on. A run of the same settings goes on after them; one whose
 * results are written takes its own away.
 */
final class Journal {
  private final Path folder;
  private final String settings;
  private final Map<Integer, Path> files = new LinkedHashMap<>();

  Journal(Path out, Experiment experiment) {
    this.folder = out.resolve("unfinished");
    Map<String, Object> values = ResultReport.settings(experiment);
    // Pairs do not depend on how many there are. What is kept was kept when they were found.
    values.remove("seeds");
    this.settings = experiment.id() + " " + values + " keep " + experiment.options().keep();
  }

  /** Its models count as there before. */
  Optional<Findings> read(int index, DataSet data) throws IOException {
    Path file = file(index, data);
    if (!Files.exists(file)) {
      return Optional.empty();
    }
    Findings found = Json.read(file, Findings.class);
    return Optional.of(new Findings(found.training().before(), found.rows(), found.data()));
  }

  void write(int index, DataSet data, Findings found) throws IOException {
    Files.createDirectories(folder);
    Json.write(found, file(index, data));
  }

  private Path file(int index, DataSet data) {
    return files.computeIfAbsent(
        index,
        i -> {
          String all =
              String.join(
                  " ",
                  settings,
                  Recipe.digest(data.train()),
                  Recipe.digest(data.selection()),
                  Recipe.digest(data.test()),
                  TorchNatives.version(),
                  Doctor.versions().toString(),
                  Doctor.isa());
          return folder.resolve("pair-" + i + "-" + new Recipe(all).hash() + ".json");
        });
  }

  /** The results are written. */
  void end() throws IOException {
    for (Path file : files.values()) {
      Files.deleteIfExists(file);
    }
    try {
      Files.deleteIfExists(folder);
    } catch (DirectoryNotEmptyException e) {
      // Another run is unfinished too.
    }
  }
}
