// SPDX-License-Identifier: Apache-2.0
package org.merganser.benchmarks;

import java.io.IOException;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import org.merganser.benchmarks.Measure.Effort;

/**
 * The limits of the machine and every kernel of the guard with one thread and with two: rows of a
 * Markdown table, best wall times of two rounds that take turns.
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

  private Scaling() {}

  public static void main(String[] args) {
    try {
      Arguments arguments = Arguments.parse(args);
      if (arguments.help()) {
        System.out.print(HELP);
        return;
      }
      Map<String, Bound> benchmarks = benchmarks(arguments);
      Runs runs = new Runs();
      table(benchmarks, arguments.shortForm() ? Guard.SHORT : Guard.FULL, runs);
      arguments.out().ifPresent(folder -> runs.write(folder.resolve("scaling.json")));
    } catch (UsageException | BenchmarkFailure | IOException e) {
      System.err.println("scaling: " + e.getMessage());
      System.exit(Guard.USAGE);
    }
  }

  /** Each {@code ours} of the guard once, after the limits; by name and inputs. */
  private static Map<String, Bound> benchmarks(Arguments arguments) throws IOException {
    Map<String, Bound> result = new LinkedHashMap<>();
    String size = arguments.shortForm() ? "n=1024" : "n=2048";
    for (String limit : LIMITS) {
      String line = "full|" + limit + "|MachineBenchmark." + limit + "|-|" + size + "|1|-";
      Bound.parse("limits", line).forEach(each -> put(each, result));
    }
    List<Bound> all =
        arguments.bounds().isPresent() ? Bound.read(arguments.bounds().get()) : Bound.committed();
    for (Bound each : all) {
      if (each.shortForm() == arguments.shortForm()) {
        put(each, result);
      }
    }
    result.keySet().removeIf(name -> !name.contains(arguments.filter()));
    if (result.isEmpty()) {
      throw new UsageException("no benchmark contains \"" + arguments.filter() + "\"");
    }
    return result;
  }

  private static void put(Bound bound, Map<String, Bound> to) {
    to.put(bound.ours().replace("Benchmark.", " ") + " | " + bound.size(), bound);
  }

  private static void table(Map<String, Bound> benchmarks, Effort effort, Runs runs) {
    System.out.println(
        "| kernel | inputs | 1 thread, ms | 2 threads, ms | gain | rate of 1 | of 2 |");
    System.out.println("|---|---|---:|---:|---:|---:|---:|");
    benchmarks.forEach(
        (name, bound) -> {
          Score one = null;
          Score two = null;
          for (int round = 0; round < ROUNDS; round++) {
            Score nextOne = runs.of(bound.ours(), threads(bound, 1), effort);
            Score nextTwo = runs.of(bound.ours(), threads(bound, 2), effort);
            one = one == null ? nextOne : one.best(nextOne);
            two = two == null ? nextTwo : two.best(nextTwo);
          }
          System.out.println(
              String.format(
                  Locale.ROOT,
                  "| %s | %.3g | %.3g | %.2f | %.3g %s | %.3g |",
                  name,
                  one.wall(),
                  two.wall(),
                  one.wall() / two.wall(),
                  one.wallRate(),
                  one.unit(),
                  two.wallRate()));
        });
  }

  private static Map<String, String> threads(Bound bound, int threads) {
    Map<String, String> result = new TreeMap<>(bound.parameters());
    result.put("threads", Integer.toString(threads));
    return result;
  }
}
