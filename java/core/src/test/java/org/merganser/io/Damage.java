// SPDX-License-Identifier: Apache-2.0
package org.merganser.io;

import java.util.Arrays;
import java.util.SplittableRandom;

/** Damages files. */
final class Damage {
  private Damage() {}

  /**
   * One to four bytes changed, a piece put over another, or the end cut off when that is allowed:
   * when the part that is damaged is the whole.
   */
  static byte[] of(byte[] valid, int begin, int length, SplittableRandom random) {
    byte[] damaged = valid.clone();
    int kind = random.nextInt(20);
    if (kind == 0 && length == valid.length) {
      return Arrays.copyOf(damaged, random.nextInt(valid.length));
    }
    if (kind == 1) {
      int piece = 1 + random.nextInt(Math.min(64, length));
      int from = random.nextInt(valid.length - piece + 1);
      System.arraycopy(valid, from, damaged, begin + random.nextInt(length - piece + 1), piece);
      return damaged;
    }
    for (int times = 1 + random.nextInt(4); times > 0; times--) {
      int at = begin + random.nextInt(length);
      damaged[at] =
          (byte)
              (random.nextBoolean() ? random.nextInt(256) : damaged[at] ^ 1 << random.nextInt(8));
    }
    return damaged;
  }
}
