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
 * Grams. Samples are blocks of rows: what is drawn, left out or put in another order are whole
 * ones.
 */
final class GramPair implements AutoCloseable {
  final Matrix k;
  final Matrix l;
  final double[] diagonalK;
  final double[] diagonalL;

  /** Biased: sums of rows of K∘L, K∘K, L∘L. */
  final Products centred;

  final Blocks blocks;

  private GramPair(Matrix k, Matrix l, Blocks blocks, Workspace ws) {
    this.k = k;
    this.l = l;
    this.blocks = blocks;
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

  /** Of centred samples, a row each. */
  static GramPair of(CkaKernel kernel, Matrix x, Matrix y, Workspace ws) {
    return of(kernel, x, y, 1, ws);
  }

  /**
   * Of centred rows.
   *
   * @param positions rows of a sample
   */
  static GramPair of(CkaKernel kernel, Matrix x, Matrix y, int positions, Workspace ws) {
    try (Opened opened = new Opened()) {
      Matrix k = opened.add(kernel.centred("X", x, ws));
      Matrix l = opened.add(kernel.centred("Y", y, ws));
      GramPair pair = borrowed(k, l, positions, ws);
      opened.release();
      return pair;
    }
  }

  /** Of centred Grams that stay their owner's where it is not closed. */
  static GramPair borrowed(Matrix k, Matrix l, int positions, Workspace ws) {
    int samples = Math.toIntExact(k.rows() / positions);
    return new GramPair(k, l, new Blocks(samples, positions), ws);
  }

  /** Of some of the samples, centred anew. */
  GramPair among(int[] some, Workspace ws) {
    int[] rows = blocks.rowsOf(some);
    try (Opened opened = new Opened()) {
      Matrix left = opened.add(among(k, rows, ws));
      Matrix right = opened.add(among(l, rows, ws));
      Gram.centre(left, ws);
      Gram.centre(right, ws);
      GramPair pair = new GramPair(left, right, blocks.withSamples(some.length), ws);
      opened.release();
      return pair;
    }
  }

  /** Rows and columns of a Gram, new. */
  static Matrix among(Matrix gram, int[] some, Workspace ws) {
    try (Matrix rows = Samples.rows(gram, some, ws);
        Matrix turned = LinAlg.transpose(rows, ws)) {
      return Samples.rows(turned, some, ws);
    }
  }

  /** What leaving samples out takes. */
  LeftOut leftOut(Workspace ws) {
    return LeftOut.of(k, l, diagonalK, diagonalL, centred, blocks, ws);
  }

  /**
   * Sums over U-centred Grams.
   *
   * @param products of rows
   * @param leftOut what leaving samples out takes
   */
  record Unbiased(Products products, LeftOut leftOut) {
    double cka() {
      return products.cka();
    }
  }

  /** Sums over U-centred Grams, for which both are copied. */
  Unbiased debiased(Workspace ws) {
    try (Matrix u = k.on(ws);
        Matrix v = l.on(ws)) {
      Gram.uCentre(u, ws);
      Gram.uCentre(v, ws);
      Products products = Products.of(u, v, ws);
      requireSeen("X", products.kk(), centred.kk());
      requireSeen("Y", products.ll(), centred.ll());
      double[] none = new double[diagonalK.length];
      return new Unbiased(products, LeftOut.of(u, v, none, none, products, blocks, ws));
    }
  }

  private static void requireSeen(String name, double[] left, double[] all) {
    double rounding = all.length * Math.ulp(1.0);
    if (!(Translation.sum(left) > rounding * rounding * Translation.sum(all))) {
      throw Samples.unseen(name);
    }
  }

  int samples() {
    return blocks.samples();
  }

  int rows() {
    return blocks.rows();
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

  /** The sum of the block of each sample with itself. */
  static double[] blockSums(Matrix a, Blocks blocks, Workspace ws) {
    if (blocks.positions() == 1) {
      return diagonal(a, ws);
    }
    int n = blocks.rows();
    double[] sums = new double[blocks.samples()];
    GramRowPairs.each(
        a,
        a,
        ws,
        (first, rows, same) -> {
          for (int row = 0; row < rows.length / n; row++) {
            int sample = (first + row) / blocks.positions();
            int from = row * n + sample * blocks.positions();
            for (int at = from; at < from + blocks.positions(); at++) {
              sums[sample] += rows[at];
            }
          }
        });
    return sums;
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
