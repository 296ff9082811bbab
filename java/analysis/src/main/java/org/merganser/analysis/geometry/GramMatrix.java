// SPDX-License-Identifier: Apache-2.0
package org.merganser.analysis.geometry;

import java.io.IOException;
import java.util.Arrays;
import java.util.stream.IntStream;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.error.NumericalException;
import org.merganser.error.ShapeException;
import org.merganser.linalg.Matrix;

/**
 * Products of N samples of P elements, {@code G_ij = <x_i, x_j>}, [N x N] in F64, from which
 * distances and principal components follow: what is left of samples that are too large to be held.
 * They are read once, some columns at a time, by a thread of its own; memory is N^2 and two blocks
 * of columns, whatever P is, and work N^2 P operations.
 *
 * <p>Samples are multiplied in an order that follows from their numbers, so that another order of
 * them gives the same products to the bit. Equal samples have equal products, but for those that
 * {@link #append} adds, which may differ in their last digits.
 *
 * <p>Centred products are those of {@code x_i - mean}, {@code J G J} with {@code J = I - 1 1^T /
 * N}. Centring goes column by column, before anything is multiplied, so that the difference of two
 * samples that lie close together far from 0 keeps its digits.
 */
public final class GramMatrix implements AutoCloseable {
  private static final double[] NONE = {};

  private final Matrix products;
  private final boolean centred;
  private final double[] origin;

  private GramMatrix(Matrix products, boolean centred, double[] origin) {
    this.products = products;
    this.centred = centred;
    this.origin = origin;
  }

  /**
   * Centred products.
   *
   * @param precision of products within a block: F64, or F32 for half the time and errors of 1e-5
   *     of the squared norms, which is no precision for samples that lie near each other
   * @throws NumericalException for numbers that are not finite, naming a sample
   */
  public static GramMatrix centred(SampleRows rows, DType precision, Workspace ws)
      throws IOException {
    require(rows);
    return checked(GramProducts.centred(rows, precision, ws), true, NONE);
  }

  /** Products as they are, in F64. */
  public static GramMatrix raw(SampleRows rows, Workspace ws) throws IOException {
    return raw(rows, NONE, ws);
  }

  /**
   * Products in F64 of samples that are stored as differences d from an origin o, such as the
   * parameters in a store of samples around a minimum:
   *
   * <pre>
   *   &lt;d_i + o, d_j + o&gt; = &lt;d_i, d_j&gt; + a_i + a_j + q,   a_i = &lt;d_i, o&gt;, q = &lt;o, o&gt;
   * </pre>
   *
   * <p>For their angles: distances of the differences alone are the same, with more digits.
   *
   * @param origin o, P numbers; kept for {@link #append}
   */
  public static GramMatrix raw(SampleRows rows, double[] origin, Workspace ws) throws IOException {
    require(rows);
    double[] own = origin.clone();
    if (own.length > 0 && own.length != rows.width()) {
      throw new ShapeException(
          "an origin of %d elements of samples of %d".formatted(own.length, rows.width()));
    }
    for (int k = 0; k < own.length; k++) {
      if (!Double.isFinite(own[k])) {
        throw new NumericalException("element %d of the origin is %s".formatted(k, own[k]));
      }
    }
    return checked(GramProducts.raw(rows, own, ws), false, own);
  }

  private static void require(SampleRows rows) {
    if (rows.samples() < 2 || rows.width() < 1) {
      throw new ShapeException(
          "products need 2 samples of 1 element or more, not %d of %d"
              .formatted(rows.samples(), rows.width()));
    }
  }

  private static GramMatrix checked(Matrix products, boolean centred, double[] origin) {
    for (long i = 0; i < products.rows(); i++) {
      if (!Double.isFinite(products.get(i, i))) {
        products.close();
        throw new NumericalException("squares of sample " + i + " are beyond the range of F64");
      }
    }
    return new GramMatrix(products, centred, origin);
  }

  /**
   * These products and those of samples that came behind; see {@link #append(SampleRows, int[],
   * Workspace)}.
   */
  public GramMatrix append(SampleRows rows, Workspace ws) throws IOException {
    int count = Math.max(0, Math.toIntExact(rows.samples() - samples()));
    return append(rows, IntStream.range(samples(), samples() + count).toArray(), ws);
  }

  /**
   * These products and those of k samples more, by one pass over all samples and N k P operations
   * in the place of N^2 P. Of centred ones {@code p_ia}, about the mean of all N + k, follow those
   * of the samples that were there, whose mean was another:
   *
   * <pre>
   *   G'_ij = G_ij - (s_i + s_j) / N - r / N^2,   s_i = sum over a of p_ia,   r = sum over a of s_a
   * </pre>
   *
   * @param rows all N + k samples: those of this in the same order, and the others wherever they
   *     belong
   * @param added indices of the others in {@code rows}, ascending
   * @return a new matrix in the order of {@code rows}; this one stays as it is
   * @throws NumericalException for numbers that are not finite, naming a sample
   */
  public GramMatrix append(SampleRows rows, int[] added, Workspace ws) throws IOException {
    int n = samples();
    int all = Math.toIntExact(rows.samples());
    int[] old = others(added, all);
    if (added.length == 0 || old.length != n) {
      throw new ShapeException(
          "%d samples of which %d are new are no addition to %d".formatted(all, added.length, n));
    }
    if (origin.length > 0 && origin.length != rows.width()) {
      throw new ShapeException(
          "samples of %d elements, the origin has %d".formatted(rows.width(), origin.length));
    }
    SampleOrder order = SampleOrder.of(rows, ws);
    int[] inOrder = order.places();
    int[] places = Arrays.stream(added).map(i -> inOrder[i]).sorted().toArray();
    try (Matrix fresh = GramProducts.some(rows, order, places, centred, origin, ws)) {
      return checked(joined(fresh, order.order(), places, old), centred, origin);
    }
  }

  private Matrix joined(Matrix fresh, int[] order, int[] places, int[] old) {
    int all = order.length;
    Matrix joined = Matrix.allocate(all, all);
    double[] sums = new double[all];
    for (int a = 0; a < places.length; a++) {
      for (int k = 0; k < all; k++) {
        put(joined, order[places[a]], order[k], fresh.get(a, k));
        sums[order[k]] += fresh.get(a, k);
      }
    }
    double square = 0;
    for (int place : places) {
      square += sums[order[place]];
    }
    int n = old.length;
    for (int i = 0; i < n; i++) {
      for (int j = 0; j <= i; j++) {
        double moved = centred ? (sums[old[i]] + sums[old[j]] + square / n) / n : 0;
        put(joined, old[i], old[j], products.get(i, j) - moved);
      }
    }
    return joined;
  }

  /** What is not in an ascending list, of the numbers below one. */
  private static int[] others(int[] some, int count) {
    boolean[] there = new boolean[count];
    int last = -1;
    for (int each : some) {
      if (each <= last || each >= count) {
        throw new IllegalArgumentException(
            "new samples are %s; they must ascend and be 0 to %d"
                .formatted(Arrays.toString(some), count - 1));
      }
      there[each] = true;
      last = each;
    }
    return IntStream.range(0, count).filter(i -> !there[i]).toArray();
  }

  /** Number of samples. */
  public int samples() {
    return Math.toIntExact(products.rows());
  }

  /** Whether they are of centred samples. */
  public boolean isCentred() {
    return centred;
  }

  /** The products, on the host; closed with this. */
  public Matrix products() {
    return products;
  }

  /** {@code |x_i - x_j| = sqrt(G_ii + G_jj - 2 G_ij)}, at least 0. A new matrix on the host. */
  public Matrix euclidean() {
    int n = samples();
    Matrix distances = Matrix.zeros(n, n);
    for (int i = 0; i < n; i++) {
      for (int j = 0; j < i; j++) {
        double square = products.get(i, i) + products.get(j, j) - 2 * products.get(i, j);
        put(distances, i, j, Math.sqrt(Math.max(0, square)));
      }
    }
    return distances;
  }

  /**
   * {@code 1 - G_ij / sqrt(G_ii G_jj)}, in [0, 2]. Of centred products it is the distance that
   * PHATE takes for its cosine. A new matrix on the host.
   *
   * @throws NumericalException for a sample of length 0, which has no direction, or that is the
   *     mean of all up to rounding
   */
  public Matrix cosine() {
    int n = samples();
    requireDirections();
    Matrix distances = Matrix.zeros(n, n);
    for (int i = 0; i < n; i++) {
      for (int j = 0; j < i; j++) {
        double lengths = Math.sqrt(products.get(i, i)) * Math.sqrt(products.get(j, j));
        put(distances, i, j, Potential.cosine(products.get(i, j), lengths));
      }
    }
    return distances;
  }

  /** What is left of a sample at the mean is rounding of the N terms of that mean. */
  private void requireDirections() {
    int n = samples();
    double most = 0;
    for (int i = 0; i < n; i++) {
      most = Math.max(most, products.get(i, i));
    }
    double rounding = centred ? 4.0 * n * Math.ulp(1.0) : 0;
    for (int i = 0; i < n; i++) {
      if (!(products.get(i, i) > most * rounding * rounding)) {
        throw new NumericalException(
            "sample %d is %s (its square is %s, the largest %s), so it has no angle to others; take Euclidean distances"
                .formatted(i, centred ? "the mean of all" : "0", products.get(i, i), most));
      }
    }
  }

  static void put(Matrix matrix, int i, int j, double value) {
    matrix.set(i, j, value);
    matrix.set(j, i, value);
  }

  /**
   * Principal components of the samples: {@code V_r diag(sqrt(lambda_r))} of the largest
   * eigenvalues of the centred products.
   *
   * @param count r; components beyond the rank are 0
   * @return [N][r]
   */
  public double[][] components(int count, Workspace ws) {
    if (!centred) {
      throw new IllegalStateException("components are those of centred products");
    }
    CanonicalOrder order = CanonicalOrder.of(products, 0, ws);
    try (Matrix sorted = order.apply(products, ws)) {
      return order.restored(TopEigen.of(sorted, count, ws).scaled());
    }
  }

  @Override
  public void close() {
    products.close();
  }
}
