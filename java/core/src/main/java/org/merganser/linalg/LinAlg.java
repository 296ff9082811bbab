// SPDX-License-Identifier: Apache-2.0
package org.merganser.linalg;

import java.util.function.Consumer;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.error.ShapeException;
import org.merganser.internal.Opened;
import org.merganser.internal.kernel.Block;
import org.merganser.internal.kernel.Kernels;

/**
 * Products of F64 matrices and passes over them. Matrices may lie anywhere, results lie where the
 * Workspace computes; they do not depend on the number of threads. On the CPU {@code A A^T} and
 * {@code A^T A} of one matrix take half the operations of other products, and are symmetric to the
 * bit.
 */
public final class LinAlg {
  private LinAlg() {}

  /** {@code A B}, [m x k] times [k x n]. */
  public static Matrix multiply(Matrix a, Matrix b, Workspace ws) {
    return product(a, false, b, false, ws);
  }

  /** {@code A B^T}, [m x k] times [n x k] transposed. */
  public static Matrix multiplyTransposed(Matrix a, Matrix b, Workspace ws) {
    return product(a, false, b, true, ws);
  }

  /** {@code A^T B}, [k x m] transposed times [k x n]. */
  public static Matrix transposeMultiply(Matrix a, Matrix b, Workspace ws) {
    return product(a, true, b, false, ws);
  }

  /** {@code A^T}, F64 or F32. A new matrix. */
  public static Matrix transpose(Matrix a, Workspace ws) {
    Tensor transposed = Tensor.allocate(a.dtype(), new long[] {a.columns(), a.rows()}, ws);
    return computed(
        Matrix.of(transposed), c -> Kernels.of(ws).linAlg().transpose(a.natives(), c.natives()));
  }

  /**
   * {@code C[i, j] = A[i, j] / (rows[i] columns[j])}, 0 where that product is 0. A new matrix.
   *
   * @param columns null for ones
   */
  public static Matrix divide(Matrix a, double[] rows, double[] columns, Workspace ws) {
    a.require("dividend", a.rows(), a.columns());
    if (rows.length != a.rows() || columns != null && columns.length != a.columns()) {
      throw new ShapeException(
          rows.length
              + " divisors of rows"
              + (columns == null ? "" : " and " + columns.length + " of columns")
              + " for a "
              + a);
    }
    return computed(
        Matrix.allocate(a.rows(), a.columns(), ws),
        c -> Kernels.of(ws).linAlg().divide(a.natives(), rows, columns, c.natives()));
  }

  /** {@code A + B}. */
  public static Matrix add(Matrix a, Matrix b, Workspace ws) {
    a.require("left term", a.rows(), a.columns());
    b.require("right term", a.rows(), a.columns());
    Block[] terms = {a.natives().block(), b.natives().block()};
    double[] ones = {1, 1};
    long size = a.asTensor().size();
    return computed(
        Matrix.allocate(a.rows(), a.columns(), ws),
        c ->
            Kernels.of(ws)
                .merge()
                .weightedSum(DType.F64.code(), size, terms, ones, c.natives().block()));
  }

  /** {@code C += scale X Y^T}, all F64 or all F32, in the arithmetic of that type. */
  public static void addProduct(double scale, Matrix x, Matrix y, Matrix c, Workspace ws) {
    x.asTensor().require("left operand", c.dtype(), c.rows(), x.columns());
    y.asTensor().require("right operand", c.dtype(), c.columns(), x.columns());
    Kernels.of(ws).linAlg().gemm(scale, x.natives(), false, y.natives(), true, 1, c.natives());
  }

  /** {@code C += scale X^T Y}, all F64 or all F32, in the arithmetic of that type. */
  public static void addTransposedProduct(
      double scale, Matrix x, Matrix y, Matrix c, Workspace ws) {
    x.asTensor().require("left operand", c.dtype(), x.rows(), c.rows());
    y.asTensor().require("right operand", c.dtype(), x.rows(), c.columns());
    Kernels.of(ws).linAlg().gemm(scale, x.natives(), true, y.natives(), false, 1, c.natives());
  }

  /**
   * X with {@code A X = B} for a symmetric positive definite A, whose lower triangle counts, by its
   * Cholesky factor. A new matrix.
   *
   * @throws org.merganser.error.NumericalException when A is not positive definite to working
   *     precision
   */
  public static Matrix solve(Matrix a, Matrix b, Workspace ws) {
    a.require("matrix", a.rows(), a.rows());
    b.require("right side", a.rows(), b.columns());
    return computed(
        Matrix.allocate(b.rows(), b.columns(), ws),
        x -> {
          if (a.rows() > 0 && b.columns() > 0) {
            Kernels.of(ws).linAlg().solve(a.natives(), b.natives(), x.natives());
          }
        });
  }

  /** Eigenvalues and eigenvectors of a symmetric matrix, on the host. */
  public static final class SymmetricEigen implements AutoCloseable {
    private final double[] values;
    private final Matrix vectors;

    private SymmetricEigen(double[] values, Matrix vectors) {
      this.values = values;
      this.vectors = vectors;
    }

    /** In ascending order. */
    public double[] values() {
      return values.clone();
    }

    /** Orthonormal: row k belongs to value k, and is of either sign. */
    public Matrix vectors() {
      return vectors;
    }

    @Override
    public void close() {
      vectors.close();
    }
  }

  /**
   * Eigenvalues and eigenvectors of a symmetric matrix, of which the lower triangle counts, in F64.
   *
   * @throws org.merganser.error.NumericalException where it is not finite, saying where
   */
  public static SymmetricEigen symmetricEigen(Matrix a, Workspace ws) {
    long n = a.rows();
    a.require("symmetric matrix", n, n);
    if (n == 0) {
      throw new ShapeException("a matrix of 0 rows has no eigenvalues");
    }
    try (Matrix vectors = Matrix.allocate(n, n, ws);
        Matrix values = Matrix.allocate(1, n, ws)) {
      Kernels.of(ws)
          .linAlg()
          .symmetricEigen(a.natives(), vectors.natives(), values.natives().block());
      try (Matrix found = values.toHost(ws)) {
        return new SymmetricEigen(found.row(0), vectors.toHost(ws));
      }
    }
  }

  /**
   * The thin decomposition {@code A = Q R} of an m x n matrix with m >= n: Q [m x n] has
   * orthonormal columns, R [n x n] is upper triangular, its diagonal not negative.
   *
   * @param q filled; it may be {@code a}
   * @param r filled
   * @throws org.merganser.error.NumericalException where A is not finite, saying where
   */
  public static void qr(Matrix a, Matrix q, Matrix r, Workspace ws) {
    a.require("matrix", a.rows(), a.columns());
    if (a.columns() < 1 || a.rows() < a.columns()) {
      throw new ShapeException("a thin QR decomposition is of m x n, m >= n >= 1, not of a " + a);
    }
    q.require("orthonormal factor", a.rows(), a.columns());
    r.require("triangular factor", a.columns(), a.columns());
    Kernels.of(ws).linAlg().qr(a.natives(), q.natives(), r.natives());
  }

  /**
   * Eigenvalues of square matrices stacked on each other, [count n x n], at the same time: in no
   * order but that conjugate pairs stand together, the one with the positive imaginary part first.
   *
   * @param real filled, [count x n]
   * @param imaginary filled, [count x n]
   * @throws org.merganser.error.NumericalException where they are not finite, saying where, or the
   *     iteration does not converge
   */
  public static void eigenvalues(Matrix stacked, Matrix real, Matrix imaginary, Workspace ws) {
    long n = stacked.columns();
    stacked.require("matrices", stacked.rows(), n);
    if (n == 0 || stacked.rows() % n != 0) {
      throw new ShapeException("a " + stacked + " is no stack of square matrices");
    }
    real.require("real parts", stacked.rows() / n, n);
    imaginary.require("imaginary parts", stacked.rows() / n, n);
    Kernels.of(ws)
        .linAlg()
        .generalEigenvalues(
            Math.toIntExact(real.rows()),
            stacked.natives(),
            real.asTensor().block(),
            imaginary.asTensor().block());
  }

  /** The largest sum of magnitudes of a column; NaN when there is one. */
  public static double norm1(Matrix a, Workspace ws) {
    a.require("matrix", a.rows(), a.columns());
    return Kernels.of(ws).linAlg().norm1(a.natives());
  }

  /** {@code max |A - I|} over the elements; NaN when there is one. */
  public static double distanceToIdentity(Matrix a, Workspace ws) {
    a.require("matrix", a.rows(), a.columns());
    return Kernels.of(ws).linAlg().distanceToIdentity(a.natives());
  }

  /** {@code sum_j A[i, j] B[i, j]} for each row, the diagonal of {@code A B^T}. */
  public static double[] rowProducts(Matrix a, Matrix b, Workspace ws) {
    a.require("left operand", a.rows(), a.columns());
    b.require("right operand", a.rows(), a.columns());
    double[] products = new double[Math.toIntExact(a.rows())];
    Kernels.of(ws).linAlg().rowProducts(a.natives(), b.natives(), products);
    return products;
  }

  private static Matrix product(
      Matrix a, boolean transposeA, Matrix b, boolean transposeB, Workspace ws) {
    a.require("left operand", a.rows(), a.columns());
    b.require("right operand", b.rows(), b.columns());
    long m = transposeA ? a.columns() : a.rows();
    long k = transposeA ? a.rows() : a.columns();
    long inner = transposeB ? b.columns() : b.rows();
    long n = transposeB ? b.rows() : b.columns();
    if (k != inner) {
      throw new ShapeException("cannot multiply: inner sizes are " + k + " and " + inner);
    }
    if (k == 0) {
      try (Matrix zeros = Matrix.zeros(m, n)) {
        return zeros.on(ws);
      }
    }
    return computed(
        Matrix.allocate(m, n, ws),
        c -> {
          if (m > 0 && n > 0) {
            Kernels.of(ws)
                .linAlg()
                .gemm(1, a.natives(), transposeA, b.natives(), transposeB, 0, c.natives());
          }
        });
  }

  /** A new matrix, once a routine has filled it; closed when that fails. */
  private static Matrix computed(Matrix result, Consumer<Matrix> routine) {
    try (Opened opened = new Opened()) {
      routine.accept(opened.add(result));
      opened.release();
      return result;
    }
  }
}
