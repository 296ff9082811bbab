// SPDX-License-Identifier: Apache-2.0
package org.merganser.testing;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.merganser.compute.DType;
import org.merganser.compute.Memory;
import org.merganser.compute.Workspace;
import org.merganser.linalg.Tensor;
import org.merganser.stats.MomentAccumulator;
import org.merganser.stats.NonFinite;
import org.merganser.stats.Precision;

/**
 * Opens and closes everything native again and again; prints how many KiB the process grew in the
 * quietest of three thirds after the first tenth: what leaks grows in all of them.
 */
public final class OpenCloseProgram {
  private OpenCloseProgram() {}

  public static void main(String[] args) throws IOException {
    int cycles = Integer.parseInt(args[0]);
    int begin = cycles / 10;
    long before = 0;
    long least = Long.MAX_VALUE;
    try (Tensor batch = Tensor.zeros(DType.F32, 4, 3)) {
      for (int i = 0; i < cycles; i++) {
        if (i >= begin && (i - begin) % (3 * begin) == 0) {
          long now = residentKibibytes();
          least = i == begin ? least : Math.min(least, now - before);
          before = now;
        }
        Memory.allocate(4096).close();
        try (Workspace ws = Workspace.builder().threads(1).open();
            MomentAccumulator accumulator =
                new MomentAccumulator(
                    "s", new long[] {3}, Activations.ALL, Precision.MIXED, NonFinite.FAIL, ws)) {
          accumulator.update(List.of(batch));
          accumulator.moments().close();
        }
      }
    }
    least = Math.min(least, residentKibibytes() - before);
    System.out.println(before == 0 ? "unknown" : least);
  }

  private static long residentKibibytes() throws IOException {
    Path status = Path.of("/proc/self/status");
    if (!Files.exists(status)) {
      return 0;
    }
    return Files.readAllLines(status).stream()
        .filter(line -> line.startsWith("VmRSS:"))
        .mapToLong(line -> Long.parseLong(line.replaceAll("[^0-9]", "")))
        .findFirst()
        .orElse(0);
  }
}
