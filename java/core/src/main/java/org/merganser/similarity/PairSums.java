// SPDX-License-Identifier: Apache-2.0
package org.merganser.similarity;

import java.util.Arrays;
import org.merganser.compute.Workspace;
import org.merganser.internal.kernel.Block;
import org.merganser.internal.kernel.Kernels;
import org.merganser.linalg.LinAlg;
import org.merganser.linalg.Matrix;

/**
 * Sums over the samples of two layers, u and w less the means of all samples so far:
 *
 * <pre>
 *   S = sum u w^T,  q = sum |u|^2 |w|^2,  a = sum |u|^2 w,  b = sum |w|^2 u
 * </pre>
 *
 * S gives what is biased, q the rest of the debiased form; a and b are what keeps q exact when the
 * means move. Since {@code sum u = sum w = 0}, a move of the means by d and e is
 *
 * <pre>
 *   q += -2 e a - 2 d b + 4 d^T S e + |e|^2 R + |d|^2 T + n |d|^2 |e|^2
 *   a -= R e + 2 S^T d + n |d|^2 e,   b -= T d + 2 S e + n |e|^2 d,   S += n d e^T
 * </pre>
 *
 * with {@code R = sum |u|^2, T = sum |w|^2}, and sums about the same means add up. So means are
 * those of the data throughout, and nothing is lost where a first batch was unlike the rest.
 */
final class PairSums implements AutoCloseable {
  private final Matrix products;
  private final double[] a;
  private final double[] b;
  private double q;
  private boolean empty = true;

  PairSums(long p, long q, Workspace ws) {
    this(Matrix.allocate(p, q, ws), 0, new double[(int) q], new double[(int) p], true);
  }

  private PairSums(Matrix products, double q, double[] a, double[] b, boolean empty) {
    this.products = products;
    this.q = q;
    this.a = a;
    this.b = b;
    this.empty = empty;
  }

  /** As saved; takes the matrix. */
  static PairSums of(Matrix products, double q, double[] a, double[] b) {
    return new PairSums(products, q, a, b, false);
  }

  /** {@code S}, [p x q]; undefined without samples. */
  Matrix products() {
    return products;
  }

  double normProducts() {
    return q;
  }

  double[] a() {
    return a;
  }

  double[] b() {
    return b;
  }

  /** Where the means of both layers move to, and what both have summed until then. */
  private record Move(double n, double r, double t, double[] d, double[] e) {}

  /**
   * What the move makes of the sums.
   *
   * @param sd {@code S^T d}
   * @param se {@code S e}
   */
  private void move(Move m, double[] sd, double[] se) {
    double dd = dot(m.d(), m.d());
    double ee = dot(m.e(), m.e());
    q += 4 * dot(m.d(), se) - 2 * dot(m.e(), a) - 2 * dot(m.d(), b);
    q += ee * m.r() + dd * m.t() + m.n() * dd * ee;
    for (int j = 0; j < a.length; j++) {
      a[j] -= 2 * sd[j] + (m.r() + m.n() * dd) * m.e()[j];
    }
    for (int i = 0; i < b.length; i++) {
      b[i] -= 2 * se[i] + (m.t() + m.n() * ee) * m.d()[i];
    }
  }

  /** Takes in a batch; the layers have not done so yet. */
  void add(CentredBatch x, CentredBatch y, LayerSums left, LayerSums right, Workspace ws) {
    double m = x.samples();
    double n = left.samples();
    if (!empty) {
      move(
          new Move(
              n,
              left.sumOfNorms(),
              right.sumOfNorms(),
              scaled(x.shift(), -m / n),
              scaled(y.shift(), -m / n)),
          ws);
    }
    PairSums batch =
        new PairSums(null, dot(x.norms(), y.norms()), sum(y, x, ws), sum(x, y, ws), false);
    if (!empty) {
      batch.move(
          new Move(m, x.sumOfNorms(), y.sumOfNorms(), x.shift(), y.shift()),
          times(y.rows(), x.along(), ws),
          times(x.rows(), y.along(), ws));
    }
    Kernels.of(ws)
        .linAlg()
        .gemm(
            1,
            CentredBatch.block(x.rows()),
            true,
            CentredBatch.block(y.rows()),
            false,
            empty ? 0 : 1,
            CentredBatch.block(products));
    if (!empty) {
      outer(m + m * m / n, x.shift(), y.shift(), ws);
    }
    addSums(batch);
  }

  /** {@code sum_s |v_s|^2 u_s} of the rows u and the norms of v. */
  private static double[] sum(CentredBatch u, CentredBatch v, Workspace ws) {
    return times(u.rows(), v.norms(), ws);
  }

  /** {@code rows^T values}. */
  private static double[] times(Matrix rows, double[] values, Workspace ws) {
    try (Matrix column = CentredBatch.column(values);
        Matrix product = LinAlg.transposeMultiply(rows, column, ws)) {
      return CentredBatch.vector(product, ws);
    }
  }

  /**
   * Takes in the sums of other samples, which move as well and are no use afterwards.
   *
   * @param left layers of this before, and of the other
   */
  void merge(
      PairSums other,
      LayerSums left,
      LayerSums right,
      LayerSums otherLeft,
      LayerSums otherRight,
      Workspace ws) {
    double n = left.samples();
    double m = otherLeft.samples();
    double[] apartX = difference(otherLeft.mean(), left.mean());
    double[] apartY = difference(otherRight.mean(), right.mean());
    move(
        new Move(
            n,
            left.sumOfNorms(),
            right.sumOfNorms(),
            scaled(apartX, m / (n + m)),
            scaled(apartY, m / (n + m))),
        ws);
    other.move(
        new Move(
            m,
            otherLeft.sumOfNorms(),
            otherRight.sumOfNorms(),
            scaled(apartX, -n / (n + m)),
            scaled(apartY, -n / (n + m))),
        ws);
    Block sum = CentredBatch.block(products).block();
    Block[] terms = {sum, CentredBatch.block(other.products).block()};
    long size = products.asTensor().size();
    Kernels.of(ws)
        .merge()
        .weightedSum(products.dtype().code(), size, terms, new double[] {1, 1}, sum);
    outer(n * m / (n + m), apartX, apartY, ws);
    addSums(other);
  }

  /** Moves the sums but for S, which all moves together change by one product. */
  private void move(Move m, Workspace ws) {
    try (Matrix d = CentredBatch.column(m.d());
        Matrix e = CentredBatch.column(m.e());
        Matrix sd = LinAlg.transposeMultiply(products, d, ws);
        Matrix se = LinAlg.multiply(products, e, ws)) {
      move(m, CentredBatch.vector(sd, ws), CentredBatch.vector(se, ws));
    }
  }

  private void outer(double scale, double[] d, double[] e, Workspace ws) {
    try (Matrix left = CentredBatch.column(d);
        Matrix right = CentredBatch.column(e)) {
      LinAlg.addProduct(scale, left, right, products, ws);
    }
  }

  private void addSums(PairSums other) {
    q += other.q;
    for (int j = 0; j < a.length; j++) {
      a[j] += other.a[j];
    }
    for (int i = 0; i < b.length; i++) {
      b[i] += other.b[i];
    }
    empty = false;
  }

  /** {@code |S|^2}. */
  double squaredNorm(Workspace ws) {
    return Arrays.stream(LinAlg.rowProducts(products, products, ws)).sum();
  }

  static double dot(double[] x, double[] y) {
    double sum = 0;
    for (int i = 0; i < x.length; i++) {
      sum += x[i] * y[i];
    }
    return sum;
  }

  private static double[] scaled(double[] x, double by) {
    double[] out = new double[x.length];
    for (int i = 0; i < x.length; i++) {
      out[i] = by * x[i];
    }
    return out;
  }

  private static double[] difference(double[] x, double[] y) {
    double[] out = new double[x.length];
    for (int i = 0; i < x.length; i++) {
      out[i] = x[i] - y[i];
    }
    return out;
  }

  @Override
  public void close() {
    if (products != null) {
      products.close();
    }
  }
}
