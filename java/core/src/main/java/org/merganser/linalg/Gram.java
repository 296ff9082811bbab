// SPDX-License-Identifier: Apache-2.0
package org.merganser.linalg;

import java.util.Arrays;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.error.ShapeException;
import org.merganser.internal.Opened;
import org.merganser.internal.kernel.Block;
import org.merganser.internal.kernel.GramKernels;
import org.merganser.internal.kernel.Kernels;

/**
 * Gram matrices of samples, the rows of X [n x p], and what measures of similarity make of them. X
 * is F64 or F32; Gram matrices are symmetric, [n x n], F64, with both triangles the same bits.
 *
 * <p>X is centred, about the means of its columns, before anything is multiplied, since no product
 * gives back what an offset took from its digits: the means are sums in F64 of differences to the
 * first row, so that a constant column is exactly 0. Products are formed in F64 unless {@link
 * DType#F32} is asked for, which takes half the time and keeps 1e-5 of the norms of the rows.
 *
 * <p>Results lie where the Workspace computes and do not depend on the number of threads. Numbers
 * that are not finite give results that are not.
 */
public final class Gram {
  private Gram() {}

  /** {@code X̄ X̄^T} of column-centred X, in F64. */
  public static Matrix linear(Matrix x, Workspace ws) {
    return linear(x, DType.F64, ws);
  }

  /**
   * {@code X̄ X̄^T} of column-centred X, F64.
   *
   * @param precision F64, or F32 for products of centred numbers rounded to it, folded into F64
   *     every 2048 columns
   */
  public static Matrix linear(Matrix x, DType precision, Workspace ws) {
    return gram(x, precision, false, ws);
  }

  /** {@code |x_i - x_j|^2} from products in F64 of centred rows, at least 0, the diagonal 0. */
  public static Matrix squaredDistances(Matrix x, Workspace ws) {
    return squaredDistances(x, DType.F64, ws);
  }

  /** {@link #squaredDistances(Matrix, Workspace)} from products in a {@code precision}. */
  public static Matrix squaredDistances(Matrix x, DType precision, Workspace ws) {
    return gram(x, precision, true, ws);
  }

  private static Matrix gram(Matrix x, DType precision, boolean distances, Workspace ws) {
    requirePrecision(precision);
    try (Opened opened = new Opened()) {
      Matrix k = opened.add(Matrix.allocate(x.rows(), x.rows(), ws));
      kernels(ws).gram(precision.code(), distances, x.natives(), k.natives().block());
      opened.release();
      return k;
    }
  }

  /**
   * The Gaussian kernel of squared distances, in place: {@code d = exp(-gamma d)} within 2 units in
   * the last place; what is below exp(-708) is that.
   *
   * @throws IllegalArgumentException unless gamma is at least 0 and finite
   */
  public static void rbf(Matrix d, double gamma, Workspace ws) {
    d.require("squared distances", d.rows(), d.columns());
    if (!(gamma >= 0 && gamma < Double.POSITIVE_INFINITY)) {
      throw new IllegalArgumentException("gamma must be at least 0 and finite, not " + gamma);
    }
    kernels(ws).gaussian(d.asTensor().size(), gamma, d.natives().block());
  }

  /** {@code H K H} of a symmetric K, in place, {@code H = I - 1 1^T / n}. */
  public static void centre(Matrix k, Workspace ws) {
    kernels(ws).centre(false, samples("Gram matrix", k), k.natives().block());
  }

  /**
   * U-centring of a symmetric K, in place (Székely and Rizzo 2014): {@code U_ij = K_ij - m_i - m_j}
   * with {@code m_i = (S_i - sum S / (2 (n - 1))) / (n - 2)} and S the sums of the rows without the
   * diagonal; the diagonal of U is 0. Rows of U sum to 0.
   *
   * @throws IllegalArgumentException for fewer than 3 samples
   */
  public static void uCentre(Matrix k, Workspace ws) {
    long n = requireThree(samples("Gram matrix", k));
    kernels(ws).centre(true, n, k.natives().block());
  }

  /** The strict upper triangle of the U-centred K, row after row: [1 x n (n - 1) / 2]. */
  public static Matrix packed(Matrix k, Workspace ws) {
    long n = requireThree(samples("Gram matrix", k));
    try (Opened opened = new Opened()) {
      Matrix row = opened.add(Matrix.allocate(1, n * (n - 1) / 2, ws));
      kernels(ws).pack(n, k.natives().block(), row.natives().block());
      opened.release();
      return row;
    }
  }

  /**
   * What {@link #packed} makes of the linear Gram matrix of each of several representations of the
   * same n samples, a row for each, without keeping the matrices: dot products of two rows are
   * {@code n (n - 3) / 2} times the unbiased HSIC.
   *
   * @param x [n x p_l], all of one type
   */
  public static Matrix packedLinear(Matrix[] x, DType precision, Workspace ws) {
    requirePrecision(precision);
    if (x.length == 0) {
      throw new IllegalArgumentException("no representations");
    }
    long n = requireThree(x[0].rows());
    for (Matrix each : x) {
      if (each.rows() != n || each.dtype() != x[0].dtype()) {
        throw new ShapeException("a " + each + " beside a " + x[0] + ": rows and types must agree");
      }
    }
    long[] widths = Arrays.stream(x).mapToLong(Matrix::columns).toArray();
    Block[] blocks = Arrays.stream(x).map(each -> each.natives().block()).toArray(Block[]::new);
    try (Opened opened = new Opened()) {
      Matrix rows = opened.add(Matrix.allocate(x.length, n * (n - 1) / 2, ws));
      kernels(ws).rows(x[0].dtype().code(), precision.code(), n, widths, blocks, rows.natives());
      opened.release();
      return rows;
    }
  }

  /** Column-centred X, F64. A new matrix. */
  public static Matrix centredColumns(Matrix x, Workspace ws) {
    try (Opened opened = new Opened()) {
      Matrix centred = opened.add(Matrix.allocate(x.rows(), x.columns(), ws));
      kernels(ws).centreColumns(x.natives(), centred.natives());
      opened.release();
      return centred;
    }
  }

  /** Which squared distances the median is of. */
  public enum MedianRule {
    /** Those of i &lt; j; of an even number the mean of the two in the middle. */
    OFF_DIAGONAL,
    /** All n² entries, the zeros of the diagonal among them. */
    ALL,
    /** Those that are not 0; of an even number the lower one in the middle. */
    LOWER_NONZERO
  }

  /**
   * A median of squared distances.
   *
   * @param pairs it is of
   * @param sampled whether these were drawn, for more than 8192 samples
   */
  public record Median(double value, long pairs, boolean sampled) {}

  /**
   * The median of squared distances, by selection: a few passes over them, no sort. Of more than
   * 8192 samples 2^22 pairs are drawn, with a fixed seed.
   *
   * @param d symmetric, at least 0, the diagonal 0
   * @throws org.merganser.error.NumericalException where it is 0, which is no bandwidth, or where
   *     there are NaN
   * @throws IllegalArgumentException for fewer than 2 samples
   */
  public static Median medianSquaredDistance(Matrix d, MedianRule rule, Workspace ws) {
    return MedianDistance.of(d, samples("squared distances", d), rule, ws);
  }

  /**
   * {@code T_p = sum_ij K_ij L_p(i)p(j)} of symmetric matrices for each permutation p of the
   * samples.
   *
   * @param permutations [B x n], one after the other; p(i) is entry i
   * @throws IllegalArgumentException where one is no permutation of 0 to n - 1
   */
  public static double[] permutedProducts(Matrix k, Matrix l, int[] permutations, Workspace ws) {
    long n = samples("left Gram matrix", k);
    l.require("right Gram matrix", n, n);
    if (n == 0 || permutations.length % n != 0) {
      throw new ShapeException(
          permutations.length + " entries are no permutations of " + n + " samples");
    }
    int count = Math.toIntExact(permutations.length / n);
    return kernels(ws)
        .permutedProducts(n, k.natives().block(), l.natives().block(), permutations, count);
  }

  private static GramKernels kernels(Workspace ws) {
    return Kernels.of(ws).gram();
  }

  private static void requirePrecision(DType precision) {
    if (precision != DType.F64 && precision != DType.F32) {
      throw new IllegalArgumentException("products are formed in F64 or F32, not " + precision);
    }
  }

  private static long requireThree(long n) {
    if (n < 3) {
      throw new IllegalArgumentException("U-centring needs 3 samples or more, not " + n);
    }
    return n;
  }

  private static long samples(String what, Matrix k) {
    k.require(what, k.rows(), k.rows());
    return k.rows();
  }
}
