// SPDX-License-Identifier: Apache-2.0
package org.merganser.internal.kernel;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import org.junit.jupiter.api.Test;
import org.merganser.compute.DType;
import org.merganser.compute.Memory;
import org.merganser.compute.Workspace;
import org.merganser.linalg.Tensor;
import org.merganser.stats.MomentAccumulator;
import org.merganser.stats.NonFinite;
import org.merganser.stats.Precision;
import org.merganser.testing.Activations;

class NativeMemoryTest {
  private static final int CYCLES = 20_000;

  @Test
  void whatIsClosedIsFreed() throws InterruptedException {
    settle();
    long before = Natives.allocatedBytes();
    try (Workspace ws = Workspace.builder().threads(1).open();
        Tensor batch = Tensor.zeros(DType.F32, 4, 3)) {
      long opened = Natives.allocatedBytes();
      for (int i = 0; i < CYCLES; i++) {
        Memory memory = Memory.allocate(4096);
        memory.close();
        try (MomentAccumulator accumulator =
            new MomentAccumulator(
                "s", new long[] {3}, Activations.ALL, Precision.MIXED, NonFinite.FAIL, ws)) {
          accumulator.update(List.of(batch));
          accumulator.moments().close();
        }
        if (i == 0 || i == CYCLES / 2) {
          assertThat(Natives.allocatedBytes()).as("after %s cycles", i).isEqualTo(opened);
        }
      }
      assertThat(Natives.allocatedBytes()).isEqualTo(opened);
    }
    assertThat(Natives.allocatedBytes()).isEqualTo(before);
  }

  @Test
  void workspacesGiveBackEverything() throws InterruptedException {
    settle();
    long before = Natives.allocatedBytes();
    long resident = 0;
    for (int i = 0; i < CYCLES; i++) {
      Workspace.builder().threads(1).open().close();
      if (i == CYCLES / 10) {
        resident = residentKibibytes();
      }
    }
    assertThat(Natives.allocatedBytes()).isEqualTo(before);
    if (resident > 0) {
      // Contexts are not counted above; 18 000 of even 4 KiB would show here.
      assertThat(residentKibibytes() - resident)
          .as("KiB more than at the start")
          .isLessThan(40_000);
    }
  }

  /** A safety net, for those who forget: memory goes with the last reference. */
  @Test
  void whatIsForgottenIsFreedByTheCollector() throws InterruptedException {
    settle();
    long before = Natives.allocatedBytes();
    long size = 1 << 20;
    for (int i = 0; i < 50; i++) {
      Memory.allocate(size);
    }
    for (int i = 0; i < 100 && Natives.allocatedBytes() > before; i++) {
      System.gc();
      Thread.sleep(20);
    }
    assertThat(Natives.allocatedBytes()).isLessThanOrEqualTo(before);
  }

  /** Frees what earlier tests left to the collector, so that the count stands still. */
  private static void settle() throws InterruptedException {
    long last = -1;
    for (int quiet = 0; quiet < 3; ) {
      System.gc();
      Thread.sleep(30);
      long now = Natives.allocatedBytes();
      quiet = now == last ? quiet + 1 : 0;
      last = now;
    }
  }

  private static long residentKibibytes() {
    try {
      return java.nio.file.Files.readAllLines(java.nio.file.Path.of("/proc/self/status")).stream()
          .filter(line -> line.startsWith("VmRSS:"))
          .mapToLong(line -> Long.parseLong(line.replaceAll("[^0-9]", "")))
          .findFirst()
          .orElse(0);
    } catch (java.io.IOException e) {
      return 0; // Not a system with /proc.
    }
  }
}
