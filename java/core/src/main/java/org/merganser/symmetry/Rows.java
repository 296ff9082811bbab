// SPDX-License-Identifier: Apache-2.0
package org.merganser.symmetry;

import java.nio.FloatBuffer;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.internal.kernel.Block;
import org.merganser.linalg.LinAlg;
import org.merganser.linalg.Matrix;

/** Rows that are read one after the other, in F64, by one thread. */
abstract class Rows {
  /** Rows at once in products of many. */
  private static final int CHUNK = 1024;

  private final int count;
  private final int width;

  Rows(int count, int width) {
    this.count = count;
    this.width = width;
  }

  final int count() {
    return count;
  }

  final int width() {
    return width;
  }

  abstract void read(int row, double[] into);

  /** Of a matrix on the host. */
  static Rows of(Matrix matrix) {
    return new OfMatrix(matrix);
  }

  /** Row i is row {@code from[i]} of others times {@code scales[i]}. */
  static Rows gathered(Rows rows, int[] from, double[] scales) {
    return new Rows(from.length, rows.width()) {
      @Override
      void read(int row, double[] into) {
        rows.read(from[row], into);
        for (int j = 0; scales[row] != 1 && j < into.length; j++) {
          into[j] *= scales[row];
        }
      }
    };
  }

  private static final class OfMatrix extends Rows {
    private final Matrix matrix;
    private final float[] floats;

    OfMatrix(Matrix matrix) {
      super(Math.toIntExact(matrix.rows()), Math.toIntExact(matrix.columns()));
      this.matrix = matrix;
      this.floats = new float[matrix.dtype() == DType.F32 ? width() : 0];
    }

    @Override
    void read(int row, double[] into) {
      try (Block.View view = view(matrix, row)) {
        if (matrix.dtype() == DType.F64) {
          view.buffer().asDoubleBuffer().get(into, 0, width());
          return;
        }
        view.buffer().asFloatBuffer().get(floats);
        for (int j = 0; j < floats.length; j++) {
          into[j] = floats[j];
        }
      }
    }
  }

  private static Block.View view(Matrix matrix, int row) {
    int bytes = Math.toIntExact(matrix.dtype().bytes(matrix.columns()));
    return Block.view(matrix.asTensor(), (long) row * bytes, bytes);
  }

  /** A square block of a matrix on the host, row-major. */
  static double[] block(Matrix matrix, int row, int column, int size) {
    double[] block = new double[size * size];
    long width = matrix.dtype().bytes(1);
    for (int i = 0; i < size; i++) {
      long offset = width * ((long) (row + i) * matrix.columns() + column);
      try (Block.View view = Block.view(matrix.asTensor(), offset, (int) width * size)) {
        if (matrix.dtype() == DType.F64) {
          view.buffer().asDoubleBuffer().get(block, i * size, size);
          continue;
        }
        FloatBuffer floats = view.buffer().asFloatBuffer();
        for (int j = 0; j < size; j++) {
          block[i * size + j] = floats.get(j);
        }
      }
    }
    return block;
  }

  /** Sets a row of a matrix on the host, rounded to its type. */
  static void write(Matrix matrix, int row, double[] values) {
    int width = Math.toIntExact(matrix.columns());
    try (Block.View view = view(matrix, row)) {
      if (matrix.dtype() == DType.F64) {
        view.buffer().asDoubleBuffer().put(values, 0, width);
        return;
      }
      FloatBuffer floats = view.buffer().asFloatBuffer();
      for (int j = 0; j < width; j++) {
        floats.put(j, (float) values[j]);
      }
    }
  }

  /** {@code |row|^2} of each. */
  final double[] squares() {
    return products(this);
  }

  /** Inner products of rows of the same number. */
  final double[] products(Rows other) {
    double[] a = new double[width];
    double[] b = new double[width];
    double[] products = new double[count];
    for (int i = 0; i < count; i++) {
      read(i, a);
      other.read(i, b);
      products[i] = dot(a, b);
    }
    return products;
  }

  static double dot(double[] a, double[] b) {
    double sum = 0;
    for (int j = 0; j < a.length; j++) {
      sum += a[j] * b[j];
    }
    return sum;
  }

  /** {@code n += this^T other} over the first columns, F64. */
  final void addCross(Rows other, Matrix n, Workspace ws) {
    int kept = Math.toIntExact(n.rows());
    double[] row = new double[width];
    for (int from = 0; from < count; from += CHUNK) {
      int rows = Math.min(CHUNK, count - from);
      try (Matrix left = Matrix.allocate(rows, kept);
          Matrix right = Matrix.allocate(rows, kept)) {
        for (int i = 0; i < rows; i++) {
          read(from + i, row);
          write(left, i, row);
          other.read(from + i, row);
          write(right, i, row);
        }
        LinAlg.addTransposedProduct(1, left, right, n, ws);
      }
    }
  }
}
