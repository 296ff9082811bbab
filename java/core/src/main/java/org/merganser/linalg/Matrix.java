// SPDX-License-Identifier: Apache-2.0
package org.merganser.linalg;

import java.util.stream.IntStream;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.error.ShapeException;
import org.merganser.internal.kernel.Block;
import org.merganser.internal.kernel.Kernels;
import org.merganser.internal.kernel.MatrixBlock;
import org.merganser.internal.kernel.TensorKernels.Axis;

/**
 * A row-major F64 or F32 matrix, off the heap. Solvers work in F64.
 *
 * <p>Owned memory is freed by {@link #close} or when nothing refers to it any more.
 */
public final class Matrix implements AutoCloseable {
  /** Of an element of F64. */
  private static final int BYTES = Double.BYTES;

  private final Tensor tensor;

  private Matrix(Tensor tensor) {
    this.tensor = tensor;
  }

  /** F64 on the host, all zero. */
  public static Matrix zeros(long rows, long columns) {
    return new Matrix(Tensor.zeros(DType.F64, rows, columns));
  }

  /** F64 on the host, not initialised. */
  public static Matrix allocate(long rows, long columns) {
    return new Matrix(Tensor.allocate(DType.F64, rows, columns));
  }

  /** F64 where a Workspace computes, not initialised. */
  public static Matrix allocate(long rows, long columns, Workspace ws) {
    return new Matrix(Tensor.allocate(DType.F64, new long[] {rows, columns}, ws));
  }

  /** F64 on the host, the n x n identity. */
  public static Matrix identity(long n) {
    Matrix matrix = zeros(n, n);
    for (long i = 0; i < n; i++) {
      matrix.set(i, i, 1);
    }
    return matrix;
  }

  /** F64 on the host, a copy of rows of equal length. */
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
    if (atOnce(values.length)) {
      try (Block.View view = tensor.view(BYTES * index(row, 0), BYTES * values.length)) {
        view.buffer().asDoubleBuffer().get(values);
      }
      return values;
    }
    for (int j = 0; j < values.length; j++) {
      values[j] = get(row, j);
    }
    return values;
  }

  public void setRow(long row, double[] values) {
    if (values.length != columns()) {
      throw new ShapeException(values.length + " values for a row of " + columns());
    }
    if (atOnce(values.length)) {
      try (Block.View view = tensor.view(BYTES * index(row, 0), BYTES * values.length)) {
        view.buffer().asDoubleBuffer().put(values);
      }
      return;
    }
    for (int j = 0; j < values.length; j++) {
      set(row, j, values[j]);
    }
  }

  /** Whether a row is of F64 and fits into a buffer. */
  private boolean atOnce(int length) {
    return dtype() == DType.F64 && length > 0 && length <= Integer.MAX_VALUE / BYTES;
  }

  /** A copy as rows on the heap, for small matrices and tests. */
  public double[][] toArray() {
    double[][] rows = new double[arrayLength(rows())][];
    for (int i = 0; i < rows.length; i++) {
      rows[i] = row(i);
    }
    return rows;
  }

  /** A copy where a Workspace computes; see {@link Tensor}. */
  public Matrix on(Workspace ws) {
    return new Matrix(tensor.on(ws));
  }

  /** A copy on the host, whose elements can be read and written. */
  public Matrix toHost(Workspace ws) {
    return new Matrix(tensor.toHost(ws));
  }

  /** The element in column {@code columns[r]} of each row r. */
  public double[] entries(int[] columns, Workspace ws) {
    if (columns.length != rows()) {
      throw new ShapeException(columns.length + " columns for the rows of a " + this);
    }
    long[] index = new long[columns.length];
    for (int r = 0; r < index.length; r++) {
      index[r] = index(r, columns[r]);
    }
    if (index.length == 0) {
      return new double[0];
    }
    try (Tensor picked = Tensor.allocate(dtype(), new long[] {index.length}, ws)) {
      Axis axis = new Axis(1, tensor.size(), 1, index.length, tensor.size());
      Kernels.of(ws)
          .tensors()
          .applyGather(dtype().code(), axis, index, null, tensor.block(), picked.block());
      try (Tensor host = picked.toHost(ws)) {
        return host.toDoubleArray();
      }
    }
  }

  /** A new matrix, transposed, both on the host. */
  public Matrix transpose() {
    Matrix result = new Matrix(Tensor.allocate(dtype(), columns(), rows()));
    for (long i = 0; columns() > 0 && i < rows(); i++) {
      for (long j = 0; j < columns(); j++) {
        result.set(j, i, get(i, j));
      }
    }
    return result;
  }

  /** A new matrix with the same elements, both on the host. */
  public Matrix copy() {
    return new Matrix(tensor.copy());
  }

  /** Sum of the diagonal of a matrix on the host. */
  public double trace() {
    requireSquare();
    double sum = 0;
    for (long i = 0; i < rows(); i++) {
      sum += get(i, i);
    }
    return sum;
  }

  /** Sum of the diagonal, wherever the matrix lies. */
  public double trace(Workspace ws) {
    requireSquare();
    double sum = 0;
    for (double each : entries(IntStream.range(0, arrayLength(rows())).toArray(), ws)) {
      sum += each;
    }
    return sum;
  }

  private void requireSquare() {
    if (rows() != columns()) {
      throw new ShapeException("trace of a " + rows() + " x " + columns() + " matrix");
    }
  }

  /** Throws unless F64 and of the size given. */
  public void require(String what, long rows, long columns) {
    tensor.require(what, DType.F64, rows, columns);
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

  /** What native routines take. */
  MatrixBlock natives() {
    return new MatrixBlock(dtype().code(), rows(), columns(), tensor.block());
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
