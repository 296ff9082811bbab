// SPDX-License-Identifier: Apache-2.0
package org.merganser.benchmarks;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Iterator;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.merganser.benchmarks.Scaling.Row;

class ScalingTest {

  @Test
  void theBestOfRoundsThatTakeTurns() {
    Iterator<Double> walls = Arrays.asList(12.0, 9.0, 10.0, 5.0).iterator();
    StringBuilder threads = new StringBuilder();
    Measure measure =
        (benchmark, parameters, effort) -> {
          threads.append(parameters.get("threads"));
          double wall = walls.next();
          return new Score(wall, wall, 60 / wall, 60 / wall, "GB/s");
        };
    ByteArrayOutputStream printed = new ByteArrayOutputStream();
    PrintStream out = new PrintStream(printed, true, StandardCharsets.UTF_8);
    Set<Row> rows = Set.of(new Row("NpStepBenchmark.clamp", Map.of("n", "16")));
    new Scaling(measure, Guard.SHORT, out).table(rows);
    assertThat(threads).hasToString("1212");
    assertThat(printed.toString(StandardCharsets.UTF_8).lines().toList().get(2))
        .isEqualTo("| NpStep clamp | n=16 | 10.0 | 5.00 | 2.00 | 6.00 GB/s | 12.0 |");
  }

  @Test
  void limitsFirstThenEachKernelOnce() throws IOException {
    Set<Row> rows = Scaling.rows(Arguments.parse("--short"));
    assertThat(rows.iterator().next())
        .isEqualTo(new Row("MachineBenchmark.gemmF32", Map.of("n", "1024")));
    // Two pairs of the guard have it.
    assertThat(rows).filteredOn(row -> row.name().equals("NpStep clamp")).hasSize(1);
    assertThat(rows).noneMatch(row -> row.parameters().containsKey("threads"));
  }

  @Test
  void theFilterIsForNames() throws IOException {
    assertThat(Scaling.rows(Arguments.parse("--short", "NpStep"))).hasSize(2);
    assertThatThrownBy(() -> Scaling.rows(Arguments.parse("none")))
        .isInstanceOf(UsageException.class)
        .hasMessage("no benchmark contains \"none\"");
  }
}
