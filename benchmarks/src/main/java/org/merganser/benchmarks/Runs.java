// SPDX-License-Identifier: Apache-2.0
package org.merganser.benchmarks;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.regex.Pattern;
import org.openjdk.jmh.results.BenchmarkResult;
import org.openjdk.jmh.results.IterationResult;
import org.openjdk.jmh.results.Result;
import org.openjdk.jmh.results.RunResult;
import org.openjdk.jmh.results.format.ResultFormatFactory;
import org.openjdk.jmh.results.format.ResultFormatType;
import org.openjdk.jmh.runner.BenchmarkException;
import org.openjdk.jmh.runner.Runner;
import org.openjdk.jmh.runner.RunnerException;
import org.openjdk.jmh.runner.options.ChainedOptionsBuilder;
import org.openjdk.jmh.runner.options.OptionsBuilder;
import org.openjdk.jmh.runner.options.TimeValue;
import org.openjdk.jmh.runner.options.VerboseMode;

/** Runs benchmarks through JMH and keeps what it reports. */
final class Runs implements Measure {
  private final List<RunResult> all = new ArrayList<>();

  @Override
  public Score of(String benchmark, Map<String, String> parameters, Effort effort) {
    ChainedOptionsBuilder options =
        new OptionsBuilder()
            .include("\\." + Pattern.quote(benchmark) + "$")
            .forks(effort.forks())
            .warmupIterations(effort.warmups())
            .warmupTime(TimeValue.milliseconds(effort.milliseconds()))
            .measurementIterations(effort.iterations())
            .measurementTime(TimeValue.milliseconds(effort.milliseconds()))
            .addProfiler(Meter.class)
            .shouldFailOnError(true)
            .verbosity(VerboseMode.SILENT);
    parameters.forEach(options::param);
    try {
      RunResult result = new Runner(options.build()).runSingle();
      all.add(result);
      return score(result);
    } catch (RunnerException e) {
      throw new BenchmarkFailure(benchmark + " " + parameters + ": " + reason(e), e);
    }
  }

  /** Everything that ran, as JMH's JSON. */
  void write(Path file) {
    try {
      Files.createDirectories(file.toAbsolutePath().getParent());
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    ResultFormatFactory.getInstance(ResultFormatType.JSON, file.toString()).writeOut(all);
  }

  private static Score score(RunResult run) {
    Optional<Score> best = Optional.empty();
    for (BenchmarkResult fork : run.getBenchmarkResults()) {
      for (IterationResult iteration : fork.getIterationResults()) {
        Score score = score(iteration);
        best = Optional.of(best.map(score::best).orElse(score));
      }
    }
    return best.orElseThrow();
  }

  private static Score score(IterationResult iteration) {
    double wall = iteration.getPrimaryResult().getScore();
    double cpu = iteration.getSecondaryResults().get(Meter.CPU).getScore();
    Result<?> rate = iteration.getSecondaryResults().get(Meter.RATE);
    double work = rate.getScore() * wall;
    return new Score(cpu, wall, work / cpu, rate.getScore(), rate.getScoreUnit());
  }

  /** JMH hides what a benchmark threw below exceptions of its own. */
  private static String reason(Throwable failure) {
    Throwable at = failure;
    while (true) {
      if (at instanceof BenchmarkException && at.getSuppressed().length > 0) {
        at = at.getSuppressed()[0];
      } else if (at.getCause() != null) {
        at = at.getCause();
      } else {
        return at.getMessage() == null ? at.toString() : at.getMessage();
      }
    }
  }
}
