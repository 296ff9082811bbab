// SPDX-License-Identifier: Apache-2.0
package org.merganser.analysis.recurrent;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.DoubleStream;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.merganser.compute.Workspace;
import org.merganser.error.NumericalException;
import org.merganser.linalg.Matrix;

/**
 * Whether a series comes back: the highest peak of its autocorrelation after that has been below 0,
 * up to half of the length, where it is at least 0.5; of peaks as high as that, up to 0.05, the
 * first, since what comes back after a period does so after two. White noise does not come back,
 * nor does what dies out, nor rounding around a point, nor chaos as a rule: near a cycle it may.
 *
 * <p>The autocorrelation at a lag is of the pairs of values that far apart, by the squares of these
 * values alone: 1 of a series that repeats itself, whatever the lag, and at most 1.
 *
 * @param period steps to the peak; 0 where there is none
 * @param strength autocorrelation there; 0 where there is none
 */
public record Recurrence(int period, double strength) {

  private static final Recurrence NONE = new Recurrence(0, 0);

  /** Variance over the mean square of the state, up to which it is rounding. */
  private static final double ROUNDING = 1e-20;

  /** Variance of the last half over that of the first, below which a series dies out. */
  private static final double DYING = 0.5;

  /** Autocorrelation from which a series comes back; white noise stays below. */
  private static final double STRONG = 0.5;

  /** Up to which peaks are as high: the lag of a period of no whole steps is rounded. */
  private static final double AS_HIGH = 0.05;

  /** Of an orbit [T x H] on the host, along its first two principal components. */
  public static List<Recurrence> along(Matrix orbit, Workspace ws) {
    try (Workspace host = Orbits.host(ws)) {
      double[][] plane =
          PrincipalComponents.of(orbit, host).plane(orbit, Math.toIntExact(orbit.rows()));
      double square = meanSquare(orbit.asTensor().toDoubleArray()) * orbit.columns();
      return IntStream.range(0, 2)
          .mapToObj(k -> of(Stream.of(plane).mapToDouble(point -> point[k]).toArray(), square))
          .toList();
    }
  }

  /**
   * Of a series of at least 4 values. It comes back only when its variance is more than 1e-20 of
   * its mean square, and that of its last half at least half of that of its first: rounding and
   * what dies out are left out so.
   *
   * @throws NumericalException for a value that is not finite, naming the first
   */
  public static Recurrence of(double[] series) {
    return of(series, meanSquare(series));
  }

  private static double meanSquare(double... values) {
    double sum = 0;
    for (double each : values) {
      sum += each * each / values.length;
    }
    return sum;
  }

  private static double variance(double... values) {
    double mean = 0;
    for (double each : values) {
      mean += (each - values[0]) / values.length;
    }
    double from = values[0] + mean;
    return meanSquare(DoubleStream.of(values).map(each -> each - from).toArray());
  }

  /**
   * @param square mean square of the state that it is a coordinate of
   */
  private static Recurrence of(double[] series, double square) {
    if (series.length < 4) {
      throw new IllegalArgumentException(
          "recurrence of " + series.length + " values; at least 4 are needed");
    }
    for (int t = 0; t < series.length; t++) {
      if (!Double.isFinite(series[t])) {
        throw new NumericalException("value %d of the series is %s".formatted(t, series[t]));
      }
    }
    int half = series.length / 2;
    double first = variance(Arrays.copyOf(series, half));
    double last = variance(Arrays.copyOfRange(series, series.length - half, series.length));
    if (!(variance(series) > ROUNDING * square) || last < DYING * first) {
      return NONE;
    }
    return highest(correlation(series));
  }

  /** By lag, from 0 to half of the length. */
  private static double[] correlation(double... series) {
    double mean = 0;
    for (double each : series) {
      mean += each / series.length;
    }
    double[] correlation = new double[series.length / 2 + 1];
    for (int lag = 0; lag < correlation.length; lag++) {
      double both = 0;
      double before = 0;
      double after = 0;
      for (int t = 0; t + lag < series.length; t++) {
        double from = series[t] - mean;
        double to = series[t + lag] - mean;
        both += from * to;
        before += from * from;
        after += to * to;
      }
      correlation[lag] = both / Math.sqrt(before * after);
    }
    return correlation;
  }

  private static Recurrence highest(double... correlation) {
    List<Recurrence> peaks = new ArrayList<>();
    boolean below = false;
    for (int lag = 1; lag + 1 < correlation.length; lag++) {
      below |= correlation[lag] < 0;
      boolean peak =
          correlation[lag] > correlation[lag - 1] && correlation[lag] >= correlation[lag + 1];
      if (below && peak && correlation[lag] >= STRONG) {
        peaks.add(new Recurrence(lag, correlation[lag]));
      }
    }
    double most = peaks.stream().mapToDouble(Recurrence::strength).max().orElse(0);
    return peaks.stream()
        .filter(peak -> peak.strength() >= most - AS_HIGH)
        .findFirst()
        .orElse(NONE);
  }
}
