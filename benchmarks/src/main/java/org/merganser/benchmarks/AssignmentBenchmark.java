// SPDX-License-Identifier: Apache-2.0
package org.merganser.benchmarks;

import java.util.concurrent.TimeUnit;
import org.merganser.compute.Workspace;
import org.merganser.linalg.Assignment;
import org.merganser.linalg.Matrix;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/**
 * Exact linear assignment of n rows to n columns, F32 costs.
 *
 * <p>{@code solve}: ours. {@code peer}: {@link DenseAssignment}, on F64 costs that are ready, one
 * shot after another since hard inputs take it minutes (skip those with {@code -p}). {@code read}:
 * one scan of the matrix, 4 n^2 bytes, the limit that no exact solver passes: its time over that of
 * {@code solve} is the fraction of the limit.
 *
 * <p>Before anything is timed the duals must prove the result, and with the peer in the run its
 * value must be the same.
 */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MILLISECONDS)
@Fork(value = 1)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 7, time = 1)
public class AssignmentBenchmark {
  @Param({"256", "1024", "4096"})
  int n;

  @Param({
    "uniform",
    "planted-1",
    "planted-0.25",
    "planted-0.1",
    "correlation",
    "low-rank",
    "ties",
    "euclidean",
    "dead-blocks",
    "rank-one"
  })
  String input;

  @Param({"1"})
  int threads;

  private Workspace ws;
  private Matrix cost;
  private Assignment expected;

  /** The costs as the peer takes them. */
  @State(Scope.Benchmark)
  public static class PeerCosts {
    private double[] cost;

    @Setup
    public void setUp(AssignmentBenchmark benchmark) {
      int n = benchmark.n;
      cost = new double[n * n];
      for (int i = 0; i < n; i++) {
        for (int j = 0; j < n; j++) {
          cost[i * n + j] = benchmark.cost.get(i, j);
        }
      }
    }
  }

  @Setup
  public void setUp() {
    ws = Workspace.builder().threads(threads).open();
    cost = AssignmentInputs.of(input, n, ws);
    expected = Assignment.minimise(cost, ws);
    expected.certify(cost, ws);
  }

  @TearDown
  public void tearDown() {
    cost.close();
    ws.close();
  }

  @Benchmark
  public double solve() {
    return Assignment.minimise(cost, ws).value();
  }

  @Benchmark
  public long[] read() {
    return ws.kernels().nonFinite(cost.dtype().code(), (long) n * n, cost.address());
  }

  @Benchmark
  @BenchmarkMode(Mode.SingleShotTime)
  @Warmup(iterations = 1)
  @Measurement(iterations = 3)
  public int[] peer(PeerCosts peer) {
    int[] columns = DenseAssignment.solve(peer.cost, n);
    double value = 0;
    for (int i = 0; i < n; i++) {
      value += peer.cost[i * n + columns[i]];
    }
    if (!(Math.abs(value - expected.value()) <= 1e-9 * Math.max(1, Math.abs(value)))) {
      throw new IllegalStateException("the peer finds " + value + ", not " + expected.value());
    }
    return columns;
  }
}
