// SPDX-License-Identifier: Apache-2.0
package org.merganser.analysis.geometry;

import org.merganser.compute.Workspace;
import org.merganser.internal.Threads;

/**
 * Scaling by majorisation (de Leeuw 1977): all points move to {@code B(X) X / N}, with {@code b_ij
 * = -E_ij / |x_i - x_j|} and rows that sum to 0, which never raises the stress. The pass that moves
 * points finds their stress as well.
 */
final class Smacof {
  /** Steps at most. */
  static final int MOST = 3000;

  private static final double ENOUGH = 1e-6;
  private static final double FITS = 1e-12;

  private final double[][] wanted;
  private final Threads threads;

  /** Of each point, with those before it. */
  private final double[] stresses;

  private Smacof(double[][] wanted, Threads threads) {
    this.wanted = wanted;
    this.threads = threads;
    this.stresses = new double[wanted.length];
  }

  /**
   * Until the stress falls by less than 1e-6 of it.
   *
   * @param wanted E [N][N]
   * @param start [N][dimensions]
   * @param steps at most
   * @return new points
   */
  static double[][] of(double[][] wanted, double[][] start, int steps, Workspace ws) {
    double fits = FITS * Stress.scale(wanted);
    double[][] x = Mds.transposed(start);
    double[][] next = new double[x.length][wanted.length];
    try (Threads threads = new Threads(ws.threads())) {
      Smacof smacof = new Smacof(wanted, threads);
      double stress = smacof.moved(x, next);
      for (int step = 0; step < steps; step++) {
        ws.cancellation().check();
        double[][] before = x;
        x = next;
        next = before;
        double now = smacof.moved(x, next);
        if (stress - now <= ENOUGH * stress || now <= fits) {
          break;
        }
        stress = now;
      }
    }
    return Mds.transposed(x);
  }

  /**
   * @param x a coordinate of all points each
   * @param next filled with that of the moved points
   * @return the stress of x
   */
  private double moved(double[][] x, double[][] next) {
    int n = wanted.length;
    Rows.each(
        n,
        threads,
        (from, to) -> {
          double[] far = new double[n];
          for (int i = from; i < to; i++) {
            moved(x, i, far, next);
          }
        });
    double stress = 0;
    for (double each : stresses) {
      stress += each;
    }
    return stress;
  }

  private void moved(double[][] x, int i, double[] far, double[][] next) {
    int n = wanted.length;
    double[] row = wanted[i];
    Stress.distances(x, i, far);
    double stress = 0;
    for (int j = 0; j < i; j++) {
      double off = far[j] - row[j];
      stress += off * off;
    }
    stresses[i] = stress;
    double sum = 0;
    for (int j = 0; j < n; j++) {
      // Points that coincide have no direction to each other.
      far[j] = far[j] > 0 ? row[j] / far[j] : 0;
      sum += far[j];
    }
    for (int k = 0; k < x.length; k++) {
      next[k][i] = (sum * x[k][i] - Lanczos.dot(far, x[k])) / n;
    }
  }
}
