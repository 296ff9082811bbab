// SPDX-License-Identifier: Apache-2.0
package org.merganser.analysis.topology;

import java.nio.FloatBuffer;
import org.merganser.compute.DType;
import org.merganser.error.NumericalException;
import org.merganser.internal.kernel.Block;
import org.merganser.linalg.Matrix;
import org.merganser.linalg.Tensor;

/**
 * Distances of points from differences of their coordinates, in F64, rounded once: equal points are
 * at 0, and near ones lose nothing, as they do in |x|^2 + |y|^2 - 2 x.y.
 */
final class EuclideanDistances {
  private EuclideanDistances() {}

  /** F32 [n x n] of points [n x dimensions]. */
  static Matrix of(Matrix points) {
    int n = Math.toIntExact(points.rows());
    double[][] x = new double[n][];
    for (int i = 0; i < n; i++) {
      x[i] = points.row(i);
      requireFinite(x[i], i);
    }
    Tensor distances = Tensor.allocate(DType.F32, n, n);
    long rowBytes = (long) n * Float.BYTES;
    float[] row = new float[n];
    for (int i = 0; i < n; i++) {
      for (int j = 0; j < n; j++) {
        row[j] = (float) distance(x[i], x[j]);
      }
      try (Block.View view = Block.view(distances, i * rowBytes, Math.toIntExact(rowBytes))) {
        FloatBuffer to = view.buffer().asFloatBuffer();
        to.put(row);
      }
    }
    return Matrix.of(distances);
  }

  private static double distance(double[] a, double[] b) {
    double sum = 0;
    for (int k = 0; k < a.length; k++) {
      double difference = a[k] - b[k];
      sum += difference * difference;
    }
    return Math.sqrt(sum);
  }

  private static void requireFinite(double[] point, int i) {
    for (int k = 0; k < point.length; k++) {
      if (!Double.isFinite(point[k])) {
        throw new NumericalException(
            "points[" + i + ", " + k + "] is " + point[k] + "; coordinates are finite");
      }
    }
  }
}
