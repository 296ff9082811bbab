// SPDX-License-Identifier: Apache-2.0
package org.merganser.symmetry;

import java.util.Arrays;

/**
 * Phases and ratios of the pairs of a rotary head that bring keys and queries of the source nearest
 * to those of the target: keys become {@code r exp(i phi) K}, queries {@code exp(i phi) Q / r}.
 */
final class RotaryFit {
  /** What may change. */
  enum Freedom {
    NONE,
    /** The sign of both members of a pair, since norms of queries and keys allow no more. */
    SIGN,
    PHASE,
    PHASE_AND_RATIO
  }

  private final Freedom freedom;
  private final double[] keySquares;
  private final double[] querySquares;
  private final double[] phase;
  private final double[] ratio;
  private double value;

  /**
   * @param keySquares |K|^2 of each pair of the source
   * @param querySquares |Q|^2 of each pair of the source, of all heads of the group
   */
  RotaryFit(Freedom freedom, double[] keySquares, double[] querySquares) {
    this.freedom = freedom;
    this.keySquares = keySquares;
    this.querySquares = querySquares;
    this.phase = new double[keySquares.length];
    this.ratio = new double[keySquares.length];
    Arrays.fill(ratio, 1);
  }

  /** What brings back this fit after others. */
  Runnable kept() {
    double[] keptPhase = phase.clone();
    double[] keptRatio = ratio.clone();
    double keptValue = value;
    return () -> {
      System.arraycopy(keptPhase, 0, phase, 0, phase.length);
      System.arraycopy(keptRatio, 0, ratio, 0, ratio.length);
      value = keptValue;
    };
  }

  /**
   * @param queries null while they are not known: ratios are 1 then
   */
  void fit(PairSums keys, PairSums queries) {
    value = 0;
    for (int i = 0; i < phase.length; i++) {
      double qr = queries == null ? 0 : queries.re[i];
      double qi = queries == null ? 0 : queries.im[i];
      double r = 1;
      if (freedom == Freedom.PHASE_AND_RATIO && queries != null) {
        r = RotaryScale.best(keySquares[i], querySquares[i], keys.re[i], keys.im[i], qr, qi);
      }
      double re = r * keys.re[i] + qr / r;
      double im = r * keys.im[i] + qi / r;
      ratio[i] = r;
      phase[i] =
          switch (freedom) {
            case NONE -> 0;
            case SIGN -> re < 0 ? Math.PI : 0;
            case PHASE, PHASE_AND_RATIO -> StrictMath.atan2(im, re);
          };
      value += StrictMath.cos(phase[i]) * re + StrictMath.sin(phase[i]) * im;
      if (r != 1) {
        value -= ((r * r - 1) * keySquares[i] + (1 / (r * r) - 1) * querySquares[i]) / 2;
      }
    }
  }

  /** What a query head contributes, by its sums. */
  double ofQuery(PairSums sums) {
    double product = 0;
    for (int i = 0; i < phase.length; i++) {
      product +=
          (StrictMath.cos(phase[i]) * sums.re[i] + StrictMath.sin(phase[i]) * sums.im[i])
              / ratio[i];
    }
    return product;
  }

  /** As of {@link RotationFit#value}. */
  double value() {
    return value;
  }

  HeadSymmetry.Rotary found() {
    return new HeadSymmetry.Rotary(phase, ratio);
  }
}
