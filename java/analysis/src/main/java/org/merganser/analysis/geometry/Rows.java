// SPDX-License-Identifier: Apache-2.0
package org.merganser.analysis.geometry;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import org.merganser.compute.Workspace;
import org.merganser.internal.Threads;

/** Work on rows that share nothing, so that it does not matter which thread does which. */
final class Rows {
  /** Ranges of rows: some for each thread, since not all rows cost the same. */
  private static final int RANGES = 64;

  private Rows() {}

  /** What is done with some rows. */
  @FunctionalInterface
  interface Range {
    void of(int from, int to);
  }

  /** All of n rows, by the threads of a Workspace. */
  static void each(int n, Workspace ws, Range range) {
    try (Threads threads = new Threads(ws.threads())) {
      each(n, threads, range);
    }
  }

  static void each(int n, Threads threads, Range range) {
    int ranges = Math.min(n, RANGES);
    List<Callable<Void>> calls = new ArrayList<>();
    for (int k = 0; k < ranges; k++) {
      int from = (int) ((long) k * n / ranges);
      int to = (int) ((k + 1L) * n / ranges);
      calls.add(
          () -> {
            range.of(from, to);
            return null;
          });
    }
    try {
      threads.all(calls);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
