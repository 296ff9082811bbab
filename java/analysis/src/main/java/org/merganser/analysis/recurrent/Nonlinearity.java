// SPDX-License-Identifier: Apache-2.0
package org.merganser.analysis.recurrent;

import org.merganser.activation.AdaptiveActivation;
import org.merganser.error.NumericalException;

/** What each unit makes of its input, with its derivative. */
public interface Nonlinearity {
  /** Throws unless it has a shape for each of so many units. */
  default void check(int units) {}

  /** f(a) of a unit. */
  double value(double a, int unit);

  /** f'(a) of a unit. */
  double slope(double a, int unit);

  /** sup f' of a unit. */
  double maxSlope(int unit);

  /** {@code tanh a}; its slope {@code 1 - tanh^2 a} is written so that it keeps its digits. */
  static Nonlinearity tanh() {
    return new Nonlinearity() {
      @Override
      public double value(double a, int unit) {
        return Math.tanh(a);
      }

      @Override
      public double slope(double a, int unit) {
        double e = Math.exp(-2 * Math.abs(a));
        return 4 * e / ((1 + e) * (1 + e));
      }

      @Override
      public double maxSlope(int unit) {
        return 1;
      }

      @Override
      public String toString() {
        return "tanh";
      }
    };
  }

  /**
   * {@code gamma(a; n, s)} of {@link AdaptiveActivation}.
   *
   * @param gain n of each unit, or one for all
   * @param saturation s likewise
   * @throws NumericalException for one that is not finite, naming the unit
   */
  static Nonlinearity gamma(double[] gain, double[] saturation) {
    return new Gamma(gain, saturation);
  }

  /** {@code max(a, 0)}; the slope at 0 is 0, as in libtorch. */
  static Nonlinearity relu() {
    return new Nonlinearity() {
      @Override
      public double value(double a, int unit) {
        // NaN stays NaN.
        return a <= 0 ? 0 : a;
      }

      @Override
      public double slope(double a, int unit) {
        return a > 0 ? 1 : 0;
      }

      @Override
      public double maxSlope(int unit) {
        return 1;
      }

      @Override
      public String toString() {
        return "relu";
      }
    };
  }
}
