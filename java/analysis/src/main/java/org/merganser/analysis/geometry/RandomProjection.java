// SPDX-License-Identifier: Apache-2.0
package org.merganser.analysis.geometry;

import java.io.IOException;
import java.util.stream.IntStream;
import org.merganser.compute.Workspace;
import org.merganser.error.ShapeException;
import org.merganser.linalg.Matrix;
import org.merganser.linalg.Tensor;

/**
 * Samples in fewer dimensions, for so many that their products do not fit: each of the P elements
 * is added to eight of k sums, with random signs, over the root of eight (sparse
 * Johnson-Lindenstrauss, Kane and Nelson 2014). Squared distances of N samples stay within a factor
 * of {@code 1 +- e} for {@code k >= 4 ln N / (e^2/2 - e^3/3)} with high probability where they
 * differ in many elements. Of those that differ in a few it may be more, since two of these may
 * share sums: from 0 to twice where two elements share all eight. Where an element goes follows
 * from the seed and its number, so any part can be projected alone.
 */
public final class RandomProjection {
  private static final int SUMS = 8;
  private static final long BLOCK = 24L << 20;

  /** Columns at once, whose places are held: of few samples a block has many. */
  private static final long WIDEST = 1L << 16;

  private final int dimensions;
  private final long seed;

  /**
   * @param dimensions k, a multiple of 8
   */
  public RandomProjection(int dimensions, long seed) {
    if (dimensions < SUMS || dimensions % SUMS != 0) {
      throw new IllegalArgumentException(
          "a projection has a multiple of " + SUMS + " dimensions, not " + dimensions);
    }
    this.dimensions = dimensions;
    this.seed = seed;
  }

  /** Dimensions that keep squared distances of n samples within a factor of 1 +- e. */
  public static int dimensions(long n, double e) {
    if (n < 2 || !(e > 0 && e < 1)) {
      throw new IllegalArgumentException(
          "of %d samples within %s: needed are 2 or more, between 0 and 1".formatted(n, e));
    }
    double least = 4 * Math.log(n) / (e * e / 2 - e * e * e / 3);
    return Math.toIntExact((long) Math.ceil(least / SUMS) * SUMS);
  }

  /**
   * A new matrix on the host [N x k], F64.
   *
   * @throws ShapeException for samples of k elements or fewer
   * @throws org.merganser.error.NumericalException for numbers that are not finite, naming a sample
   */
  public Matrix project(SampleRows rows, Workspace ws) throws IOException {
    int n = Math.toIntExact(rows.samples());
    if (rows.width() <= dimensions) {
      throw new ShapeException(
          "samples of %d elements are not projected to %d".formatted(rows.width(), dimensions));
    }
    double[][] sums = new double[n][dimensions];
    long step = Math.max(1, Math.min(WIDEST, BLOCK / rows.dtype().bytes(n)));
    int[] order = IntStream.range(0, n).toArray();
    int[] place = new int[Math.toIntExact(step) * SUMS];
    double[] sign = new double[place.length];
    for (long from = 0; from < rows.width(); from += step) {
      ws.cancellation().check();
      long to = Math.min(rows.width(), from + step);
      int width = (int) (to - from);
      draw(from, width, place, sign);
      try (Matrix block = Matrix.of(Tensor.allocate(rows.dtype(), n, width))) {
        rows.read(from, to, block, ws);
        GramProducts.requireFinite(block, from, order, ws);
        for (int i = 0; i < n; i++) {
          double[] row = block.row(i);
          for (int j = 0; j < width; j++) {
            for (int s = SUMS * j; s < SUMS * (j + 1); s++) {
              sums[i][place[s]] += sign[s] * row[j];
            }
          }
        }
      }
    }
    return Matrix.of(sums);
  }

  /** One place in each eighth of the sums. */
  private void draw(long from, int width, int[] place, double[] sign) {
    int part = dimensions / SUMS;
    for (int j = 0; j < width; j++) {
      for (int s = 0; s < SUMS; s++) {
        long bits = Hashes.mix(seed * 0x9e3779b97f4a7c15L + (from + j) * SUMS + s);
        place[j * SUMS + s] = s * part + (int) Long.remainderUnsigned(bits >>> 1, part);
        sign[j * SUMS + s] = ((bits & 1) == 0 ? 1 : -1) / Math.sqrt(SUMS);
      }
    }
  }
}
