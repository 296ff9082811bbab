// SPDX-License-Identifier: Apache-2.0
package org.merganser.symmetry;

import java.util.Arrays;
import org.merganser.compute.Workspace;
import org.merganser.linalg.Matrix;
import org.merganser.linalg.Polar;

/**
 * The rotation A (and factor s) of a head that brings X and Y of the source nearest to those of the
 * target: X becomes {@code s A X}, Y becomes {@code A Y / s}. X are the rows of the value head and
 * Y the columns of the output projection that read it, or keys and queries without rotary
 * embedding. With {@code Mx = Xt X^T} and {@code My = Yt Y^T} the best A is the polar factor of
 * {@code s Mx + My / s} (Schönemann 1966; where that is rank-deficient, nearest to the identity),
 * and s follows from {@link PairedScale}: both in turn until nothing changes.
 */
final class RotationFit {
  /** What may change. */
  enum Freedom {
    NONE,
    ROTATION,
    ROTATION_AND_SCALE;

    Freedom withoutScale() {
      return this == NONE ? NONE : ROTATION;
    }
  }

  private static final int TURNS = 50;

  private final int size;
  private final Freedom freedom;
  private final double xSquare;
  private final double ySquare;
  private double[] rotation;
  private double scale = 1;
  private double value;

  /**
   * @param size dh
   * @param xSquare |X|^2 of the source
   * @param ySquare |Y|^2 of the source, of all heads of the group
   */
  RotationFit(int size, Freedom freedom, double xSquare, double ySquare) {
    this.size = size;
    this.freedom = freedom;
    this.xSquare = xSquare;
    this.ySquare = ySquare;
    this.rotation = Squares.identity(size);
  }

  /** Starts from the factor of an earlier fit, {@code s A} of it. */
  void start(double[] ofX) {
    if (freedom == Freedom.ROTATION_AND_SCALE && ofX.length > 0) {
      scale = Math.sqrt(Rows.dot(ofX, ofX) / size);
    }
  }

  /** What brings back this fit after others. */
  Runnable kept() {
    double[] keptRotation = rotation;
    double keptScale = scale;
    double keptValue = value;
    return () -> {
      rotation = keptRotation;
      scale = keptScale;
      value = keptValue;
    };
  }

  /**
   * @param my null while it is not known: s is 1 then
   */
  void fit(double[] mx, double[] my, Workspace ws) {
    double[] y = my == null ? new double[mx.length] : my;
    scale = my == null ? 1 : scale;
    if (freedom == Freedom.NONE) {
      value = Rows.dot(rotation, mx) + Rows.dot(rotation, y);
      return;
    }
    rotate(mx, y, ws);
    for (int turn = 0;
        turn < TURNS && freedom == Freedom.ROTATION_AND_SCALE && my != null;
        turn++) {
      double[] before = rotation;
      double s = scale;
      double reached = value;
      scale =
          PairedScale.best(xSquare, Rows.dot(rotation, mx), ySquare, Rows.dot(rotation, y), false);
      rotate(mx, y, ws);
      if (value <= reached) {
        rotation = before;
        scale = s;
        value = reached;
        break;
      }
    }
  }

  private void rotate(double[] mx, double[] my, Workspace ws) {
    double[][] sum = new double[size][size];
    for (int i = 0; i < mx.length; i++) {
      sum[i / size][i % size] = scale * mx[i] + my[i] / scale;
    }
    try (Matrix matrix = Matrix.of(sum);
        Polar polar = Polar.of(matrix, ws);
        Matrix factor = polar.factor().toHost(ws)) {
      rotation = factor.asTensor().toDoubleArray();
    }
    double norms = (scale * scale - 1) * xSquare + (1 / (scale * scale) - 1) * ySquare;
    value =
        scale * Rows.dot(rotation, mx)
            + Rows.dot(rotation, my) / scale
            - (scale == 1 ? 0 : norms / 2);
  }

  /** What part of Y contributes, by its {@code Yt Y^T}. */
  double ofY(double[] my) {
    return Rows.dot(rotation, my) / scale;
  }

  /**
   * Half of what the squared distance falls by against X and Y being dropped, apart from terms that
   * do not depend on the fit.
   */
  double value() {
    return value;
  }

  /** {@code s A}. */
  double[] ofX() {
    return times(rotation, scale);
  }

  /** {@code A / s}, the transposed inverse of {@link #ofX}. */
  double[] ofY() {
    return times(rotation, 1 / scale);
  }

  boolean isIdentity() {
    return scale == 1 && Arrays.equals(rotation, Squares.identity(size));
  }

  private static double[] times(double[] values, double factor) {
    return Arrays.stream(values).map(v -> v * factor).toArray();
  }
}
