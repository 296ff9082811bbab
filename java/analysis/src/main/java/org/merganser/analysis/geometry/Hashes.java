// SPDX-License-Identifier: Apache-2.0
package org.merganser.analysis.geometry;

/** Numbers that look random and follow from others. */
final class Hashes {
  private Hashes() {}

  /** The finaliser of SplitMix64. */
  static long mix(long z) {
    long x = z + 0x9e3779b97f4a7c15L;
    x = (x ^ x >>> 30) * 0xbf58476d1ce4e5b9L;
    x = (x ^ x >>> 27) * 0x94d049bb133111ebL;
    return x ^ x >>> 31;
  }
}
