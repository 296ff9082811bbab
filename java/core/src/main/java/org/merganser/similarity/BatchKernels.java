// SPDX-License-Identifier: Apache-2.0
package org.merganser.similarity;

import java.util.Arrays;
import java.util.List;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.error.NumericalException;
import org.merganser.internal.Opened;
import org.merganser.linalg.Gram;
import org.merganser.linalg.LinAlg;
import org.merganser.linalg.Matrix;
import org.merganser.linalg.Tensor;

/**
 * The Gram matrices of the layers of a batch, as rows of their U-centred triangles, and what
 * rounding alone may make of the squared norm of such a row. A Gaussian kernel has the bandwidth
 * that its layer had in the first batch.
 *
 * @param bandwidths of each layer; 0 before the first batch, NaN where that had none since half of
 *     its pairs of samples are equal; not used by the linear kernel
 */
record BatchKernels(Kernel kernel, DType precision, double[] bandwidths) {
  static BatchKernels of(Kernel kernel, DType precision, int layers) {
    return new BatchKernels(kernel, precision, new double[layers]);
  }

  /** A row for each layer, new. */
  Matrix rows(List<Matrix> layers, Workspace ws) {
    if (!(kernel instanceof Kernel.Rbf rbf)) {
      try (Opened opened = new Opened()) {
        return Gram.packedLinear(oneType(layers, opened, ws), precision, ws);
      }
    }
    long m = layers.get(0).rows();
    try (Opened opened = new Opened()) {
      Matrix rows = opened.add(Matrix.allocate(layers.size(), m * (m - 1) / 2, ws));
      for (int l = 0; l < layers.size(); l++) {
        try (Tensor row = rows.asTensor().rows(l, l + 1);
            Matrix packed = gaussian(l, layers.get(l), rbf, ws)) {
          row.copyFrom(packed.asTensor(), ws);
        }
      }
      opened.release();
      return rows;
    }
  }

  /** Zeros where the layer has no bandwidth. */
  private Matrix gaussian(int layer, Matrix x, Kernel.Rbf rbf, Workspace ws) {
    try (Matrix k = Gram.squaredDistances(x, precision, ws)) {
      if (bandwidths[layer] == 0) {
        try {
          bandwidths[layer] = GaussianGram.bandwidth("layer " + layer, k, rbf, ws);
        } catch (NumericalException e) {
          bandwidths[layer] = Double.NaN;
        }
      }
      double s = bandwidths[layer];
      // With gamma 0 all samples are the same to the kernel.
      Gram.rbf(k, Double.isNaN(s) ? 0 : 0.5 / s / s, ws);
      return Gram.packed(k, ws);
    }
  }

  private static Matrix[] oneType(List<Matrix> layers, Opened opened, Workspace ws) {
    boolean wide = layers.stream().anyMatch(x -> x.dtype() == DType.F64);
    Matrix[] all = new Matrix[layers.size()];
    for (int l = 0; l < all.length; l++) {
      Matrix x = layers.get(l);
      all[l] =
          wide && x.dtype() == DType.F32
              ? Matrix.of(opened.add(x.asTensor().to(DType.F64, ws)))
              : x;
    }
    return all;
  }

  /**
   * Of the squared norm of a Gram matrix: {@code (m eps tr K)^2}, with what centring leaves of the
   * means.
   */
  double rounding(Matrix x, Workspace ws) {
    double m = x.rows();
    double eps = m * (precision == DType.F64 ? Math.ulp(1.0) : Math.ulp(1f));
    if (kernel instanceof Kernel.Rbf) {
      return eps * m * eps * m;
    }
    try (Matrix centred = Gram.centredColumns(x, ws)) {
      double trace = Arrays.stream(LinAlg.rowProducts(centred, centred, ws)).sum();
      double[] mean = CentredBatch.mean(x, centred, ws);
      double left = m * Math.ulp(1.0);
      double rounding = eps * trace + m * left * left * PairSums.dot(mean, mean);
      return rounding * rounding;
    }
  }

  /** Why bandwidths that both have do not fit; empty where they do. */
  String difference(BatchKernels other) {
    for (int l = 0; l < bandwidths.length; l++) {
      double mine = bandwidths[l];
      double its = other.bandwidths[l];
      if (mine != 0 && its != 0 && Double.compare(mine, its) != 0) {
        return mine + " and " + its + " of layer " + l + "; parts need a fixed one";
      }
    }
    return "";
  }

  /** Takes over what is known there only. */
  void complete(BatchKernels other) {
    for (int l = 0; l < bandwidths.length; l++) {
      bandwidths[l] = bandwidths[l] == 0 ? other.bandwidths[l] : bandwidths[l];
    }
  }
}
