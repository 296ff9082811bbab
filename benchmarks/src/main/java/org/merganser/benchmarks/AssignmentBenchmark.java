// SPDX-License-Identifier: Apache-2.0
package org.merganser.benchmarks;

import org.merganser.internal.kernel.Block;
import org.merganser.linalg.Assignment;
import org.merganser.linalg.Matrix;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;

/**
 * Exact linear assignment of n rows to n columns, F32 costs.
 *
 * <p>{@code solve}: ours. {@code peer}: {@link DenseAssignment}, on F64 costs that are ready; hard
 * inputs take it minutes (skip those with {@code -p}). {@code read}: one scan of the matrix, the
 * limit that no exact solver passes. The work of all is counted as that read, 4 n^2 bytes.
 *
 * <p>Before anything is timed the duals must prove the result, and with the peer in the run its
 * value must be the same.
 */
public class AssignmentBenchmark extends KernelBenchmark {
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
    open();
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
    Work.bytes(4.0 * n * n);
    return Assignment.minimise(cost, ws).value();
  }

  @Benchmark
  public long[] read() {
    Work.bytes(4.0 * n * n);
    return kernels
        .tensors()
        .nonFinite(cost.dtype().code(), (long) n * n, Block.of(cost.asTensor()));
  }

  @Benchmark
  public int[] peer(PeerCosts peer) {
    Work.bytes(4.0 * n * n);
    int[] columns = DenseAssignment.solve(peer.cost, n);
    double value = 0;
    for (int i = 0; i < n; i++) {
      value += peer.cost[i * n + columns[i]];
    }
    double off = Math.abs(value - expected.value());
    Validation.require("the peer's value", off, 1e-9 * Math.max(1, Math.abs(value)));
    return columns;
  }
}
