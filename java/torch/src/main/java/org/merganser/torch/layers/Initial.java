// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch.layers;

import java.util.SplittableRandom;

/**
 * Distribution of the initial values of a parameter.
 *
 * @param kind shape of the distribution
 * @param value standard deviation, bound, or the constant itself
 */
public record Initial(Kind kind, double value) {
  /** Shapes of distributions. */
  public enum Kind {
    CONSTANT,
    /** Mean 0. */
    NORMAL,
    /** Between minus and plus the bound. */
    UNIFORM
  }

  public static final Initial ZERO = new Initial(Kind.CONSTANT, 0);
  public static final Initial ONE = new Initial(Kind.CONSTANT, 1);

  /** Normal with variance 2 / fanIn (He et al. 2015). */
  public static Initial he(long fanIn) {
    return new Initial(Kind.NORMAL, Math.sqrt(2.0 / fanIn));
  }

  /** Uniform with variance 2 * 2 / (fanIn + fanOut): Glorot and Bengio 2010 with gain sqrt 2. */
  public static Initial xavierRelu(long fanIn, long fanOut) {
    return new Initial(Kind.UNIFORM, Math.sqrt(2) * Math.sqrt(6.0 / (fanIn + fanOut)));
  }

  /** Uniform with variance 2 / (fanIn + fanOut) (Glorot and Bengio 2010). */
  public static Initial xavier(long fanIn, long fanOut) {
    return new Initial(Kind.UNIFORM, Math.sqrt(6.0 / (fanIn + fanOut)));
  }

  void fill(float[] values, SplittableRandom random) {
    for (int i = 0; i < values.length; i++) {
      values[i] =
          (float)
              switch (kind) {
                case CONSTANT -> value;
                case NORMAL -> random.nextGaussian() * value;
                case UNIFORM -> (2 * random.nextDouble() - 1) * value;
              };
    }
  }
}
