// SPDX-License-Identifier: Apache-2.0
package org.merganser.similarity;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.merganser.compute.Workspace;
import org.merganser.linalg.LinAlg;
import org.merganser.linalg.Matrix;
import org.merganser.linalg.Tensor;

/**
 * Minibatch CKA of every layer of A with every layer of B (Nguyen et al. 2021): unbiased HSIC
 * averaged over batches, and the ratio of the averages. Each layer gives one Gram matrix a batch,
 * U-centred, whose upper triangle is a row of F; all pairs are one product:
 *
 * <pre>
 *   N += F_A F_B^T,   d += squared norms of the rows,   value_ij = N_ij / sqrt(dA_i dB_j)
 * </pre>
 *
 * <p>Batches of unlike size count by their samples: a batch of m rows by {@code m / (m (m - 3))}.
 * Memory does not depend on widths or the number of samples.
 */
final class MinibatchSums {
  /** Fewer have no unbiased estimate. */
  static final int LEAST = 4;

  private final BatchKernels kernels;
  private final double[][] cross;
  private final double[] ownA;
  private final double[] ownB;

  /** What {@code ownA}, {@code ownB} may be of rounding alone. */
  private final double[] roundingA;

  private final double[] roundingB;
  private long batches;
  private long samples;

  /**
   * @param kernels of the layers of A, then of B unless these are the same
   */
  MinibatchSums(int layersA, int layersB, BatchKernels kernels) {
    this(
        new double[layersA][layersB],
        new double[][] {new double[layersA], new double[layersB]},
        new double[][] {new double[layersA], new double[layersB]},
        0,
        0,
        kernels);
  }

  /**
   * As saved; takes the arrays.
   *
   * @param own of A and of B
   * @param rounding of A and of B
   */
  MinibatchSums(
      double[][] cross,
      double[][] own,
      double[][] rounding,
      long batches,
      long samples,
      BatchKernels kernels) {
    this.cross = cross;
    this.ownA = own[0];
    this.ownB = own[1];
    this.roundingA = rounding[0];
    this.roundingB = rounding[1];
    this.batches = batches;
    this.samples = samples;
    this.kernels = kernels;
  }

  /**
   * Takes in a batch of at least four rows.
   *
   * @param same whether B are the layers of A, which then give their rows once
   */
  void add(List<Matrix> a, List<Matrix> b, boolean same, Workspace ws) {
    List<Matrix> all = new ArrayList<>(a);
    if (!same) {
      all.addAll(b);
    }
    long m = a.get(0).rows();
    try (Matrix rows = kernels.rows(all, ws);
        Tensor first = rows.asTensor().rows(0, a.size());
        Tensor second = rows.asTensor().rows(same ? 0 : a.size(), all.size())) {
      Matrix left = Matrix.of(first);
      Matrix right = Matrix.of(second);
      double[] norms = LinAlg.rowProducts(rows, rows, ws);
      double weight = 1.0 / (m - 3);
      try (Matrix products = LinAlg.multiplyTransposed(left, right, ws);
          Matrix host = products.toHost(ws)) {
        for (int i = 0; i < cross.length; i++) {
          double[] row = host.row(i);
          for (int j = 0; j < row.length; j++) {
            cross[i][j] += weight * row[j];
          }
          ownA[i] += weight * norms[i];
        }
      }
      double[] least = new double[all.size()];
      Arrays.setAll(least, l -> kernels.rounding(all.get(l), ws));
      for (int i = 0; i < ownA.length; i++) {
        roundingA[i] += weight * least[i];
      }
      for (int j = 0; j < ownB.length; j++) {
        int l = same ? j : ownA.length + j;
        ownB[j] += weight * norms[l];
        roundingB[j] += weight * least[l];
      }
    }
    batches++;
    samples += m;
  }

  /** Takes in other batches of the same layers. */
  void merge(MinibatchSums other) {
    kernels.complete(other.kernels);
    for (int i = 0; i < cross.length; i++) {
      for (int j = 0; j < ownB.length; j++) {
        cross[i][j] += other.cross[i][j];
      }
      ownA[i] += other.ownA[i];
      roundingA[i] += other.roundingA[i];
    }
    for (int j = 0; j < ownB.length; j++) {
      ownB[j] += other.ownB[j];
      roundingB[j] += other.roundingB[j];
    }
    batches += other.batches;
    samples += other.samples;
  }

  BatchKernels kernels() {
    return kernels;
  }

  double[][] cross() {
    return cross;
  }

  double[] ownA() {
    return ownA;
  }

  double[] ownB() {
    return ownB;
  }

  double[] roundingA() {
    return roundingA;
  }

  double[] roundingB() {
    return roundingB;
  }

  /** Whether nothing but rounding is left of a layer of A without what single samples add. */
  boolean isNothingA(int i) {
    return !(ownA[i] > roundingA[i]);
  }

  boolean isNothingB(int j) {
    return !(ownB[j] > roundingB[j]);
  }

  long batches() {
    return batches;
  }

  /** Rows that went in. */
  long samples() {
    return samples;
  }
}
