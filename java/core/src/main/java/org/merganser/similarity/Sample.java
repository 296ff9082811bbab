// SPDX-License-Identifier: Apache-2.0
package org.merganser.similarity;

import java.util.Arrays;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.error.NumericalException;
import org.merganser.error.ShapeException;
import org.merganser.internal.Opened;
import org.merganser.linalg.Gram;
import org.merganser.linalg.LinAlg;
import org.merganser.linalg.Matrix;
import org.merganser.linalg.Tensor;

/**
 * One side of a comparison, where a Workspace computes: activations as they are, and less their
 * means, which are taken off before any product, so that an offset costs no digits. Constant
 * features are exactly 0 then.
 */
final class Sample implements AutoCloseable {
  private static final double EPS = Math.ulp(1.0);

  /** Fourth powers, and sums of them, stay numbers for squared norms between these. */
  private static final double SMALLEST = 1e-140;

  private static final double LARGEST = 1e140;

  private final String name;
  private final Matrix source;
  private final Matrix centred;
  private final double[] rowNorms;
  private final double squaredNorm;

  private Sample(String name, Matrix source, Matrix centred, Workspace ws) {
    this.name = name;
    this.source = source;
    this.centred = centred;
    this.rowNorms = LinAlg.rowProducts(centred, centred, ws);
    this.squaredNorm = Arrays.stream(rowNorms).sum();
  }

  /**
   * @param name as in messages
   * @param source finite, F32 or F64, borrowed
   * @param largest the largest squared norm of a row
   * @throws NumericalException for a constant side, and numbers whose powers are none
   */
  static Sample of(String name, Matrix source, double largest, Workspace ws) {
    try (Opened opened = new Opened()) {
      Matrix centred = opened.add(Gram.centredColumns(source, ws));
      Sample sample = new Sample(name, source, centred, ws);
      double rounding = source.rows() * EPS;
      if (sample.squaredNorm <= rounding * rounding * largest) {
        throw new NumericalException(
            name
                + " is constant: all "
                + source.rows()
                + " samples have the same "
                + source.columns()
                + " features, so how alike it is to anything is undefined");
      }
      if (!(sample.squaredNorm > SMALLEST && sample.squaredNorm < LARGEST)) {
        throw new NumericalException(
            name
                + " has deviations of size "
                + Math.sqrt(sample.squaredNorm)
                + ", whose fourth powers F64 does not hold; multiply the activations by a"
                + " constant");
      }
      opened.release();
      return sample;
    }
  }

  /** The mean of each column of an F64 matrix. */
  static double[] means(Matrix x, Workspace ws) {
    try (Matrix one = ones(x.rows());
        Matrix sums = LinAlg.transposeMultiply(one, x, ws);
        Matrix host = sums.toHost(ws)) {
      return Arrays.stream(host.row(0)).map(sum -> sum / x.rows()).toArray();
    }
  }

  /** Subtracts a vector from each row. */
  static void shift(Matrix x, double[] vector, Workspace ws) {
    try (Matrix one = ones(x.rows());
        Tensor column = Tensor.of(vector, vector.length, 1)) {
      LinAlg.addProduct(-1, one, Matrix.of(column), x, ws);
    }
  }

  /** A column of them. */
  private static Matrix ones(long rows) {
    double[] ones = new double[Math.toIntExact(rows)];
    Arrays.fill(ones, 1);
    return Matrix.of(Tensor.of(ones, rows, 1));
  }

  /** A new F64 copy. */
  static Matrix wide(Matrix x, Workspace ws) {
    return Matrix.of(x.asTensor().to(DType.F64, ws));
  }

  String name() {
    return name;
  }

  long rows() {
    return centred.rows();
  }

  long columns() {
    return centred.columns();
  }

  /** A new matrix of the activations as they are, F64. */
  Matrix raw(Workspace ws) {
    return wide(source, ws);
  }

  /** As they were given, F32 or F64. */
  Matrix source() {
    return source;
  }

  /** Less the means, F64; stays this one's. */
  Matrix centred() {
    return centred;
  }

  /** Squared norms of the samples less their mean. */
  double[] rowNorms() {
    return rowNorms;
  }

  /** {@code |X|^2} of the centred matrix. */
  double squaredNorm() {
    return squaredNorm;
  }

  /** Squared norms of the features less their means. */
  double[] columnNorms(Workspace ws) {
    try (Matrix features = LinAlg.transpose(centred, ws)) {
      return LinAlg.rowProducts(features, features, ws);
    }
  }

  /** Features that are the same in all samples. */
  int constantColumns(Workspace ws) {
    // They are exactly 0 in every row, so mostly the first one tells that there are none.
    try (Tensor row = centred.asTensor().rows(0, 1);
        Tensor host = row.toHost(ws)) {
      if (Arrays.stream(host.toDoubleArray()).noneMatch(each -> each == 0)) {
        return 0;
      }
    }
    return (int) Arrays.stream(columnNorms(ws)).filter(norm -> norm == 0).count();
  }

  /** Throws for a type or shape that no measure takes. */
  static void require(String name, Matrix x) {
    if (x.columns() < 1) {
      throw new ShapeException(name + " is a " + x + ": no features");
    }
  }

  @Override
  public void close() {
    centred.close();
  }
}
