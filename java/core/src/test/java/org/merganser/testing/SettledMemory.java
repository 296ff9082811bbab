// SPDX-License-Identifier: Apache-2.0
package org.merganser.testing;

import org.merganser.internal.kernel.Natives;

/** Native memory, once what earlier tests left to the garbage collector is gone. */
public final class SettledMemory {
  private SettledMemory() {}

  public static long bytes() {
    long before = Long.MAX_VALUE;
    long now = Natives.allocatedBytes();
    while (now < before) {
      before = now;
      System.gc();
      try {
        Thread.sleep(50);
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        return now;
      }
      now = Natives.allocatedBytes();
    }
    return now;
  }
}
