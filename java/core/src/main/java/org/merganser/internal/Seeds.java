// SPDX-License-Identifier: Apache-2.0
package org.merganser.internal;

import java.nio.charset.StandardCharsets;
import java.util.SplittableRandom;

/**
 * Independent random streams from one seed and a name, so that neither order nor threads change a
 * result: the stream of {@code "layer1.weight"} is the same whatever else is drawn.
 */
public final class Seeds {
  private Seeds() {}

  /**
   * Seed of the stream {@code name} under {@code seed}: FNV-1a of the name, mixed with the seed.
   */
  public static long derive(long seed, String name) {
    return mix(mix(seed) ^ hash(name));
  }

  /** FNV-1a of the UTF-8 of a name, 64 bits. */
  public static long hash(String name) {
    long hash = 0xcbf29ce484222325L;
    for (byte b : name.getBytes(StandardCharsets.UTF_8)) {
      hash = (hash ^ (b & 0xff)) * 0x100000001b3L;
    }
    return hash;
  }

  /** The stream {@code name} under {@code seed}. */
  public static SplittableRandom stream(long seed, String name) {
    return new SplittableRandom(derive(seed, name));
  }

  /** A random order of 0 to n - 1 from the stream {@code name} (Fisher and Yates). */
  public static int[] order(int n, long seed, String name) {
    SplittableRandom random = stream(seed, name);
    int[] order = new int[n];
    for (int i = 0; i < n; i++) {
      int j = random.nextInt(i + 1);
      order[i] = order[j];
      order[j] = i;
    }
    return order;
  }

  /** The finaliser of SplitMix64 (Steele, Lea and Flood 2014). */
  private static long mix(long z) {
    long x = z + 0x9e3779b97f4a7c15L;
    x = (x ^ (x >>> 30)) * 0xbf58476d1ce4e5b9L;
    x = (x ^ (x >>> 27)) * 0x94d049bb133111ebL;
    return x ^ (x >>> 31);
  }
}
