// SPDX-License-Identifier: Apache-2.0
package org.merganser.linalg;

import org.merganser.compute.DType;
import org.merganser.error.ShapeException;
import org.merganser.internal.kernel.Block;

/**
 * A row-major F64 or F32 matrix, off the heap. Solvers work in F64.
 *
 * <p>Owned memory is freed by {@link #close} or when nothing refers to it any more.
 */
public final class Matrix implements AutoCloseable {
  private final Tensor tensor;

  private Matrix(Tensor tensor) {
    this.tensor = tensor;
  }

  /** F64, all zero. */
  public static Matrix zeros(long rows, long columns) {
    return new Matrix(Tensor.zeros(DType.F64, rows, columns));
  }

  /** F64, not initialised. */
  public static Matrix allocate(long rows, long columns) {
    return new Matrix(Tensor.allocate(DType.F64, rows, columns));
  }

  /** F64, the n x n identity. */
  public static Matrix identity(long n) {
    Matrix matrix = zeros(n, n);
    for (long i = 0; i < n; i++) {
      matrix.set(i, i, 1);
    }
    return matrix;
  }

  /** F64, a copy of rows of equal length. */
  public static Matrix of(double[][] rows) {
    int columns = rows.length == 0 ? 0 : rows[0].length;
    Matrix matrix = allocate(rows.length, columns);
    for (int i = 0; i < rows.length; i++) {
      if (rows[i].length != columns) {
        throw new ShapeException(
            "row " + i + " has " + rows[i].length + " values, row 0 has " + columns);
      }
      matrix.setRow(i, rows[i]);
    }
    return matrix;
  }

  /** A view of a 2-d F64 or F32 tensor. */
  public static Matrix of(Tensor tensor) {
    if (tensor.rank() != 2 || tensor.dtype() != DType.F64 && tensor.dtype() != DType.F32) {
      throw new ShapeException(tensor + " is no F64 or F32 matrix");
    }
    return new Matrix(tensor);
  }

  public long rows() {
    return tensor.dim(0);
  }

  public long columns() {
    return tensor.dim(1);
  }

  public DType dtype() {
    return tensor.dtype();
  }

  public long address() {
    return tensor.address();
  }

  /** The same elements as a tensor. */
  public Tensor asTensor() {
    return tensor;
  }

  public double get(long row, long column) {
    return tensor.get(index(row, column));
  }

  public void set(long row, long column, double value) {
    tensor.set(index(row, column), value);
  }

  /** A copy of one row. */
  public double[] row(long row) {
    double[] values = new double[arrayLength(columns())];
    for (int j = 0; j < values.length; j++) {
      values[j] = get(row, j);
    }
    return values;
  }

  public void setRow(long row, double[] values) {
    if (values.length != columns()) {
      throw new ShapeException(values.length + " values for a row of " + columns());
    }
    for (int j = 0; j < values.length; j++) {
      set(row, j, values[j]);
    }
  }

  /** A copy as rows on the heap, for small matrices and tests. */
  public double[][] toArray() {
    double[][] rows = new double[arrayLength(rows())][];
    for (int i = 0; i < rows.length; i++) {
      rows[i] = row(i);
    }
    return rows;
  }

  /** A new matrix, transposed. */
  public Matrix transpose() {
    Matrix result = new Matrix(Tensor.allocate(dtype(), columns(), rows()));
    for (long i = 0; columns() > 0 && i < rows(); i++) {
      for (long j = 0; j < columns(); j++) {
        result.set(j, i, get(i, j));
      }
    }
    return result;
  }

  /** A new matrix with the same elements. */
  public Matrix copy() {
    return new Matrix(tensor.copy());
  }

  /** Sum of the diagonal. */
  public double trace() {
    requireSquare("trace");
    double sum = 0;
    for (long i = 0; i < rows(); i++) {
      sum += get(i, i);
    }
    return sum;
  }

  /** Throws unless F64 and of the size given. */
  public void require(String what, long rows, long columns) {
    tensor.require(what, DType.F64, rows, columns);
  }

  private void requireSquare(String operation) {
    if (rows() != columns()) {
      throw new ShapeException(operation + " of a " + rows() + " x " + columns() + " matrix");
    }
  }

  private int arrayLength(long length) {
    if (length > Integer.MAX_VALUE - 8) {
      throw new ShapeException("a " + this + " does not fit into arrays");
    }
    return (int) length;
  }

  private long index(long row, long column) {
    if (row < 0 || row >= rows() || column < 0 || column >= columns()) {
      throw new IndexOutOfBoundsException(
          "(" + row + ", " + column + ") in a " + rows() + " x " + columns() + " matrix");
    }
    return row * columns() + column;
  }

  Block block() {
    return tensor.block();
  }

  @Override
  public void close() {
    tensor.close();
  }

  @Override
  public String toString() {
    return rows() + " x " + columns() + " " + dtype() + " matrix";
  }
}
