// SPDX-License-Identifier: Apache-2.0
package org.merganser.analysis.recurrent;

import java.util.stream.IntStream;
import org.merganser.compute.Workspace;
import org.merganser.linalg.LinAlg;
import org.merganser.linalg.Matrix;
import org.merganser.linalg.Tensor;

/**
 * Distances of all pairs of samples.
 *
 * @param within mean between samples of a class; 0 when no class has two
 * @param between mean between samples of different classes; 0 when there is one class
 * @param silhouette mean of {@code (b - a) / max(a, b)}, a the mean distance from the others of the
 *     class, b that from the nearest other class (Rousseeuw 1987); 0 for a class of one sample
 */
record Distances(double within, double between, double silhouette) {

  /**
   * Of all pairs, [n x n] on the host.
   *
   * @param states [n x H]
   */
  static Matrix between(Matrix states, Workspace ws) {
    int n = Math.toIntExact(states.rows());
    int size = Math.toIntExact(states.columns());
    double[] values = states.asTensor().toDoubleArray();
    double[] mean = ClassGeometry.mean(values, size, IntStream.range(0, n).toArray());
    double[] products;
    // Centred, so that less is lost where all are far from 0.
    try (Matrix centred = states.copy()) {
      for (int at = 0; at < values.length; at++) {
        centred.set(at / size, at % size, values[at] - mean[at % size]);
      }
      try (Matrix gram = LinAlg.multiplyTransposed(centred, centred, ws)) {
        products = gram.asTensor().toDoubleArray();
      }
    }
    double[] distances = new double[n * n];
    for (int i = 0; i < n; i++) {
      for (int j = 0; j < i; j++) {
        double square = products[i * n + i] + products[j * n + j] - 2 * products[i * n + j];
        distances[i * n + j] = Math.sqrt(Math.max(0, square));
        distances[j * n + i] = distances[i * n + j];
      }
    }
    return Matrix.of(Tensor.of(distances, n, n));
  }

  /**
   * @param between samples, [n x n]
   * @param labels from 0
   */
  static Distances of(Matrix between, int... labels) {
    int n = labels.length;
    int[] counts = new int[IntStream.of(labels).max().orElse(0) + 1];
    for (int label : labels) {
      counts[label]++;
    }
    Sums sums = new Sums();
    for (int i = 0; i < n; i++) {
      double[] row = between.row(i);
      double[] to = new double[counts.length];
      for (int j = 0; j < n; j++) {
        to[labels[j]] += row[j];
      }
      sums.add(to, counts, labels[i]);
    }
    return new Distances(
        ClassGeometry.ratio(sums.within, sums.pairsWithin),
        ClassGeometry.ratio(sums.between, sums.pairsBetween),
        sums.silhouette / n);
  }

  private static final class Sums {
    private double within;
    private double between;
    private double pairsWithin;
    private double pairsBetween;
    private double silhouette;

    /** One sample, with its sums of distances to each class. */
    private void add(double[] to, int[] counts, int own) {
      double nearest = Double.POSITIVE_INFINITY;
      for (int c = 0; c < to.length; c++) {
        if (c != own && counts[c] > 0) {
          between += to[c];
          pairsBetween += counts[c];
          nearest = Math.min(nearest, to[c] / counts[c]);
        }
      }
      within += to[own];
      pairsWithin += counts[own] - 1;
      if (counts[own] > 1 && Double.isFinite(nearest)) {
        double mean = to[own] / (counts[own] - 1);
        silhouette += ClassGeometry.ratio(nearest - mean, Math.max(nearest, mean));
      }
    }
  }
}
