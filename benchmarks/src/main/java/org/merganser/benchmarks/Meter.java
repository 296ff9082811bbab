// SPDX-License-Identifier: Apache-2.0
package org.merganser.benchmarks;

import java.lang.management.ManagementFactory;
import java.lang.management.ThreadMXBean;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import org.openjdk.jmh.infra.BenchmarkParams;
import org.openjdk.jmh.infra.IterationParams;
import org.openjdk.jmh.profile.InternalProfiler;
import org.openjdk.jmh.results.AggregationPolicy;
import org.openjdk.jmh.results.IterationResult;
import org.openjdk.jmh.results.Result;
import org.openjdk.jmh.results.ScalarResult;

/**
 * {@code -prof org.merganser.benchmarks.Meter}: CPU time per operation as {@code cpu}, and the
 * {@link Work} of the benchmark per second of wall time as {@code rate}.
 *
 * <p>On a machine that does other things CPU time is the steadier measure. It is that of the Java
 * threads: without the compiler and the collector, and without the library's own threads, so that
 * it says nothing unless the benchmark runs on one thread.
 */
public final class Meter implements InternalProfiler {
  static final String CPU = "cpu";
  static final String RATE = "rate";

  private static final ThreadMXBean THREADS = ManagementFactory.getThreadMXBean();
  private long cpu;
  private long wall;

  @Override
  public String getDescription() {
    return "CPU time and the benchmark's own count of work";
  }

  @Override
  public void beforeIteration(BenchmarkParams benchmark, IterationParams iteration) {
    Work.reset();
    cpu = cpuTime();
    wall = System.nanoTime();
  }

  @Override
  public Collection<? extends Result<?>> afterIteration(
      BenchmarkParams benchmark, IterationParams iteration, IterationResult result) {
    double seconds = 1e-9 * (System.nanoTime() - wall);
    double milliseconds = 1e-6 * (cpuTime() - cpu);
    List<Result<?>> results = new ArrayList<>();
    results.add(scalar(CPU, milliseconds / result.getMetadata().getAllOps(), "ms/op"));
    if (!Work.unit().isEmpty()) {
      results.add(scalar(RATE, Work.amount() / seconds, Work.unit()));
    }
    return results;
  }

  /** Nanoseconds. The clock of the whole process has steps of 10 ms. */
  static long cpuTime() {
    long sum = 0;
    for (long id : THREADS.getAllThreadIds()) {
      sum += Math.max(THREADS.getThreadCpuTime(id), 0); // -1 for one that has ended
    }
    return sum;
  }

  private static Result<?> scalar(String name, double value, String unit) {
    return new ScalarResult(name, value, unit, AggregationPolicy.AVG);
  }
}
