// SPDX-License-Identifier: Apache-2.0
package org.merganser.analysis.geometry;

import java.util.Arrays;
import org.merganser.error.NumericalException;
import org.merganser.error.ShapeException;
import org.merganser.linalg.Matrix;

/**
 * The kernel of M-PHATE (Gigante et al. 2019) for units that are looked at several times, such as
 * hidden units over training: within a slice of time affinities as those of PHATE, between slices
 * only those of a unit to itself, {@code exp(-(|x_ti - x_ui| / s)^2)}. Features of each unit in
 * each slice are centred and scaled to deviation 1 before. What {@link Phate#fitKernel} embeds,
 * with gamma 0 as a rule; point {@code t m + i} is unit i in slice t.
 */
public final class SliceKernel {
  private SliceKernel() {}

  /**
   * @param slices [T][m][p]
   * @param knn neighbours within a slice, whose distance is the bandwidth
   * @param decay of affinities within a slice
   * @param interKnn neighbour in time, 1 to T - 1, whose distance gives s, the mean over units of
   *     the median over slices; the authors take 25
   * @return [T m x T m] on the host
   */
  public static Matrix of(double[][][] slices, int knn, double decay, int interKnn) {
    int times = slices.length;
    if (times < 2 || slices[0].length < knn + 2) {
      throw new IllegalArgumentException(
          "a kernel over time needs 2 slices of %d units or more, not %d of %d"
              .formatted(knn + 2, times, times == 0 ? 0 : slices[0].length));
    }
    if (interKnn < 1 || interKnn >= times) {
      throw new IllegalArgumentException(
          "%d slices have neighbours 1 to %d in time, not %d"
              .formatted(times, times - 1, interKnn));
    }
    int units = slices[0].length;
    double[][][] x = new double[times][units][];
    for (int t = 0; t < times; t++) {
      if (slices[t].length != units) {
        throw new ShapeException(
            "slice %d has %d units, slice 0 has %d".formatted(t, slices[t].length, units));
      }
      for (int i = 0; i < units; i++) {
        x[t][i] = standardised(t, i, slices[0][0].length, slices[t][i]);
      }
    }
    Matrix kernel = Diffusion.zeros(times * units, times * units);
    for (int t = 0; t < times; t++) {
      within(x[t], t * units, knn, decay, kernel);
    }
    between(x, interKnn, kernel);
    return kernel;
  }

  private static double[] standardised(int slice, int unit, int width, double... features) {
    if (features.length != width) {
      throw new ShapeException(
          "unit %d of slice %d has %d features, the first has %d"
              .formatted(unit, slice, features.length, width));
    }
    if (width == 0) {
      throw new ShapeException("unit %d of slice %d has no features".formatted(unit, slice));
    }
    for (int k = 0; k < width; k++) {
      if (!Double.isFinite(features[k])) {
        throw new NumericalException(
            "feature %d of unit %d of slice %d is %s".formatted(k, unit, slice, features[k]));
      }
    }
    // From the first, so that equal features are exactly their mean.
    double[] x = Arrays.stream(features).map(f -> f - features[0]).toArray();
    double mean = Arrays.stream(x).sum() / width;
    double square = Arrays.stream(x).map(f -> (f - mean) * (f - mean)).sum() / width;
    if (!Double.isFinite(square)) {
      throw new NumericalException(
          "squares of features of unit %d of slice %d are beyond the range of F64"
              .formatted(unit, slice));
    }
    double deviation = square > 0 ? Math.sqrt(square) : 1;
    return Arrays.stream(x).map(f -> (f - mean) / deviation).toArray();
  }

  private static void within(double[][] x, int at, int knn, double decay, Matrix kernel) {
    int units = x.length;
    try (Matrix distances = Matrix.allocate(units, units)) {
      for (int i = 0; i < units; i++) {
        double[] row = new double[units];
        for (int j = 0; j < units; j++) {
          row[j] = i == j ? 0 : Stress.distance(x[i], x[j]);
        }
        distances.setRow(i, row);
      }
      AlphaDecay affinities = AlphaDecay.of(distances, knn, decay);
      for (int i = 0; i < units; i++) {
        double[] row = affinities.row(i, distances.row(i));
        for (int j = 0; j < units; j++) {
          kernel.set(at + i, at + j, row[j]);
        }
      }
    }
  }

  private static void between(double[][][] x, int neighbour, Matrix kernel) {
    int times = x.length;
    int units = x[0].length;
    double[][][] apart = new double[units][times][times];
    double scale = 0;
    for (int i = 0; i < units; i++) {
      double[] far = new double[times];
      for (int t = 0; t < times; t++) {
        for (int u = 0; u < times; u++) {
          apart[i][t][u] = t == u ? 0 : Stress.distance(x[t][i], x[u][i]);
        }
        double[] sorted = apart[i][t].clone();
        Arrays.sort(sorted);
        far[t] = sorted[neighbour];
      }
      Arrays.sort(far);
      double median = (far[(times - 1) / 2] + far[times / 2]) / 2;
      scale += median / units;
    }
    if (!(scale > 0)) {
      throw new NumericalException("no unit changes between slices, which gives no scale of time");
    }
    for (int i = 0; i < units; i++) {
      for (int t = 0; t < times; t++) {
        for (int u = 0; u < times; u++) {
          if (t != u) {
            double ratio = apart[i][t][u] / scale;
            kernel.set((long) t * units + i, (long) u * units + i, StrictMath.exp(-ratio * ratio));
          }
        }
      }
    }
  }
}
