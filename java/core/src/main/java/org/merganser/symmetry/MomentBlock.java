// SPDX-License-Identifier: Apache-2.0
package org.merganser.symmetry;

import org.merganser.compute.Workspace;
import org.merganser.linalg.LinAlg;
import org.merganser.linalg.Matrix;

/**
 * Moments of one kind of activations of two models on the same tokens, F64: sums, sums of squares,
 * {@code sum x_target x_source^T}, and of activations of heads {@code sum x x^T} of each head.
 */
final class MomentBlock implements AutoCloseable {
  private final Matrix cross;
  final double[] targetSums;
  final double[] targetSquares;
  final double[] sourceSums;
  final double[] sourceSquares;
  private final int size;
  private final double[][] targetHeads;
  private final double[][] sourceHeads;
  private long tokens;

  /** Of activations without heads. */
  MomentBlock(int width) {
    this(width, 0, 0);
  }

  /** Of some heads of a size. */
  static MomentBlock ofHeads(int heads, int size) {
    return new MomentBlock(heads * size, heads, size);
  }

  private MomentBlock(int width, int heads, int size) {
    this.size = size;
    targetHeads = new double[heads][size * size];
    sourceHeads = new double[heads][size * size];
    cross = Matrix.zeros(width, width);
    targetSums = new double[width];
    targetSquares = new double[width];
    sourceSums = new double[width];
    sourceSquares = new double[width];
  }

  /** Rows are tokens, F64 on the host. */
  void add(Matrix target, Matrix source, Workspace ws) {
    LinAlg.addTransposedProduct(1, target, source, cross, ws);
    sum(Rows.of(target), targetSums, targetSquares, targetHeads);
    sum(Rows.of(source), sourceSums, sourceSquares, sourceHeads);
    tokens += target.rows();
  }

  private void sum(Rows rows, double[] sums, double[] squares, double[][] heads) {
    double[] x = new double[rows.width()];
    for (int i = 0; i < rows.count(); i++) {
      rows.read(i, x);
      for (int j = 0; j < x.length; j++) {
        sums[j] += x[j];
        squares[j] += x[j] * x[j];
      }
      for (int k = 0; k < heads.length; k++) {
        add(x, k * size, heads[k]);
      }
    }
  }

  private void add(double[] x, int from, double[] square) {
    for (int i = 0; i < size; i++) {
      double factor = x[from + i];
      for (int j = 0; j < size; j++) {
        square[i * size + j] += factor * x[from + j];
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

  /**
   * Products of heads that are multiplied by matrices first. A new matrix.
   *
   * @param target of each head, dh x dh; empty for the identity
   * @param source likewise
   * @param centred whether of deviations from the means
   */
  Matrix moved(double[][] target, double[][] source, boolean centred) {
    Matrix moved = centred ? centred() : cross.copy();
    double[][] strip = new double[size][(int) moved.columns()];
    for (int t = 0; t < target.length; t++) {
      for (int s = 0; s < source.length; s++) {
        double[] block = Rows.block(moved, t * size, s * size, size);
        double[] product = changed(target[t], block, source[s]);
        for (int i = 0; i < size; i++) {
          System.arraycopy(product, i * size, strip[i], s * size, size);
        }
      }
      for (int i = 0; i < size; i++) {
        Rows.write(moved, t * size + i, strip[i]);
      }
    }
    return moved;
  }

  /** {@code left block right^T}. */
  private static double[] changed(double[] left, double[] block, double[] right) {
    return Squares.multiply(Squares.multiply(left, block), Squares.transpose(right));
  }

  /**
   * Root of the sum of squares of each head of the target, multiplied by a matrix first.
   *
   * @param maps of each head, dh x dh; empty for the identity
   * @param centred whether about the means
   */
  double[] targetSizes(double[][] maps, boolean centred) {
    return sizes(targetSums, targetHeads, maps, centred);
  }

  /** The same of the source. */
  double[] sourceSizes(double[][] maps, boolean centred) {
    return sizes(sourceSums, sourceHeads, maps, centred);
  }

  private double[] sizes(double[] sums, double[][] heads, double[][] maps, boolean centred) {
    double[] sizes = new double[heads.length];
    for (int k = 0; k < sizes.length; k++) {
      double[] square = heads[k].clone();
      for (int i = 0; centred && i < square.length; i++) {
        square[i] -= sums[k * size + i / size] * sums[k * size + i % size] / tokens;
      }
      double[] changed = changed(maps[k], square, maps[k]);
      for (int i = 0; i < size; i++) {
        sizes[k] += changed[i * size + i];
      }
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
