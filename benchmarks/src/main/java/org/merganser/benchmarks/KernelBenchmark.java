// SPDX-License-Identifier: Apache-2.0
package org.merganser.benchmarks;

import java.util.concurrent.TimeUnit;
import org.bytedeco.openblas.presets.openblas_nolapack;
import org.merganser.compute.Backend;
import org.merganser.compute.Workspace;
import org.merganser.internal.kernel.Kernels;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.Warmup;

/**
 * What the benchmarks share: how they are timed, and a workspace of {@code threads} threads on the
 * CPU. A subclass makes its inputs and checks its kernel against another way to the same result in
 * its {@code @Setup}; every operation tells {@link Work} what it had to do.
 */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MILLISECONDS)
@Fork(1)
@Warmup(iterations = 2, time = 1)
@Measurement(iterations = 5, time = 1)
public abstract class KernelBenchmark {
  @Param({"1"})
  int threads;

  Workspace ws;
  Kernels kernels;

  /** Opens the workspace; peers that call OpenBLAS directly get as many threads. */
  final void open() {
    ws = Workspace.builder().backend(Backend.CPU).threads(threads).open();
    kernels = Kernels.of(ws);
    openblas_nolapack.blas_set_num_threads(threads);
  }
}
