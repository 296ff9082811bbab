// SPDX-License-Identifier: Apache-2.0
package org.merganser.benchmarks;

import java.io.IOException;
import org.merganser.analysis.geometry.GramMatrix;
import org.merganser.analysis.geometry.SampleRows;
import org.merganser.compute.DType;
import org.merganser.io.Npy;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.TearDown;

/**
 * Centred products of n samples of p elements in a file, {@code stream}, against OpenBLAS's of rows
 * in memory, {@code syrk}; both counted as {@code n^2 p} operations. CPU time is without that of
 * the thread that reads: {@link GramStream} has wall times and memory, of a large file.
 */
public class SampleGramBenchmark extends KernelBenchmark {
  private static final int DEPTH = 2048;

  @Param("640")
  int n;

  @Param("65536")
  int p;

  @Param({"F32", "F64"})
  DType dtype;

  private SampleFile file;
  private Npy open;
  private Syrk syrk;

  @Setup
  public void setUp() throws IOException {
    open();
    file = new SampleFile(n, p);
    open = Npy.open(file.path());
    syrk = new Syrk(dtype, n, DEPTH);
    try (GramMatrix gram = GramMatrix.centred(SampleRows.of(open), dtype, ws)) {
      file.check(gram.products(), dtype == DType.F32 ? 1e-5 : 1e-12);
    }
  }

  @TearDown
  public void tearDown() throws IOException {
    syrk.close();
    open.close();
    file.close();
    ws.close();
  }

  @Benchmark
  public void stream() throws IOException {
    Work.flops((double) n * n * p);
    GramMatrix.centred(SampleRows.of(open), dtype, ws).close();
  }

  @Benchmark
  public void syrk() {
    for (int from = 0; from < p; from += DEPTH) {
      Work.flops(syrk.flops());
      syrk.run();
    }
  }
}
