// SPDX-License-Identifier: Apache-2.0
package org.merganser.internal.kernel;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeFalse;

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
import org.merganser.testing.ChildJvm;
import org.merganser.testing.OpenCloseProgram;
import org.merganser.testing.RunsOnce;

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

  /** The heap of the child is of one size and touched before, so what grows is native. */
  @RunsOnce("in a JVM of its own, which is told its backend")
  @Test
  void theResidentSizeStaysFlatOverManyCycles() throws Exception {
    ChildJvm.Result result =
        new ChildJvm()
            .option("-Xms256m")
            .option("-XX:+AlwaysPreTouch")
            .run(OpenCloseProgram.class, "100000");
    assertThat(result.exit()).as(result.output()).isZero();
    assumeFalse(result.output().startsWith("unknown"), "no /proc on this system");
    assertThat(Long.parseLong(result.output().strip()))
        .as("KiB that 30 000 cycles add")
        .isLessThan(5_000);
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
}
