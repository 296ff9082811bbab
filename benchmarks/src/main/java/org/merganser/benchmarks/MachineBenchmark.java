// SPDX-License-Identifier: Apache-2.0
package org.merganser.benchmarks;

import org.merganser.compute.Memory;
import org.merganser.internal.kernel.Block;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.TearDown;

/**
 * The limits of the machine: {@code gemmF32} and {@code gemmF64}, OpenBLAS's product of n x n
 * matrices; {@code mixed}, 6 arrays of n^2 F32 read and 4 written past the caches; {@code read}, 8
 * of them read.
 */
public class MachineBenchmark extends KernelBenchmark {
  private static final int READ = 8;

  @Param("2048")
  int n;

  private Memory[] arrays;
  private Products products;

  @Setup
  public void setUp() {
    open();
    arrays = new Memory[10];
    for (int k = 0; k < arrays.length; k++) {
      arrays[k] = Buffers.uniform((long) n * n, k);
    }
    products = new Products(n);
  }

  @TearDown
  public void tearDown() {
    Buffers.close(arrays);
    products.close();
    ws.close();
  }

  @Benchmark
  public void gemmF32() {
    products.f32();
  }

  @Benchmark
  public void gemmF64() {
    products.f64();
  }

  @Benchmark
  public void mixed() {
    Buffers.bandwidth(kernels, 4L * n * n, arrays, 6);
  }

  @Benchmark
  public void read() {
    Work.bytes(4.0 * n * n * READ);
    kernels.merge().bandwidth(4L * n * n, Buffers.blocks(arrays, 0, READ), new Block[0]);
  }
}
