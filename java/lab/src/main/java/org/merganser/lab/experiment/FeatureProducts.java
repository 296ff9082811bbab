// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import java.util.Arrays;
import org.merganser.compute.Workspace;
import org.merganser.linalg.Gram;
import org.merganser.linalg.LinAlg;
import org.merganser.linalg.Matrix;

/**
 * Linear CKA of samples with what became of them, {@code |Xc^T Yc|^2 / (|Xc^T Xc| |Yc^T Yc|)}, from
 * {@code C = Xc^T Xc} of centred samples: one product over many samples serves for any number of
 * changes.
 */
final class FeatureProducts implements AutoCloseable {
  private final Matrix centred;
  private final Matrix products;
  private final double[][] c;

  FeatureProducts(Matrix x, Workspace ws) {
    this.centred = Gram.centredColumns(x, ws);
    this.products = LinAlg.transposeMultiply(centred, centred, ws);
    this.c = products.toArray();
  }

  /** Some samples moved by {@code distance * v}. */
  double moved(int[] subset, double[] v, double distance) {
    double[] m = new double[v.length];
    for (int sample : subset) {
      double[] row = centred.row(sample);
      for (int f = 0; f < m.length; f++) {
        m[f] += row[f];
      }
    }
    double q = subset.length * (1 - (double) subset.length / centred.rows());
    double xx = 0;
    double xy = 0;
    double yy = 0;
    for (int i = 0; i < m.length; i++) {
      for (int j = 0; j < m.length; j++) {
        double once = distance * m[i] * v[j];
        double both = once + distance * v[i] * m[j] + distance * distance * q * v[i] * v[j];
        xx += c[i][j] * c[i][j];
        xy += (c[i][j] + once) * (c[i][j] + once);
        yy += (c[i][j] + both) * (c[i][j] + both);
      }
    }
    return xy / Math.sqrt(xx * yy);
  }

  /** All samples mapped, {@code Y = X M}. */
  double mapped(Matrix map, Workspace ws) {
    try (Matrix xy = LinAlg.multiply(products, map, ws);
        Matrix yy = LinAlg.transposeMultiply(map, xy, ws)) {
      return squares(xy.toArray()) / Math.sqrt(squares(c) * squares(yy.toArray()));
    }
  }

  private static double squares(double[][] matrix) {
    return Arrays.stream(matrix).flatMapToDouble(Arrays::stream).map(each -> each * each).sum();
  }

  @Override
  public void close() {
    centred.close();
    products.close();
  }
}
