// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch;

/**
 * Learning rate over time, as a factor of the peak: a linear rise over the first {@code warmUp}
 * part of all steps, then a decay.
 *
 * @param warmUp in [0, 1)
 */
public record Schedule(double warmUp, Decay decay) {
  /** The shape after the warm-up. */
  public enum Decay {
    CONSTANT,
    /** Linear to 0 at the end. */
    LINEAR,
    /** Half a cosine to 0 at the end. */
    COSINE
  }

  public Schedule {
    if (!(warmUp >= 0 && warmUp < 1)) {
      throw new IllegalArgumentException("warm-up must be in [0, 1), not " + warmUp);
    }
  }

  /** Linear decay from the first step on. */
  public static Schedule linearDecay() {
    return new Schedule(0, Decay.LINEAR);
  }

  /** Factor at step {@code step} of {@code steps}, from 0. */
  public double factor(long step, long steps) {
    double warm = warmUp * steps;
    if (step < warm) {
      return (step + 1) / Math.max(1, Math.ceil(warm));
    }
    double progress = (step - warm) / Math.max(1, steps - warm);
    return switch (decay) {
      case CONSTANT -> 1;
      case LINEAR -> 1 - progress;
      case COSINE -> 0.5 * (1 + Math.cos(Math.PI * progress));
    };
  }
}
