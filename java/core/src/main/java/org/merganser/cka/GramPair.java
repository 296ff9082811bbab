// SPDX-License-Identifier: Apache-2.0
package org.merganser.cka;

import java.util.Arrays;
import org.merganser.compute.Workspace;
import org.merganser.internal.Opened;
import org.merganser.linalg.Gram;
import org.merganser.linalg.LinAlg;
import org.merganser.linalg.Matrix;

/**
 * The centred Grams of two sides and the sums over them that a report is made of. It owns the
 * Grams.
 */
final class GramPair implements AutoCloseable {
  final Matrix k;
  final Matrix l;
  final double[] diagonalK;
  final double[] diagonalL;

  /** Biased: sums of rows of K∘L, K∘K, L∘L. */
  final Products centred;

  private GramPair(Matrix k, Matrix l, Workspace ws) {
    this.k = k;
    this.l = l;
    this.diagonalK = diagonal(k, ws);
    this.diagonalL = diagonal(l, ws);
    this.centred = Products.of(k, l, ws);
  }

  /** Sums of rows of products of two Grams with each other and themselves, element by element. */
  record Products(double[] kl, double[] kk, double[] ll) {
    static Products of(Matrix k, Matrix l, Workspace ws) {
      return new Products(
          LinAlg.rowProducts(k, l, ws), LinAlg.rowProducts(k, k, ws), LinAlg.rowProducts(l, l, ws));
    }

    double cka() {
      return Translation.ratio(Translation.sum(kl), Translation.sum(kk), Translation.sum(ll));
    }
  }

  /** Of centred samples. */
  static GramPair of(CkaKernel kernel, Matrix x, Matrix y, Workspace ws) {
    try (Opened opened = new Opened()) {
      Matrix k = opened.add(kernel.centred("X", x, ws));
      Matrix l = opened.add(kernel.centred("Y", y, ws));
      GramPair pair = new GramPair(k, l, ws);
      opened.release();
      return pair;
    }
  }

  /** Of centred Grams that stay their owner's: it is not to be closed. */
  static GramPair borrowed(Matrix k, Matrix l, Workspace ws) {
    return new GramPair(k, l, ws);
  }

  /** Sums over U-centred Grams, for which both are copied. */
  Products debiased(Workspace ws) {
    try (Matrix u = k.on(ws);
        Matrix v = l.on(ws)) {
      Gram.uCentre(u, ws);
      Gram.uCentre(v, ws);
      Products products = Products.of(u, v, ws);
      requireSeen("X", products.kk(), centred.kk());
      requireSeen("Y", products.ll(), centred.ll());
      return products;
    }
  }

  private static void requireSeen(String name, double[] left, double[] all) {
    double rounding = all.length * Math.ulp(1.0);
    if (!(Translation.sum(left) > rounding * rounding * Translation.sum(all))) {
      throw Samples.unseen(name);
    }
  }

  int samples() {
    return diagonalK.length;
  }

  /** {@code |K|}. */
  double normK() {
    return Math.sqrt(Translation.sum(centred.kk()));
  }

  double normL() {
    return Math.sqrt(Translation.sum(centred.ll()));
  }

  double traceK() {
    return Translation.sum(diagonalK);
  }

  double traceL() {
    return Translation.sum(diagonalL);
  }

  static double[] diagonal(Matrix a, Workspace ws) {
    int[] each = new int[Math.toIntExact(a.rows())];
    Arrays.setAll(each, i -> i);
    return a.entries(each, ws);
  }

  static double norm(Matrix a, Workspace ws) {
    return Math.sqrt(Translation.sum(LinAlg.rowProducts(a, a, ws)));
  }

  @Override
  public void close() {
    k.close();
    l.close();
  }
}
