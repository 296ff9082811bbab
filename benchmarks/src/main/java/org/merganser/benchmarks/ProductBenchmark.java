// SPDX-License-Identifier: Apache-2.0
package org.merganser.benchmarks;

import org.merganser.compute.DType;
import org.merganser.compute.Memory;
import org.merganser.internal.kernel.Block;
import org.merganser.internal.kernel.MatrixBlock;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.TearDown;

/** Our product of n x n matrices, which solvers and moments consist of, against OpenBLAS's. */
public class ProductBenchmark extends KernelBenchmark {
  @Param({"512", "1024", "2048", "4096"})
  int n;

  @Param({"F32", "F64"})
  DType dtype;

  private Products peer;
  private Memory[] matrices;

  @Setup
  public void setUp() {
    open();
    peer = new Products(n);
    matrices = new Memory[] {peer.copy(0, dtype), peer.copy(1, dtype), peer.copy(2, dtype)};
    validate();
  }

  @TearDown
  public void tearDown() {
    Buffers.close(matrices);
    peer.close();
    ws.close();
  }

  @Benchmark
  public void ours() {
    Work.flops(2.0 * n * n * n);
    kernels.linAlg().gemm(1, matrix(0), false, matrix(1), false, 0, matrix(2));
  }

  private MatrixBlock matrix(int k) {
    return new MatrixBlock(dtype.code(), n, n, Block.of(matrices[k]));
  }

  @Benchmark
  public void openblas() {
    if (dtype == DType.F32) {
      peer.f32();
    } else {
      peer.f64();
    }
  }

  /** Equal to the peer's, which is checked against plain code. */
  private void validate() {
    ours();
    openblas();
    double tolerance = (dtype == DType.F32 ? 1e-6 : 1e-14) * n;
    for (int i = 0; i < n; i += 37) {
      for (int j = 0; j < n; j++) {
        long at = (long) i * n + j;
        double found =
            dtype == DType.F32 ? matrices[2].getFloat(4 * at) : matrices[2].getDouble(8 * at);
        Validation.requireElement(
            "product in " + dtype, j, found, peer.result(at, dtype), tolerance);
      }
    }
  }
}
