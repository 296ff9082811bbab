// SPDX-License-Identifier: Apache-2.0
package org.merganser.testing;

import org.merganser.compute.Memory;
import org.merganser.compute.Workspace;
import org.merganser.stats.MomentAccumulator;
import org.merganser.stats.NonFinite;
import org.merganser.stats.Precision;

/** Forgets native memory and moments, closes others, and waits for the collector. */
public final class ForgetProgram {
  private ForgetProgram() {}

  public static void main(String[] args) throws InterruptedException {
    forget();
    Memory.allocate(4321).close();
    accumulator("kept").close();
    for (int i = 0; i < 20; i++) {
      System.gc();
      Thread.sleep(20);
    }
  }

  private static void forget() {
    Memory.allocate(1234);
    accumulator("forgotten");
  }

  private static MomentAccumulator accumulator(String space) {
    try (Workspace ws = Workspace.open()) {
      return new MomentAccumulator(
          space, new long[] {3}, Activations.ALL, Precision.F64, NonFinite.FAIL, ws);
    }
  }
}
