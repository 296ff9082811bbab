// SPDX-License-Identifier: Apache-2.0
package org.merganser.align;

import org.merganser.error.NumericalException;

/**
 * What is added to the diagonal of a covariance.
 *
 * @param name of the setting, for messages
 * @param unit of {@code value}
 */
record Regulariser(String name, double value, Aligner.Unit unit) {
  /**
   * In units of variance.
   *
   * @param trace of the covariance of {@code width} features
   * @param use what cannot be done with features that are all constant
   */
  double of(double trace, long width, String where, String use) {
    double amount = unit == Aligner.Unit.RELATIVE ? value * trace / width : value;
    if (!Double.isFinite(trace) || !Double.isFinite(amount)) {
      throw new NumericalException(
          where
              + ": the trace of the covariance is "
              + trace
              + ", and F64 does not hold it or its mean times "
              + name
              + " ("
              + value
              + "); the statistics are damaged, or the activations or "
              + name
              + " too large");
    }
    if (!(trace > 0)) {
      throw new NumericalException(
          where
              + ": all "
              + width
              + " features are constant (trace of the covariance "
              + trace
              + "); "
              + use);
    }
    return amount;
  }

  /** Without a regulariser the covariance must have full rank. */
  void requireSamples(long samples, long width, String where) {
    if (value == 0 && samples <= width) {
      throw new NumericalException(
          where
              + ": "
              + width
              + " features but only "
              + samples
              + " samples, covariance rank <= "
              + (samples - 1)
              + "; raise "
              + name
              + " (now 0) or give > "
              + width
              + " samples");
    }
  }
}
