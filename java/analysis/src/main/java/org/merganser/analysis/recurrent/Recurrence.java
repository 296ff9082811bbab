// SPDX-License-Identifier: Apache-2.0
package org.merganser.analysis.recurrent;

import java.util.List;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.merganser.compute.Workspace;
import org.merganser.linalg.Matrix;

/**
 * Whether a series comes back: the first peak of its autocorrelation after that has been below 0.
 *
 * @param period steps to the peak; 0 where there is none in half of the series
 * @param strength autocorrelation there
 */
public record Recurrence(int period, double strength) {

  /** Of an orbit [T x H] on the host, along its first two principal components. */
  public static List<Recurrence> along(Matrix orbit, Workspace ws) {
    try (Workspace host = Orbits.host(ws)) {
      double[][] plane =
          PrincipalComponents.of(orbit, host).plane(orbit, Math.toIntExact(orbit.rows()));
      return IntStream.range(0, 2)
          .mapToObj(k -> of(Stream.of(plane).mapToDouble(point -> point[k]).toArray()))
          .toList();
    }
  }

  /** Of a series of at least 4 values. A constant one does not come back. */
  public static Recurrence of(double[] series) {
    if (series.length < 4) {
      throw new IllegalArgumentException(
          "recurrence of " + series.length + " values; at least 4 are needed");
    }
    double mean = 0;
    for (double each : series) {
      mean += each / series.length;
    }
    double[] correlation = new double[series.length / 2 + 1];
    for (int lag = 0; lag < correlation.length; lag++) {
      double sum = 0;
      for (int t = 0; t + lag < series.length; t++) {
        sum += (series[t] - mean) * (series[t + lag] - mean);
      }
      correlation[lag] = sum / (series.length - lag);
    }
    boolean below = false;
    for (int lag = 1; lag + 1 < correlation.length; lag++) {
      below |= correlation[lag] < 0;
      boolean peak =
          correlation[lag] > correlation[lag - 1] && correlation[lag] >= correlation[lag + 1];
      if (below && peak && correlation[lag] > 0) {
        return new Recurrence(lag, correlation[lag] / correlation[0]);
      }
    }
    return new Recurrence(0, 0);
  }
}
