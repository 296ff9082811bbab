// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import java.io.IOException;
import java.util.LinkedHashMap;
import java.util.Map;
import org.apache.commons.io.function.IORunnable;
import org.apache.commons.io.function.IOSupplier;

/** Adds up wall time by stage. */
record Stopwatch(Map<String, Double> seconds) {
  Stopwatch() {
    this(new LinkedHashMap<>());
  }

  <T> T time(String stage, IOSupplier<T> work) throws IOException {
    long start = System.nanoTime();
    try {
      return work.get();
    } finally {
      seconds.merge(stage, (System.nanoTime() - start) * 1e-9, Double::sum);
    }
  }

  void run(String stage, IORunnable work) throws IOException {
    time(
        stage,
        () -> {
          work.run();
          return null;
        });
  }
}
