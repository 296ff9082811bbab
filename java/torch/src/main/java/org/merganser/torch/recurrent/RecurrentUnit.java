// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch.recurrent;

/** What a recurrent unit makes of what it is given, {@code h = f(a)}. */
public sealed interface RecurrentUnit {

  /** Functions without a shape of their own. */
  enum Plain implements RecurrentUnit {
    TANH,
    RELU
  }

  /** How gain n and saturation s follow the gradient. */
  enum Mode {
    /** They stay what they were at the start. */
    STATIC,
    /** One pair for all units is learned. */
    HOMOGENEOUS,
    /** A pair for each unit is learned. */
    HETEROGENEOUS
  }

  /** What keeps a learned shape in {@code n > 0}, {@code 0 <= s <= 1}. */
  enum Constraint {
    /** Nothing, as the authors have it: s leaves [0, 1] in training. */
    NONE,
    /** After each step n is at least {@link Gamma#LEAST_GAIN} and s is cut to [0, 1]. */
    CLAMP,
    /**
     * The parameters p, q are {@code n = ln(1 + e^p)}, {@code s = 1/(1 + e^-q)}: what the
     * checkpoint holds and the optimiser moves.
     */
    SIGMOID
  }

  /**
   * The family {@code gamma(a; n, s) = (1-s) softplus(n a)/n + s sigmoid(n a)} with gain n and
   * saturation s (Geadah et al. 2020): (1, 0) is the softplus, (1, 1) the logistic function, great
   * n with s = 0 come near ReLU.
   *
   * @param gain n at the start, at least {@link #LEAST_GAIN}
   * @param saturation s at the start, in [0, 1]
   * @param random whether n is drawn from U(5, 7) instead, for each unit (or once, when all have
   *     the same); {@code gain} is then not read
   */
  record Gamma(Mode mode, double gain, double saturation, boolean random, Constraint constraint)
      implements RecurrentUnit {
    /** The family is singular at n = 0. */
    public static final double LEAST_GAIN = 1e-3;

    static final double RANDOM_FROM = 5;
    static final double RANDOM_TO = 7;

    public Gamma {
      if (!(gain >= LEAST_GAIN) || Double.isInfinite(gain)) {
        throw new IllegalArgumentException(
            "the gain n has to be finite and at least " + LEAST_GAIN + ", not " + gain);
      }
      if (!(saturation >= 0 && saturation <= 1)) {
        throw new IllegalArgumentException("the saturation s is in [0, 1], not " + saturation);
      }
      if (constraint == Constraint.SIGMOID && (saturation == 0 || saturation == 1)) {
        throw new IllegalArgumentException(
            "s = " + saturation + " is no value of a sigmoid; start between 0 and 1, or use CLAMP");
      }
    }

    /** Without constraint. */
    public static Gamma of(Mode mode, double gain, double saturation) {
      return new Gamma(mode, gain, saturation, false, Constraint.NONE);
    }

    /** The authors' random start: {@code n ~ U(5, 7)}, s = 0. */
    public static Gamma random(Mode mode) {
      return new Gamma(mode, RANDOM_FROM, 0, true, Constraint.NONE);
    }

    /** The same with another mode. */
    public Gamma withMode(Mode other) {
      return new Gamma(other, gain, saturation, random, constraint);
    }

    /** The same with another constraint. */
    public Gamma withConstraint(Constraint other) {
      return new Gamma(mode, gain, saturation, random, other);
    }
  }
}
