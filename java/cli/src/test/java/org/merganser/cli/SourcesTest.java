// SPDX-License-Identifier: Apache-2.0
package org.merganser.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** A command is small: what computes belongs to the library. */
class SourcesTest {
  @ParameterizedTest
  @CsvSource({"main, 250", "test, 450"})
  void filesAreSmall(String tree, int most) throws IOException {
    try (Stream<Path> files = Files.walk(Path.of("src", tree, "java"))) {
      List<Path> sources = files.filter(file -> file.toString().endsWith(".java")).toList();
      assertThat(sources).hasSizeGreaterThan(10);
      for (Path file : sources) {
        assertThat(Files.readAllLines(file)).as(file.toString()).hasSizeLessThanOrEqualTo(most);
      }
    }
  }
}
