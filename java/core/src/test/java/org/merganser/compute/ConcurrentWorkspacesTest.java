// SPDX-License-Identifier: Apache-2.0
package org.merganser.compute;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.Test;
import org.merganser.internal.kernel.Natives;
import org.merganser.linalg.Assignment;
import org.merganser.linalg.Cca;
import org.merganser.linalg.LinAlg;
import org.merganser.linalg.Matrix;

/** Workspaces are independent: any number of them may compute at the same time. */
class ConcurrentWorkspacesTest {
  private static final int WORKSPACES = 6;
  private static final int ROUNDS = 8;
  private static final int N = 65;

  @Test
  void givesWhatEachGivesAlone() throws Exception {
    String alone = compute(1);
    ExecutorService pool = Executors.newFixedThreadPool(WORKSPACES);
    try {
      List<Future<String>> results = new ArrayList<>();
      for (int k = 0; k < WORKSPACES; k++) {
        int threads = 1 + k % 3;
        results.add(pool.submit(() -> compute(threads)));
      }
      for (Future<String> result : results) {
        assertThat(result.get()).isEqualTo(alone);
      }
    } finally {
      pool.shutdownNow();
    }
  }

  /** The gate lets one count of BLAS threads in at a time; whoever waits gets its turn. */
  @Test
  void theBlasGateServesBothCounts() throws Exception {
    ExecutorService pool = Executors.newFixedThreadPool(3);
    try {
      List<Future<?>> results = new ArrayList<>();
      for (int k = 0; k < 2; k++) {
        results.add(
            pool.submit(
                () -> {
                  for (int i = 0; i < 500; i++) {
                    Natives.enterBlas(2);
                    Natives.leaveBlas();
                  }
                }));
      }
      results.add(pool.submit(() -> compute(2)));
      for (Future<?> result : results) {
        result.get();
      }
    } finally {
      pool.shutdownNow();
    }
  }

  /** All bits of some maps, products and assignments. */
  private static String compute(int threads) {
    StringBuilder bits = new StringBuilder();
    try (Workspace ws = Workspace.builder().threads(threads).open()) {
      for (int round = 0; round < ROUNDS; round++) {
        SplittableRandom random = new SplittableRandom(round);
        try (Matrix x = gaussian(random);
            Matrix y = gaussian(random);
            Matrix sxx = LinAlg.transposeMultiply(x, x, ws);
            Matrix syy = LinAlg.transposeMultiply(y, y, ws);
            Matrix sxy = LinAlg.transposeMultiply(x, y, ws);
            Cca cca = Cca.map(sxx, syy, sxy, 1, 1, ws);
            Matrix map = cca.map().toHost(ws)) {
          bits.append(Double.doubleToRawLongBits(map.get(3, 5))).append(' ');
          bits.append(Double.doubleToRawLongBits(cca.correlations()[N - 1])).append(' ');
          bits.append(Assignment.maximise(sxy, ws).value()).append('\n');
        }
      }
    }
    return bits.toString();
  }

  private static Matrix gaussian(SplittableRandom random) {
    Matrix matrix = Matrix.allocate(2 * N, N);
    for (int i = 0; i < 2 * N; i++) {
      for (int j = 0; j < N; j++) {
        matrix.set(i, j, random.nextGaussian());
      }
    }
    return matrix;
  }
}
