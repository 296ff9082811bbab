// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch.training;

/**
 * Learning rate over time, as a multiple of the peak: a linear rise over the first {@code warmUp}
 * part of all steps, then a decay.
 *
 * @param warmUp in [0, 1)
 * @param stages of {@link Decay#STEPS}, at least 1; the others have one
 */
public record Schedule(double warmUp, Decay decay, int stages) {
  /** The shape after the warm-up. */
  public enum Decay {
    CONSTANT,
    /** Linear to 0 at the end. */
    LINEAR,
    /** Half a cosine to 0 at the end. */
    COSINE,
    /** A tenth of the stage before in each of {@code stages} stages of equal length. */
    STEPS
  }

  public Schedule {
    if (!(warmUp >= 0 && warmUp < 1)) {
      throw new IllegalArgumentException("warm-up must be in [0, 1), not " + warmUp);
    }
    if (stages < 1 || decay != Decay.STEPS && stages != 1) {
      throw new IllegalArgumentException(
          "stages must be at least 1, and 1 unless the decay is STEPS, not "
              + stages
              + " with "
              + decay);
    }
  }

  /** A decay without stages. */
  public Schedule(double warmUp, Decay decay) {
    this(warmUp, decay, 1);
  }

  /** A tenth of the rate before in each of {@code stages} stages of equal length. */
  public static Schedule steps(int stages) {
    return new Schedule(0, Decay.STEPS, stages);
  }

  /** Linear decay from the first step on. */
  public static Schedule linearDecay() {
    return new Schedule(0, Decay.LINEAR);
  }

  /** Multiple of the peak at step {@code step} of {@code steps}, from 0. */
  public double multiple(long step, long steps) {
    double warm = warmUp * steps;
    if (step < warm) {
      return (step + 1) / Math.max(1, Math.ceil(warm));
    }
    double progress = (step - warm) / Math.max(1, steps - warm);
    return switch (decay) {
      case CONSTANT -> 1;
      case LINEAR -> 1 - progress;
      case COSINE -> 0.5 * (1 + Math.cos(Math.PI * progress));
      // A step that begins a stage may come out an ulp below it.
      case STEPS -> Math.pow(10, -Math.floor(progress * stages + 1e-9));
    };
  }
}
