// SPDX-License-Identifier: Apache-2.0
package org.merganser.benchmarks;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class BoundTest {
  private static final String LINE =
      "short | np | NpStepBenchmark.clamp | NpStepBenchmark.limit | n=16 | 0.5 | bandwidth";

  @Test
  void aLineHasSevenColumns() {
    assertThat(Bound.parse("f", "# comment\n\n" + LINE + "\n"))
        .containsExactly(
            new Bound(
                true,
                "np",
                "NpStepBenchmark.clamp",
                "NpStepBenchmark.limit",
                Map.of("n", "16", "threads", "1"),
                0.5,
                "bandwidth"));
    assertThat(Bound.parse("f", LINE).get(0).size()).isEqualTo("n=16");
  }

  @Test
  void threadsCanBeGiven() {
    Bound bound = Bound.parse("f", LINE.replace("n=16", "threads=2 n=16")).get(0);
    assertThat(bound.parameters()).isEqualTo(Map.of("n", "16", "threads", "2"));
  }

  @ParameterizedTest
  @CsvSource({"portable,0.2", "avx2,0.4", "avx512,0.5"})
  void lowerLevelsHaveBoundsOfTheirOwn(String level, double bound) {
    String line = LINE.replace("0.5", "0.5 avx2=0.4 portable=0.2");
    assertThat(Bound.parse("f", line, level).get(0).bound()).isEqualTo(bound);
  }

  @ParameterizedTest
  @CsvSource({
    "0.5 | bandwidth,0.5,6 columns",
    "0.5,0.5 0.4,bound \"0.4\" is not level=bound",
    "0.5,0.5 avx2=0,bound \"0\" is no positive number",
    "short,fast,form \"fast\"",
    "0.5,half,bound \"half\" is no positive number",
    "0.5,0,bound \"0\"",
    "0.5,-1,bound \"-1\"",
    "0.5,NaN,bound \"NaN\"",
    "0.5,Infinity,bound \"Infinity\"",
    "n=16,n:16,parameter \"n:16\"",
    "n=16,n=,parameter \"n=\"",
    "bandwidth,'',column 7 is empty"
  })
  void aWrongLineIsNamed(String part, String instead, String expected) {
    assertThatThrownBy(() -> Bound.parse("f", "#\n" + LINE.replace(part, instead)))
        .isInstanceOf(UsageException.class)
        .hasMessageStartingWith("f:2: ")
        .hasMessageContaining(expected);
  }

  @Test
  void aPairHasOneBoundAForm() {
    assertThatThrownBy(() -> Bound.parse("f", LINE + "\n" + LINE))
        .hasMessage("f:2: a second bound of np");
    assertThat(Bound.parse("f", LINE + "\n" + LINE.replace("short", "full"))).hasSize(2);
  }

  @Test
  void noBoundsAreAnError() {
    assertThatThrownBy(() -> Bound.parse("f", "# nothing\n")).hasMessage("f: no bounds");
  }

  @Test
  void aMissingFileIsNamed(@TempDir Path folder) {
    Path file = folder.resolve("none.txt");
    assertThatThrownBy(() -> Bound.read(file))
        .isInstanceOf(UsageException.class)
        .hasMessage("no file of bounds at " + file);
  }

  @ParameterizedTest
  @CsvSource({
    "NpStepBenchmark.clamp,NpStepBenchmark.clamped,no benchmark NpStepBenchmark.clamped",
    "NpStepBenchmark.clamp,NpStepBenchmark.setUp,no benchmark NpStepBenchmark.setUp",
    "NpStepBenchmark.limit,NoBenchmark.limit,no benchmark NoBenchmark.limit",
    "n=16,m=16,'no parameter m; known: [n, threads]'"
  })
  void whatJmhDoesNotKnowIsAnError(String part, String instead, String expected) {
    Bound bound = Bound.parse("f", LINE.replace(part, instead)).get(0);
    assertThatThrownBy(bound::check)
        .isInstanceOf(UsageException.class)
        .hasMessage("np: " + expected);
  }

  @Test
  void theCommittedBoundsNameBenchmarksAndHaveReasons() throws IOException {
    List<Bound> bounds = Bound.committed();
    assertThat(bounds).extracting(Bound::shortForm).contains(true, false);
    for (Bound bound : bounds) {
      bound.check();
      assertThat(bound.reason()).as(bound.pair()).hasSizeGreaterThan(10);
    }
  }
}
