// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import java.io.IOException;
import java.util.LinkedHashMap;
import java.util.Map;

/** Adds up wall time by stage. */
final class Stopwatch {
  private final Map<String, Double> seconds = new LinkedHashMap<>();

  @FunctionalInterface
  interface Work<T> {
    T run() throws IOException;
  }

  <T> T time(String stage, Work<T> work) throws IOException {
    long start = System.nanoTime();
    try {
      return work.run();
    } finally {
      seconds.merge(stage, (System.nanoTime() - start) * 1e-9, Double::sum);
    }
  }

  @FunctionalInterface
  interface Action {
    void run() throws IOException;
  }

  void run(String stage, Action action) throws IOException {
    time(
        stage,
        () -> {
          action.run();
          return null;
        });
  }

  Map<String, Double> seconds() {
    return seconds;
  }
}
