// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.logging.Handler;
import java.util.logging.LogRecord;
import java.util.logging.Logger;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.merganser.compute.Backend;
import org.merganser.lab.report.Json;

/** What was found before is gone on from, unless its records have another form now. */
class JournalTest {
  private static final Logger LOGGER = Logger.getLogger(Journal.class.getName());

  /** An inner list that is empty has a form all the same. */
  private record Outer(String name, List<Inner> inner, int[][] numbers) {}

  private record Inner(double value) {}

  @TempDir Path out;
  private final List<String> warnings = new ArrayList<>();
  private final Handler handler =
      new Handler() {
        @Override
        public void publish(LogRecord record) {
          warnings.add(new java.util.logging.SimpleFormatter().formatMessage(record));
        }

        @Override
        public void flush() {}

        @Override
        public void close() {}
      };

  @BeforeEach
  void listen() {
    LOGGER.addHandler(handler);
    LOGGER.setUseParentHandlers(false);
  }

  @AfterEach
  void stop() {
    LOGGER.removeHandler(handler);
    LOGGER.setUseParentHandlers(true);
  }

  private Journal journal() {
    return new Journal(
            new CcaMergeExperiment(CcaMergeExperiment.Options.defaults().with("out", out)))
        .on(Backend.CPU);
  }

  private static Findings one() {
    Findings found = new Findings(new ExperimentResult.Training(2, 1));
    found.map("by", "name").put("outer", new Outer("a", List.of(), new int[][] {{1}}));
    return found;
  }

  private Path file() throws IOException {
    try (Stream<Path> files = Files.list(out.resolve("unfinished"))) {
      return files.findFirst().orElseThrow();
    }
  }

  @Test
  void whatIsReadAndWrittenAgainKeepsItsForms() throws IOException {
    journal().write(0, "data", one());
    String first = Files.readString(file());
    Findings read = journal().begun(0, "data");
    assertThat(read.training()).isEqualTo(new ExperimentResult.Training(0, 3));
    journal().write(0, "data", read.with(new ExperimentResult.Training(2, 1)));
    assertThat(file()).content().isEqualTo(first);
    assertThat(RecordForms.of(one().data()).get(Inner.class.getName())).isEqualTo("double value");
    assertThat(warnings).isEmpty();
  }

  @Test
  void findingsOfAnotherFormAreNotGoneOnFrom() throws IOException {
    String form = "double value";
    for (String other : List.of("float value", "double value, int more", "double other")) {
      journal().write(0, "data", one());
      Files.writeString(file(), Files.readString(file()).replace(form, other));
      assertStartedAgain();
    }
    // A record that is no more, and findings from before forms were written.
    journal().write(0, "data", one());
    Files.writeString(
        file(), Files.readString(file()).replace("JournalTest$Inner\" :", "Gone\" :"));
    assertStartedAgain();
    journal().write(0, "data", one());
    Map<?, ?> kept = Json.read(file(), Map.class);
    kept.remove("records");
    Json.write(kept, file());
    assertStartedAgain();
  }

  private void assertStartedAgain() throws IOException {
    warnings.clear();
    Findings found = journal().begun(0, "data");
    assertThat(found.data()).isEmpty();
    assertThat(found.training()).isEqualTo(ExperimentResult.Training.NONE);
    assertThat(warnings)
        .singleElement()
        .asString()
        .contains(file().toString())
        .endsWith("group 1 is run again from its beginning");
    assertThat(journal().found(0, "data", JournalTest::one).training())
        .isEqualTo(new ExperimentResult.Training(2, 1));
  }
}
