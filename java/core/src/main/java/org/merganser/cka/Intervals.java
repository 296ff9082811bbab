// SPDX-License-Identifier: Apache-2.0
package org.merganser.cka;

import java.util.Arrays;
import org.merganser.cka.ReliabilityReport.Value;
import org.merganser.error.NumericalException;

/** Intervals of a value from values without some samples. */
final class Intervals {
  /** Share of replicates that may have a constant side. */
  private static final double MOST_UNDEFINED = 0.1;

  private Intervals() {}

  /** {@code se^2 = (n-1)/n sum (theta_-i - mean)^2}. */
  static double standardError(double[] leaveOneOut) {
    int n = leaveOneOut.length;
    double mean = Translation.sum(leaveOneOut) / n;
    double squares = 0;
    for (double each : leaveOneOut) {
      squares += (each - mean) * (each - mean);
    }
    return Math.sqrt((n - 1.0) / n * squares);
  }

  /**
   * Normal, with the standard error of the jackknife; NaN where one value is.
   *
   * @param least end of the range of the value, whose other end is 1
   */
  static Value jackknife(double value, double[] leaveOneOut, double level, double least) {
    double reach = Normal.quantile((1 + level) / 2) * standardError(leaveOneOut);
    int undefined = (int) Arrays.stream(leaveOneOut).filter(Double::isNaN).count();
    return value(value, value - reach, value + reach, "jackknife", level, least, undefined);
  }

  /** Quantiles of values of halves, about their mean: the spread at n/2 is that of the value. */
  static Value halves(double value, double[] values, double level, double least) {
    double[] sorted = defined(values);
    double mean = Translation.sum(sorted) / sorted.length;
    return value(
        value,
        value + quantile(sorted, (1 - level) / 2) - mean,
        value + quantile(sorted, (1 + level) / 2) - mean,
        "half-sampling",
        level,
        least,
        values.length - sorted.length);
  }

  /** Quantiles of values of resampled samples. */
  static Value percentiles(double value, double[] values, double level, double least) {
    double[] sorted = defined(values);
    return value(
        value,
        quantile(sorted, (1 - level) / 2),
        quantile(sorted, (1 + level) / 2),
        "bootstrap",
        level,
        least,
        values.length - sorted.length);
  }

  private static Value value(
      double value,
      double low,
      double high,
      String interval,
      double level,
      double least,
      int undefined) {
    return new Value(value, Math.max(least, low), Math.min(1, high), interval, level, undefined);
  }

  private static double[] defined(double[] values) {
    double[] sorted = Arrays.stream(values).filter(v -> !Double.isNaN(v)).sorted().toArray();
    int undefined = values.length - sorted.length;
    if (undefined > MOST_UNDEFINED * values.length) {
      throw new NumericalException(
          "in %d of %d replicates one side is constant, and CKA is not defined; give more samples, or"
                  .formatted(undefined, values.length)
              + " take the jackknife");
    }
    return sorted;
  }

  /** Between neighbours in proportion. */
  static double quantile(double[] sorted, double share) {
    double at = share * (sorted.length - 1);
    int below = (int) Math.floor(at);
    int above = Math.min(below + 1, sorted.length - 1);
    return sorted[below] + (at - below) * (sorted[above] - sorted[below]);
  }
}
