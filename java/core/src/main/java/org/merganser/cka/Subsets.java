// SPDX-License-Identifier: Apache-2.0
package org.merganser.cka;

/** Subsets of samples, checked. */
final class Subsets {
  private Subsets() {}

  /**
   * @throws IllegalArgumentException unless the subset is some samples, each once, and not all
   */
  static boolean[] inside(int[] subset, long samples) {
    if (subset.length == 0 || subset.length >= samples) {
      throw new IllegalArgumentException(
          "the subset has %d of %d samples; give some, not all".formatted(subset.length, samples));
    }
    boolean[] inside = new boolean[Math.toIntExact(samples)];
    for (int i : subset) {
      if (i < 0 || i >= samples || inside[i]) {
        throw new IllegalArgumentException(
            "sample %d of the subset %s"
                .formatted(
                    i, i < 0 || i >= samples ? "is not in 0.." + (samples - 1) : "is twice"));
      }
      inside[i] = true;
    }
    return inside;
  }

  /** 1 inside, else 0. */
  static double[] indicator(boolean[] inside) {
    double[] s = new double[inside.length];
    for (int i = 0; i < s.length; i++) {
      s[i] = inside[i] ? 1 : 0;
    }
    return s;
  }

  /** Minus its mean. */
  static double[] centredIndicator(boolean[] inside) {
    double[] s = indicator(inside);
    double share = Translation.sum(s) / s.length;
    for (int i = 0; i < s.length; i++) {
      s[i] -= share;
    }
    return s;
  }
}
