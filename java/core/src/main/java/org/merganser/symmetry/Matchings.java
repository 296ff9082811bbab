// SPDX-License-Identifier: Apache-2.0
package org.merganser.symmetry;

import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.linalg.Assignment;
import org.merganser.linalg.Matrix;

/**
 * Greatest assignments that keep what ties: the diagonal counts a little more, so that a model with
 * equal or dead units is matched with itself by the identity.
 */
final class Matchings {
  /** Of the mean magnitude. */
  private static final double TIE = 1e-9;

  /** Of the diagonal itself in F32, where less is lost in rounding. */
  private static final double TIE_F32 = 0x1p-21;

  /**
   * An assignment.
   *
   * @param raised what the diagonal was raised by at least
   */
  record Found(Assignment assignment, double raised) {}

  private Matchings() {}

  static int[] best(double[][] gain, Workspace ws) {
    try (Matrix matrix = Matrix.of(gain)) {
      return best(matrix, null, ws).assignment().columns();
    }
  }

  /**
   * Of a square matrix on the host, whose diagonal is raised.
   *
   * @param start duals of columns of a similar problem; null for none
   */
  static Found best(Matrix gain, double[] start, Workspace ws) {
    Rows rows = Rows.of(gain);
    double[] row = new double[rows.width()];
    double sum = 0;
    for (int i = 0; i < rows.count(); i++) {
      rows.read(i, row);
      for (double each : row) {
        sum += Math.abs(each);
      }
    }
    double mean = sum / Math.max(1, (double) rows.count() * rows.count());
    double least = gain.dtype() == DType.F64 ? 0x1p-50 : TIE_F32;
    for (int i = 0; i < rows.count(); i++) {
      double own = gain.get(i, i);
      gain.set(i, i, own + Math.max(TIE * mean, least * Math.abs(own)));
    }
    Assignment best =
        start == null ? Assignment.maximise(gain, ws) : Assignment.maximiseFrom(start, gain, ws);
    return new Found(best, TIE * mean);
  }
}
