// SPDX-License-Identifier: Apache-2.0
package org.merganser.benchmarks;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;
import org.bytedeco.openblas.global.openblas_nolapack;
import org.merganser.analysis.geometry.GramMatrix;
import org.merganser.analysis.geometry.SampleRows;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.io.Npy;

/**
 * Centred products of samples in a large file: wall time, the share of OpenBLAS's rate for rows in
 * memory in the same run, and the peak of resident memory of the whole process, one for each type.
 * Best of three turns; the file was written just before, so that it is read from the memory of the
 * system where that has room. Linux only: reads {@code /proc/self/status}.
 */
public final class GramStream {
  private static final String HELP =
      """
      Usage: GramStream [THREADS [SAMPLES [ELEMENTS]]]

      Products of 640 samples of 1 500 000 F32 elements (3.8 GB in the folder of temporary files), in F32 and
      in F64, with 1 thread unless said otherwise: rows of a Markdown table.
      """;
  private static final int TURNS = 3;
  private static final int[] DEPTHS = {2048, 8192};
  private static final double SECONDS = 1;
  private static final DType[] TYPES = {DType.F32, DType.F64};

  private GramStream() {}

  public static void main(String[] args) throws IOException {
    if (args.length > 4 || args.length > 0 && args[0].startsWith("-")) {
      System.out.print(HELP);
      return;
    }
    int threads = args.length > 0 ? Integer.parseInt(args[0]) : 1;
    int n = args.length > 1 ? Integer.parseInt(args[1]) : 640;
    int width = args.length > 2 ? Integer.parseInt(args[2]) : 1_500_000;
    if (args.length < 4) {
      for (DType dtype : TYPES) {
        // What another type, or the peer, has left in a process would count as this one's memory.
        String[] one = {"" + threads, "" + n, "" + width, dtype.name()};
        int status = CleanJvm.start(GramStream.class, one);
        if (status != 0) {
          System.exit(status);
        }
      }
      return;
    }
    DType dtype = DType.valueOf(args[3]);
    if (dtype == TYPES[0]) {
      System.out.println(CleanJvm.cores() + "\n");
      System.out.println("| products | threads | s | GFLOP/s | syrk, GFLOP/s | share | peak, MB |");
      System.out.println("|---|---:|---:|---:|---:|---:|---:|");
    }
    try (SampleFile file = new SampleFile(n, width);
        Npy open = Npy.open(file.path());
        Workspace ws = Workspace.builder().threads(threads).open()) {
      row(dtype, file, SampleRows.of(open), ws);
    }
  }

  private static void row(DType dtype, SampleFile file, SampleRows rows, Workspace ws)
      throws IOException {
    System.gc();
    Files.writeString(Path.of("/proc/self/clear_refs"), "5");
    double least = Double.POSITIVE_INFINITY;
    for (int turn = 0; turn < TURNS; turn++) {
      long start = System.nanoTime();
      try (GramMatrix gram = GramMatrix.centred(rows, dtype, ws)) {
        least = Math.min(least, 1e-9 * (System.nanoTime() - start));
        if (turn == TURNS - 1) {
          long peak = peak();
          file.check(gram.products(), dtype == DType.F32 ? 1e-5 : 1e-12);
          double n = rows.samples();
          double rate = 1e-9 * n * n * rows.width() / least;
          double limit = limit(dtype, (int) n, ws.threads());
          System.out.printf(
              Locale.ROOT,
              "| %s | %d | %.2f | %.0f | %.0f | %.2f | %.0f |%n",
              dtype,
              ws.threads(),
              least,
              rate,
              limit,
              rate / limit,
              1e-6 * peak);
        }
      }
    }
  }

  /** The best of several depths, calls of a second each. */
  private static double limit(DType dtype, int n, int threads) {
    openblas_nolapack.blas_set_num_threads(threads);
    double best = 0;
    for (int depth : DEPTHS) {
      try (Syrk syrk = new Syrk(dtype, n, depth)) {
        for (int turn = 0; turn < TURNS; turn++) {
          long start = System.nanoTime();
          double flops = 0;
          double seconds = 0;
          while (seconds < SECONDS) {
            syrk.run();
            flops += syrk.flops();
            seconds = 1e-9 * (System.nanoTime() - start);
          }
          best = Math.max(best, 1e-9 * flops / seconds);
        }
      }
    }
    return best;
  }

  private static long peak() throws IOException {
    return Files.readAllLines(Path.of("/proc/self/status")).stream()
        .filter(line -> line.startsWith("VmHWM:"))
        .mapToLong(line -> 1024 * Long.parseLong(line.replaceAll("[^0-9]", "")))
        .findFirst()
        .orElseThrow(() -> new IOException("no VmHWM in /proc/self/status"));
  }
}
