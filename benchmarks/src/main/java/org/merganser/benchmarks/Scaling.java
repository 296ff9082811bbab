// SPDX-License-Identifier: Apache-2.0
package org.merganser.benchmarks;

import java.io.IOException;
import java.io.PrintStream;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.OptionalInt;
import java.util.Set;
import java.util.TreeMap;
import org.merganser.benchmarks.Measure.Effort;

/**
 * The limits of the machine and every kernel of the guard with one thread and with two: rows of a
 * Markdown table, best wall times of rounds that take turns.
 */
public final class Scaling {
  private static final String HELP =
      """
      Usage: Scaling [--short] [--bounds FILE] [--out DIR] [FILTER]

      Wall times of the machine's limits and of the guard's kernels with 1 and with 2 threads, as rows of a
      Markdown table. Arguments as for Guard; FILTER: only benchmarks whose name contains it.
      """;
  private static final List<String> LIMITS = List.of("gemmF32", "gemmF64", "mixed", "read");
  private static final int ROUNDS = 2;
  private static final Effort EFFORT = new Effort(0, 1, 3, 500);

  private final Measure measure;
  private final Effort effort;
  private final PrintStream out;

  Scaling(Measure measure, Effort effort, PrintStream out) {
    this.measure = measure;
    this.effort = effort;
    this.out = out;
  }

  /** One benchmark and its parameters but the number of threads. */
  record Row(String benchmark, Map<String, String> parameters) {
    String name() {
      return benchmark.replace("Benchmark.", " ");
    }
  }

  public static void main(String[] args) {
    try {
      OptionalInt restarted = CleanJvm.restart(Scaling.class, args);
      if (restarted.isPresent()) {
        System.exit(restarted.getAsInt());
      }
      Arguments arguments = Arguments.parse(args);
      if (arguments.help()) {
        System.out.print(HELP);
        return;
      }
      Runs runs = new Runs();
      Set<Row> rows = rows(arguments);
      System.out.println(CleanJvm.cores() + "\n");
      Effort effort = arguments.shortForm() ? Guard.SHORT : EFFORT;
      new Scaling(runs, effort, System.out).table(rows);
      arguments.out().ifPresent(folder -> runs.write(folder.resolve("scaling.json")));
    } catch (UsageException | IOException e) {
      System.err.println("scaling: " + e.getMessage());
      System.exit(Guard.USAGE);
    } catch (BenchmarkFailure e) {
      System.err.println("scaling: failed: " + e.getMessage());
      System.exit(Guard.FAILED);
    }
  }

  /** The limits, then each {@code ours} of the guard once. */
  static Set<Row> rows(Arguments arguments) throws IOException {
    Set<Row> rows = new LinkedHashSet<>();
    Map<String, String> size = Map.of("n", arguments.shortForm() ? "1024" : "2048");
    for (String limit : LIMITS) {
      rows.add(new Row("MachineBenchmark." + limit, size));
    }
    for (Bound bound : arguments.bounds()) {
      if (bound.shortForm() == arguments.shortForm()) {
        bound.check();
        Map<String, String> parameters = new TreeMap<>(bound.parameters());
        parameters.remove("threads");
        rows.add(new Row(bound.ours(), parameters));
      }
    }
    rows.removeIf(row -> !row.name().contains(arguments.filter()));
    if (rows.isEmpty()) {
      throw new UsageException("no benchmark contains \"" + arguments.filter() + "\"");
    }
    return rows;
  }

  void table(Set<Row> rows) {
    out.println("| kernel | inputs | 1 thread, ms | 2 threads, ms | gain | rate of 1 | of 2 |");
    out.println("|---|---|---:|---:|---:|---:|---:|");
    for (Row row : rows) {
      Score one = score(row, 1);
      Score two = score(row, 2);
      for (int round = 1; round < ROUNDS; round++) {
        one = one.best(score(row, 1));
        two = two.best(score(row, 2));
      }
      out.println(
          String.format(
              Locale.ROOT,
              "| %s | %s | %.3g | %.3g | %.2f | %.3g %s | %.3g |",
              row.name(),
              Bound.text(row.parameters()),
              one.wall(),
              two.wall(),
              one.wall() / two.wall(),
              one.wallRate(),
              one.unit(),
              two.wallRate()));
    }
  }

  private Score score(Row row, int threads) {
    Map<String, String> parameters = new TreeMap<>(row.parameters());
    parameters.put("threads", Integer.toString(threads));
    return measure.of(row.benchmark(), parameters, effort);
  }
}
