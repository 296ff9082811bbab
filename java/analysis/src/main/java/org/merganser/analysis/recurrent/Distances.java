// SPDX-License-Identifier: Apache-2.0
package org.merganser.analysis.recurrent;

import org.merganser.compute.Workspace;
import org.merganser.linalg.LinAlg;
import org.merganser.linalg.Matrix;

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
   * @param states [n x H], of which n^2 distances are held
   * @param labels from 0
   */
  static Distances of(Matrix states, int[] labels, Workspace ws) {
    int n = labels.length;
    int size = Math.toIntExact(states.columns());
    double[] values = states.asTensor().toDoubleArray();
    int[] all = new int[n];
    int classes = 0;
    for (int i = 0; i < n; i++) {
      all[i] = i;
      classes = Math.max(classes, labels[i] + 1);
    }
    double[] mean = ClassGeometry.mean(values, size, all);
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
    int[] counts = new int[classes];
    for (int label : labels) {
      counts[label]++;
    }
    Sums sums = new Sums();
    for (int i = 0; i < n; i++) {
      double[] to = new double[classes];
      for (int j = 0; j < n; j++) {
        double square = products[i * n + i] + products[j * n + j] - 2 * products[i * n + j];
        to[labels[j]] += i == j ? 0 : Math.sqrt(Math.max(0, square));
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
