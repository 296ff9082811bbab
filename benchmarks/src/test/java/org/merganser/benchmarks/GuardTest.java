// SPDX-License-Identifier: Apache-2.0
package org.merganser.benchmarks;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.merganser.benchmarks.Measure.Effort;

class GuardTest {
  private static final List<Bound> BOUNDS =
      Bound.parse(
          "f",
          """
          short | lead  | A.ours | A.peer  | n=1 | 2   | r
          short | share | A.ours | A.limit | n=1 | 0.8 | r
          """);

  private final ByteArrayOutputStream printed = new ByteArrayOutputStream();
  private final PrintStream out = new PrintStream(printed, true, StandardCharsets.UTF_8);
  private final List<String> runs = new ArrayList<>();

  /** Rates by benchmark; those of the second effort by the name and {@code '}. */
  private int judge(List<Bound> bounds, Map<String, Double> rates, String... arguments) {
    Measure measure =
        (benchmark, parameters, effort) -> {
          String key = benchmark + (effort.equals(Guard.SHORT_AGAIN) ? "'" : "");
          runs.add(key);
          double rate = rates.get(key);
          return new Score(10 / rate, 12 / rate, rate, rate / 1.2, "GB/s");
        };
    return new Guard(Arguments.parse(arguments), measure, out).judge(bounds);
  }

  private List<String> lines() {
    return printed.toString(StandardCharsets.UTF_8).lines().toList();
  }

  @Test
  void aLineAPairAndEachBenchmarkOnce() {
    Map<String, Double> rates = Map.of("A.ours", 9.0, "A.peer", 3.0, "A.limit", 10.0);
    assertThat(judge(BOUNDS, rates, "--short")).isEqualTo(Guard.OK);
    assertThat(runs).containsExactly("A.ours", "A.peer", "A.limit");
    assertThat(lines()).hasSize(2);
    assertThat(lines().get(0))
        .matches("lead +3\\.00  bound +2\\.00  ok .*n=1: 1\\.11 ms, 9\\.00.*");
    assertThat(lines().get(1)).matches("share +0\\.90  bound +0\\.80  ok .*");
  }

  @Test
  void equalToTheBoundHolds() {
    Map<String, Double> rates = Map.of("A.ours", 6.0, "A.peer", 3.0);
    assertThat(judge(BOUNDS.subList(0, 1), rates, "--short")).isEqualTo(Guard.OK);
  }

  @Test
  void aMissIsForgivenIfItDoesNotRepeat() {
    Map<String, Double> rates =
        Map.of("A.ours", 5.0, "A.peer", 3.0, "A.ours'", 9.0, "A.peer'", 3.0);
    assertThat(judge(BOUNDS.subList(0, 1), rates, "--short")).isEqualTo(Guard.OK);
    assertThat(runs).containsExactly("A.ours", "A.peer", "A.ours'", "A.peer'");
    assertThat(lines()).hasSize(1);
    assertThat(lines().get(0)).contains("3.00").contains("ok");
  }

  @Test
  void aMissThatRepeatsFailsAndTheOthersAreStillJudged() {
    Map<String, Double> rates =
        Map.of("A.ours", 5.0, "A.peer", 3.0, "A.limit", 6.0, "A.ours'", 5.7, "A.peer'", 3.0);
    assertThat(judge(BOUNDS, rates, "--short")).isEqualTo(Guard.MISSED);
    assertThat(lines().get(0)).matches("lead +1\\.90  bound +2\\.00  MISSED .*");
    assertThat(lines().get(1)).matches("share +0\\.83 .*ok .*");
    assertThat(lines().get(2)).isEqualTo("missed, twice: lead");
  }

  @Test
  void noNumberIsAMiss() {
    Map<String, Double> rates =
        Map.of("A.ours", 0.0, "A.peer", 0.0, "A.ours'", 0.0, "A.peer'", 0.0);
    assertThat(judge(BOUNDS.subList(0, 1), rates, "--short")).isEqualTo(Guard.MISSED);
  }

  @Test
  void rowsOfATable() {
    Map<String, Double> rates = Map.of("A.ours", 9.0, "A.peer", 3.0, "A.limit", 10.0);
    judge(BOUNDS, rates, "--short", "--markdown");
    assertThat(lines()).hasSize(4);
    assertThat(lines().get(2))
        .isEqualTo("| lead | n=1 | A.peer | 3.33 | 1.11 | 9.00 GB/s | 3.00 | 2.00 | ok |");
  }

  @Test
  void ratesOfDifferentWorkAreNotCompared() {
    Measure measure =
        (benchmark, parameters, effort) ->
            new Score(1, 1, 1, 1, benchmark.equals("A.ours") ? "GB/s" : "GFLOP/s");
    Guard guard = new Guard(Arguments.parse("--short"), measure, out);
    assertThatThrownBy(() -> guard.judge(BOUNDS))
        .isInstanceOf(UsageException.class)
        .hasMessage("lead: GB/s cannot be compared with GFLOP/s");
  }

  @Test
  void theBestOfTwoScoresIsTheBestByEachClock() {
    assertThat(new Score(2, 9, 50, 11, "GB/s").best(new Score(4, 5, 25, 20, "GB/s")))
        .isEqualTo(new Score(2, 5, 50, 20, "GB/s"));
  }

  /** Through JMH, in this process: the two bounds of one pair, of which the second cannot hold. */
  @Test
  void boundsAreJudgedByRealRuns(@TempDir Path folder) throws IOException {
    String pair = "MagnitudeBenchmark.kth | MagnitudeBenchmark.limit | n=65536";
    Path held = write(folder, "full | kth | " + pair + " | 1e-6 | r");
    Runs measured = new Runs();
    Measure brief =
        (benchmark, parameters, effort) ->
            measured.of(benchmark, parameters, new Effort(0, 1, 2, 20));
    Guard guard = new Guard(Arguments.parse(), brief, out);
    assertThat(guard.judge(Bound.read(held))).isEqualTo(Guard.OK);
    Path missed = write(folder, "full | kth | " + pair + " | 1e6 | r");
    assertThat(guard.judge(Bound.read(missed))).isEqualTo(Guard.MISSED);

    Path json = folder.resolve("out/guard.json");
    measured.write(json);
    assertThat(Files.readString(json))
        .contains("org.merganser.benchmarks.MagnitudeBenchmark.kth")
        .contains("\"cpu\"")
        .contains("\"rate\"");
  }

  @Test
  void aFailedBenchmarkSaysWhy() {
    Map<String, String> parameters = Map.of("n", "8", "input", "none", "threads", "1");
    assertThatThrownBy(
            () -> new Runs().of("AssignmentBenchmark.solve", parameters, new Effort(0, 1, 1, 1)))
        .isInstanceOf(BenchmarkFailure.class)
        .hasMessageStartingWith("AssignmentBenchmark.solve ")
        .hasMessageEndingWith(": no input none");
  }

  @Test
  void usageErrorsAreOneLine(@TempDir Path folder) {
    assertUsage("guard: unknown argument: --fast", "--fast");
    Path none = folder.resolve("none");
    assertUsage("guard: no file of bounds at " + none, "--bounds", none.toString());
  }

  private void assertUsage(String expected, String... arguments) {
    ByteArrayOutputStream errors = new ByteArrayOutputStream();
    PrintStream err = new PrintStream(errors, true, StandardCharsets.UTF_8);
    assertThat(Guard.run(arguments, new Runs(), out, err)).isEqualTo(Guard.USAGE);
    assertThat(errors.toString(StandardCharsets.UTF_8)).isEqualTo(expected + "\n");
  }

  private static Path write(Path folder, String line) throws IOException {
    return Files.writeString(folder.resolve("bounds.txt"), line);
  }
}
