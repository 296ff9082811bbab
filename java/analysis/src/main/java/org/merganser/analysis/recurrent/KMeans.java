// SPDX-License-Identifier: Apache-2.0
package org.merganser.analysis.recurrent;

import java.util.SplittableRandom;
import org.merganser.compute.Workspace;
import org.merganser.internal.Seeds;
import org.merganser.linalg.LinAlg;
import org.merganser.linalg.Matrix;
import org.merganser.linalg.Tensor;

/**
 * Lloyd's iteration from centres that are drawn far from each other (k-means++, Arthur and
 * Vassilvitskii 2007), the best of several draws. A centre that loses its samples stays.
 */
final class KMeans {
  private static final int ITERATIONS = 100;

  private final double[] points;
  private final double[] squares;
  private final Matrix matrix;
  private final int size;
  private final int k;
  private final Workspace ws;

  /** What one draw came to. */
  private record Found(int[] cluster, double spread) {}

  private KMeans(double[] points, int size, int k, Matrix matrix, Workspace ws) {
    this.points = points;
    this.size = size;
    this.k = k;
    this.matrix = matrix;
    this.ws = ws;
    this.squares = new double[points.length / size];
    for (int at = 0; at < points.length; at++) {
      squares[at / size] += points[at] * points[at];
    }
  }

  /**
   * The cluster of each point, from 0.
   *
   * @param points [n x size]
   * @param draws of the first centres
   * @param name of the random stream
   */
  static int[] clusters(Matrix points, int k, int draws, String name, Workspace ws) {
    KMeans means =
        new KMeans(
            points.asTensor().toDoubleArray(),
            Math.toIntExact(points.columns()),
            Math.min(k, Math.toIntExact(points.rows())),
            points,
            ws);
    Found best = null;
    for (int draw = 0; draw < draws; draw++) {
      Found found = means.run(Seeds.stream(ws.seed(), name + "/" + draw));
      best = best == null || found.spread() < best.spread() ? found : best;
    }
    return best.cluster();
  }

  private Found run(SplittableRandom random) {
    double[] centres = drawn(random);
    int n = squares.length;
    int[] cluster = new int[n];
    double spread = Double.POSITIVE_INFINITY;
    for (int iteration = 0; iteration < ITERATIONS; iteration++) {
      double[] products;
      try (Matrix c = Matrix.of(Tensor.of(centres, k, size));
          Matrix product = LinAlg.multiplyTransposed(matrix, c, ws)) {
        products = product.asTensor().toDoubleArray();
      }
      double[] lengths = new double[k];
      for (int at = 0; at < centres.length; at++) {
        lengths[at / size] += centres[at] * centres[at];
      }
      double before = spread;
      spread = 0;
      for (int i = 0; i < n; i++) {
        int nearest = 0;
        for (int c = 1; c < k; c++) {
          double less = lengths[c] - 2 * products[i * k + c];
          nearest = less < lengths[nearest] - 2 * products[i * k + nearest] ? c : nearest;
        }
        cluster[i] = nearest;
        spread += Math.max(0, squares[i] + lengths[nearest] - 2 * products[i * k + nearest]);
      }
      if (!(spread < before * (1 - 1e-6))) {
        break;
      }
      means(cluster, centres);
    }
    return new Found(cluster, spread);
  }

  private void means(int[] cluster, double[] centres) {
    double[] sums = new double[centres.length];
    int[] counts = new int[k];
    for (int i = 0; i < cluster.length; i++) {
      counts[cluster[i]]++;
      for (int j = 0; j < size; j++) {
        sums[cluster[i] * size + j] += points[i * size + j];
      }
    }
    for (int at = 0; at < centres.length; at++) {
      centres[at] = counts[at / size] == 0 ? centres[at] : sums[at] / counts[at / size];
    }
  }

  /** Each next one with a probability in proportion to its squared distance from those there. */
  private double[] drawn(SplittableRandom random) {
    int n = squares.length;
    double[] centres = new double[k * size];
    double[] nearest = new double[n];
    int chosen = random.nextInt(n);
    for (int c = 0; c < k; c++) {
      System.arraycopy(points, chosen * size, centres, c * size, size);
      double sum = 0;
      for (int i = 0; i < n; i++) {
        double distance = 0;
        for (int j = 0; j < size; j++) {
          double apart = points[i * size + j] - centres[c * size + j];
          distance += apart * apart;
        }
        nearest[i] = c == 0 ? distance : Math.min(nearest[i], distance);
        sum += nearest[i];
      }
      double wanted = random.nextDouble() * sum;
      chosen = n - 1;
      for (int i = 0; i < n; i++) {
        wanted -= nearest[i];
        if (wanted < 0) {
          chosen = i;
          break;
        }
      }
    }
    return centres;
  }
}
