// SPDX-License-Identifier: Apache-2.0
package org.merganser.symmetry;

import org.merganser.compute.Workspace;
import org.merganser.linalg.LinAlg;
import org.merganser.linalg.Matrix;

/**
 * What the map of the residual stream is found from: {@code N = sum T^T S} over all rows that lie
 * in the stream, and the same of gains, which move without signs, where they move: not under a
 * rotation. [d x d], F64.
 */
final class Crosses implements AutoCloseable {
  private final Matrix n;

  /** Null where none move. */
  private final Matrix gains;

  Crosses(int hidden, boolean gainsMove) {
    n = Matrix.zeros(hidden, hidden);
    gains = gainsMove ? Matrix.zeros(hidden, hidden) : null;
  }

  Matrix rows() {
    return n;
  }

  /** Null where none move. */
  Matrix gains() {
    return gains;
  }

  void clear() {
    n.asTensor().memory().clear();
    if (gains != null) {
      gains.asTensor().memory().clear();
    }
  }

  void addRows(Rows target, Rows source, Workspace ws) {
    target.addCross(source, n, ws);
  }

  /**
   * @param pair the target's first
   */
  void addVector(double[][] pair, Workspace ws) {
    addOuter(pair, n, ws);
  }

  /**
   * @param pair the target's first
   */
  void addGain(double[][] pair, Workspace ws) {
    if (gains != null) {
      addOuter(pair, gains, ws);
    }
  }

  private static void addOuter(double[][] pair, Matrix sum, Workspace ws) {
    try (Matrix target = Matrix.of(new double[][] {pair[0]});
        Matrix source = Matrix.of(new double[][] {pair[1]})) {
      LinAlg.addTransposedProduct(1, target, source, sum, ws);
    }
  }

  void add(Crosses other) {
    add(other.n, n);
    if (gains != null) {
      add(other.gains, gains);
    }
  }

  /** Of a source that has moved. */
  void addMoved(Crosses other, Stream stream, Workspace ws) {
    try (Matrix moved = stream.moved(other.n, ws)) {
      add(moved, n);
    }
    if (gains == null) {
      return;
    }
    try (Matrix moved = other.gains.copy()) {
      Rows rows = Rows.of(other.gains);
      double[] row = new double[rows.width()];
      for (int i = 0; i < rows.count(); i++) {
        rows.read(i, row);
        Rows.write(moved, i, stream.gain(row));
      }
      add(moved, gains);
    }
  }

  private static void add(Matrix part, Matrix sum) {
    Rows parts = Rows.of(part);
    Rows sums = Rows.of(sum);
    double[] a = new double[sums.width()];
    double[] b = new double[sums.width()];
    for (int i = 0; i < sums.count(); i++) {
      parts.read(i, a);
      sums.read(i, b);
      for (int j = 0; j < a.length; j++) {
        b[j] += a[j];
      }
      Rows.write(sum, i, b);
    }
  }

  @Override
  public void close() {
    n.close();
    if (gains != null) {
      gains.close();
    }
  }
}
