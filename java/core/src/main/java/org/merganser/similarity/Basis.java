// SPDX-License-Identifier: Apache-2.0
package org.merganser.similarity;

import java.util.Arrays;
import org.merganser.compute.Workspace;
import org.merganser.internal.Opened;
import org.merganser.linalg.LinAlg;
import org.merganser.linalg.Matrix;
import org.merganser.linalg.Svd;

/**
 * The thin singular value decomposition {@code X = U diag(s) V^T} of centred activations, with the
 * rank by the tolerance {@code max(n, p) eps s_max}.
 */
final class Basis implements AutoCloseable {
  private final String name;
  private final Svd svd;
  private final Matrix left;
  private final double[] singularValues;
  private final int rank;

  private Basis(String name, Svd svd, Matrix left, int rank) {
    this.name = name;
    this.svd = svd;
    this.left = left;
    this.singularValues = svd.singularValues();
    this.rank = rank;
  }

  static Basis of(Sample side, Workspace ws) {
    return of(side.name(), side.centred(), ws);
  }

  static Basis of(String name, Matrix centred, Workspace ws) {
    try (Opened opened = new Opened()) {
      Svd svd = opened.add(Svd.of(centred, ws));
      double[] s = svd.singularValues();
      double tolerance = Math.max(centred.rows(), centred.columns()) * Math.ulp(1.0) * s[0];
      int rank = (int) Arrays.stream(s).filter(each -> each > tolerance).count();
      Basis basis = new Basis(name, svd, opened.add(LinAlg.transpose(svd.left(), ws)), rank);
      opened.release();
      return basis;
    }
  }

  String name() {
    return name;
  }

  int rank() {
    return rank;
  }

  /**
   * As many directions as are asked for.
   *
   * @param setting its name, for the message
   */
  int require(String setting, int wanted) {
    if (wanted > rank) {
      throw new IllegalArgumentException(
          setting
              + " is "
              + wanted
              + ", but "
              + name
              + " has rank "
              + rank
              + "; take at most that many directions");
    }
    return wanted;
  }

  double[] singularValues() {
    return singularValues;
  }

  /** The first k left singular vectors as rows, [k x n]; a view. */
  Matrix vectors(int k) {
    return Matrix.of(left.asTensor().rows(0, k));
  }

  /** The first k right singular vectors as rows, [k x p]; a view. */
  Matrix rightVectors(int k) {
    return Matrix.of(svd.rightTransposed().asTensor().rows(0, k));
  }

  /** {@code U_k^T V_l} of two bases on the same samples, [k x l]. */
  static Matrix overlap(Basis x, int k, Basis y, int l, Workspace ws) {
    try (Matrix u = x.vectors(k);
        Matrix v = y.vectors(l)) {
      return LinAlg.multiplyTransposed(u, v, ws);
    }
  }

  @Override
  public void close() {
    left.close();
    svd.close();
  }
}
