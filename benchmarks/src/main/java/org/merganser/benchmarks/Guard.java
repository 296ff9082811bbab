// SPDX-License-Identifier: Apache-2.0
package org.merganser.benchmarks;

import java.io.IOException;
import java.io.PrintStream;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.merganser.benchmarks.Measure.Effort;

/**
 * Fails when a kernel has lost its lead over a peer, or its share of a limit, of the same run. A
 * missed bound counts only if it is missed again with more effort.
 */
public final class Guard {
  static final int OK = 0;
  static final int MISSED = 1;
  static final int USAGE = 2;
  static final int FAILED = 3;

  static final Effort SHORT = new Effort(0, 2, 5, 200);
  static final Effort SHORT_AGAIN = new Effort(2, 3, 6, 400);
  static final Effort FULL = new Effort(1, 2, 5, 1000);
  static final Effort FULL_AGAIN = new Effort(3, 3, 5, 1000);

  private static final String HELP =
      """
      Usage: Guard [--short] [--markdown] [--bounds FILE] [--out DIR] [FILTER]

      Compares rates of kernels with those of peers and limits, best iteration of each in CPU time, one
      line a pair: name, ratio, bound, ok or MISSED. Starts again without OPENBLAS_CORETYPE and
      OPENBLAS_L2_SIZE where they are set, and compares nothing while OpenBLAS is held back.

        --short        smaller inputs, fewer iterations
        --markdown     rows of a table instead
        --bounds FILE  other bounds than those of the jar
        --out DIR      keeps JMH's results as guard.json in DIR
        FILTER         only pairs whose name contains it

      Exit status: 0 all ok, 1 a bound was missed, 2 wrong arguments or bounds, 3 a benchmark failed.
      """;

  private final boolean markdown;
  private final Effort first;
  private final Effort again;
  private final Measure measure;
  private final PrintStream out;
  private final Map<String, Score> known = new HashMap<>();

  Guard(Arguments arguments, Measure measure, PrintStream out) {
    markdown = arguments.markdown();
    first = arguments.shortForm() ? SHORT : FULL;
    again = arguments.shortForm() ? SHORT_AGAIN : FULL_AGAIN;
    this.measure = measure;
    this.out = out;
  }

  public static void main(String[] args) {
    System.exit(
        CleanJvm.restart(Guard.class, args)
            .orElseGet(() -> run(args, new Runs(), System.out, System.err)));
  }

  static int run(String[] args, Runs runs, PrintStream out, PrintStream err) {
    try {
      Arguments arguments = Arguments.parse(args);
      if (arguments.help()) {
        out.print(HELP);
        return OK;
      }
      List<Bound> picked = arguments.pick(arguments.bounds());
      picked.forEach(Bound::check);
      out.println(CleanJvm.cores() + "\n");
      try {
        return new Guard(arguments, runs, out).judge(picked);
      } finally {
        arguments.out().ifPresent(folder -> runs.write(folder.resolve("guard.json")));
      }
    } catch (UsageException e) {
      err.println("guard: " + e.getMessage());
      return USAGE;
    } catch (BenchmarkFailure e) {
      err.println("guard: failed: " + e.getMessage());
      return FAILED;
    } catch (IOException e) {
      err.println("guard: " + e);
      return USAGE;
    }
  }

  /** Prints a line for each; {@link #OK} or {@link #MISSED}. */
  int judge(List<Bound> bounds) {
    if (markdown) {
      out.println("| pair | inputs | against | ms | ours, ms | rate | ratio | bound | |");
      out.println("|---|---|---|---:|---:|---:|---:|---:|---|");
    }
    List<String> missed = new ArrayList<>();
    for (Bound bound : bounds) {
      Verdict verdict = verdict(bound, first, true);
      if (!verdict.holds()) {
        verdict = verdict(bound, again, false);
      }
      if (!verdict.holds()) {
        missed.add(bound.pair());
      }
      out.println(markdown ? verdict.row() : verdict.line());
    }
    if (missed.isEmpty()) {
      return OK;
    }
    out.println("missed, twice: " + String.join(", ", missed));
    return MISSED;
  }

  private Verdict verdict(Bound bound, Effort effort, boolean reuse) {
    Score ours = score(bound, bound.ours(), effort, reuse);
    Score against = score(bound, bound.against(), effort, reuse);
    if (!ours.unit().equals(against.unit())) {
      throw new UsageException(
          bound.pair() + ": " + ours.unit() + " cannot be compared with " + against.unit());
    }
    return new Verdict(bound, ours, against);
  }

  private Score score(Bound bound, String benchmark, Effort effort, boolean reuse) {
    if (!reuse) {
      return measure.of(benchmark, bound.parameters(), effort);
    }
    return known.computeIfAbsent(
        benchmark + bound.parameters(), key -> measure.of(benchmark, bound.parameters(), effort));
  }

  private record Verdict(Bound bound, Score ours, Score against) {
    double ratio() {
      return ours.cpuRate() / against.cpuRate();
    }

    boolean holds() {
      return ratio() >= bound.bound(); // false for NaN
    }

    String line() {
      return format(
          "%-24s %7.2f  bound %6.2f  %-6s  (%s: %.3g ms, %.3g %s; %s: %.3g ms)",
          bound.pair(),
          ratio(),
          bound.bound(),
          holds() ? "ok" : "MISSED",
          bound.size(),
          ours.cpu(),
          ours.cpuRate(),
          ours.unit(),
          bound.against(),
          against.cpu());
    }

    String row() {
      return format(
          "| %s | %s | %s | %.3g | %.3g | %.3g %s | %.2f | %.2f | %s |",
          bound.pair(),
          bound.size(),
          bound.against(),
          against.cpu(),
          ours.cpu(),
          ours.cpuRate(),
          ours.unit(),
          ratio(),
          bound.bound(),
          holds() ? "ok" : "missed");
    }

    private static String format(String pattern, Object... values) {
      return String.format(Locale.ROOT, pattern, values);
    }
  }
}
