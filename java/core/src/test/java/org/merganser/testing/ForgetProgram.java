// SPDX-License-Identifier: Apache-2.0
package org.merganser.testing;

import org.merganser.compute.Memory;

/** Forgets one block of native memory, closes another, and waits for the collector. */
public final class ForgetProgram {
  private ForgetProgram() {}

  public static void main(String[] args) throws InterruptedException {
    forget();
    Memory.allocate(4321).close();
    for (int i = 0; i < 20; i++) {
      System.gc();
      Thread.sleep(20);
    }
  }

  private static void forget() {
    Memory.allocate(1234);
  }
}
