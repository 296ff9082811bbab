// SPDX-License-Identifier: Apache-2.0
package org.merganser.transformer;

import org.merganser.compute.Workspace;
import org.merganser.linalg.LinAlg;
import org.merganser.linalg.Matrix;

/**
 * Moments of one kind of activations of two models on the same tokens, F64: sums, sums of squares,
 * and {@code sum x_target x_source^T}.
 */
final class MomentBlock implements AutoCloseable {
  private final Matrix cross;
  final double[] targetSums;
  final double[] targetSquares;
  final double[] sourceSums;
  final double[] sourceSquares;
  private long tokens;

  MomentBlock(int width) {
    cross = Matrix.zeros(width, width);
    targetSums = new double[width];
    targetSquares = new double[width];
    sourceSums = new double[width];
    sourceSquares = new double[width];
  }

  /** Rows are tokens, F64 on the host. */
  void add(Matrix target, Matrix source, Workspace ws) {
    LinAlg.addTransposedProduct(1, target, source, cross, ws);
    sum(Rows.of(target), targetSums, targetSquares);
    sum(Rows.of(source), sourceSums, sourceSquares);
    tokens += target.rows();
  }

  private static void sum(Rows rows, double[] sums, double[] squares) {
    double[] x = new double[rows.width()];
    for (int i = 0; i < rows.count(); i++) {
      rows.read(i, x);
      for (int j = 0; j < x.length; j++) {
        sums[j] += x[j];
        squares[j] += x[j] * x[j];
      }
    }
  }

  /** Not centred, target by source; not to be changed. */
  Matrix cross() {
    return cross;
  }

  /** Sums of products of deviations from the means. A new matrix. */
  Matrix centred() {
    Matrix centred = Matrix.allocate(cross.rows(), cross.columns());
    Rows rows = Rows.of(cross);
    double[] row = new double[rows.width()];
    for (int i = 0; i < rows.count(); i++) {
      rows.read(i, row);
      for (int j = 0; j < row.length; j++) {
        row[j] -= targetSums[i] * sourceSums[j] / tokens;
      }
      Rows.write(centred, i, row);
    }
    return centred;
  }

  double[] targetDeviations() {
    return deviations(targetSums, targetSquares);
  }

  double[] sourceDeviations() {
    return deviations(sourceSums, sourceSquares);
  }

  /** Standard deviations; 0 where they are no more than rounding of the squares, or below 1e-12. */
  private double[] deviations(double[] sums, double[] squares) {
    double[] deviations = new double[sums.length];
    for (int j = 0; j < sums.length; j++) {
      double variance = (squares[j] - sums[j] * sums[j] / tokens) / tokens;
      boolean rounding = variance <= 1e-14 * squares[j] / tokens;
      deviations[j] = rounding || variance < 1e-24 ? 0 : Math.sqrt(variance);
    }
    return deviations;
  }

  /** Root of the sum of squares of each head; about the means where {@code centred}. */
  static double[] sizes(double[] sums, double[] squares, long tokens, int size, boolean centred) {
    double[] sizes = new double[squares.length / size];
    for (int j = 0; j < squares.length; j++) {
      sizes[j / size] += squares[j] - (centred ? sums[j] * sums[j] / tokens : 0);
    }
    for (int k = 0; k < sizes.length; k++) {
      sizes[k] = Math.sqrt(Math.max(0, sizes[k]));
    }
    return sizes;
  }

  long tokens() {
    return tokens;
  }

  @Override
  public void close() {
    cross.close();
  }
}
