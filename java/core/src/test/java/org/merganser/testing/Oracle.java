// SPDX-License-Identifier: Apache-2.0
package org.merganser.testing;

import java.util.SplittableRandom;

/** Plain double loops that the kernels are compared with. Slow and obvious. */
public final class Oracle {
  private Oracle() {}

  public static double[][] gaussian(int rows, int columns, long seed) {
    SplittableRandom random = new SplittableRandom(seed);
    double[][] result = new double[rows][columns];
    for (double[] row : result) {
      for (int j = 0; j < columns; j++) {
        row[j] = random.nextGaussian();
      }
    }
    return result;
  }

  /** Values after a ReLU: half of them zero, none equal besides. */
  public static double[][] relu(double[][] a) {
    return map(a, x -> Math.max(x, 0));
  }

  public static double[][] map(double[][] a, java.util.function.DoubleUnaryOperator f) {
    double[][] result = new double[a.length][];
    for (int i = 0; i < a.length; i++) {
      result[i] = java.util.Arrays.stream(a[i]).map(f).toArray();
    }
    return result;
  }

  /** Row after row. */
  public static double[] flat(double[][] a) {
    return java.util.Arrays.stream(a).flatMapToDouble(java.util.Arrays::stream).toArray();
  }

  public static double[][] scale(double[][] a, double factor) {
    return map(a, x -> x * factor);
  }

  public static double[] scale(double factor, double... values) {
    return scale(new double[][] {values}, factor)[0];
  }

  public static double[][] multiply(double[][] a, double[][] b) {
    int n = b.length == 0 ? 0 : b[0].length;
    double[][] c = new double[a.length][n];
    for (int i = 0; i < a.length; i++) {
      for (int k = 0; k < b.length; k++) {
        for (int j = 0; j < n; j++) {
          c[i][j] += a[i][k] * b[k][j];
        }
      }
    }
    return c;
  }

  public static double[][] transpose(double[][] a) {
    double[][] t = new double[a.length == 0 ? 0 : a[0].length][a.length];
    for (int i = 0; i < a.length; i++) {
      for (int j = 0; j < a[i].length; j++) {
        t[j][i] = a[i][j];
      }
    }
    return t;
  }

  public static double[][] identity(int n) {
    double[][] a = new double[n][n];
    for (int i = 0; i < n; i++) {
      a[i][i] = 1;
    }
    return a;
  }

  /** Inverse by Gauss-Jordan with row pivoting. */
  public static double[][] inverse(double[][] matrix) {
    int n = matrix.length;
    double[][] a = map(matrix, x -> x);
    double[][] inverse = identity(n);
    for (int k = 0; k < n; k++) {
      int pivot = k;
      for (int i = k + 1; i < n; i++) {
        if (Math.abs(a[i][k]) > Math.abs(a[pivot][k])) {
          pivot = i;
        }
      }
      swap(a, k, pivot);
      swap(inverse, k, pivot);
      double d = a[k][k];
      for (int j = 0; j < n; j++) {
        a[k][j] /= d;
        inverse[k][j] /= d;
      }
      for (int i = 0; i < n; i++) {
        double f = a[i][k];
        if (i != k && f != 0) {
          for (int j = 0; j < n; j++) {
            a[i][j] -= f * a[k][j];
            inverse[i][j] -= f * inverse[k][j];
          }
        }
      }
    }
    return inverse;
  }

  private static void swap(double[][] a, int i, int j) {
    double[] row = a[i];
    a[i] = a[j];
    a[j] = row;
  }

  /** A random orthogonal matrix: Gram-Schmidt, twice for full precision. */
  public static double[][] orthogonal(int n, long seed) {
    double[][] q = gaussian(n, n, seed);
    for (int i = 0; i < n; i++) {
      for (int round = 0; round < 2; round++) {
        for (int k = 0; k < i; k++) {
          double dot = 0;
          for (int j = 0; j < n; j++) {
            dot += q[i][j] * q[k][j];
          }
          for (int j = 0; j < n; j++) {
            q[i][j] -= dot * q[k][j];
          }
        }
        double norm = Math.sqrt(java.util.Arrays.stream(q[i]).map(x -> x * x).sum());
        for (int j = 0; j < n; j++) {
          q[i][j] /= norm;
        }
      }
    }
    return q;
  }

  /** A well-conditioned, non-symmetric matrix: identity plus a small random part. */
  public static double[][] mixing(int n, long seed) {
    double[][] a = scale(gaussian(n, n, seed), 0.3 / Math.sqrt(n));
    for (int i = 0; i < n; i++) {
      a[i][i] += 1;
    }
    return a;
  }

  public static int[] permutation(int n, long seed) {
    SplittableRandom random = new SplittableRandom(seed);
    int[] p = new int[n];
    for (int i = 0; i < n; i++) {
      int j = random.nextInt(i + 1);
      p[i] = p[j];
      p[j] = i;
    }
    return p;
  }

  /** Inverse index array: {@code inverse[p[i]] = i}. */
  public static int[] invert(int[] p) {
    int[] inverse = new int[p.length];
    for (int i = 0; i < p.length; i++) {
      inverse[p[i]] = i;
    }
    return inverse;
  }

  /** Column j of the result is column p[j] of a. */
  public static double[][] columns(double[][] a, int[] p) {
    double[][] result = new double[a.length][p.length];
    for (int i = 0; i < a.length; i++) {
      for (int j = 0; j < p.length; j++) {
        result[i][j] = a[i][p[j]];
      }
    }
    return result;
  }

  public static double[] mean(double[][] samples) {
    double[] mean = new double[samples[0].length];
    for (double[] row : samples) {
      for (int j = 0; j < mean.length; j++) {
        mean[j] += row[j];
      }
    }
    for (int j = 0; j < mean.length; j++) {
      mean[j] /= samples.length;
    }
    return mean;
  }

  /** Centred sums of products, two passes: {@code sum (x - mean_x)(y - mean_y)^T}. */
  public static double[][] centredProducts(double[][] x, double[][] y) {
    double[] meanX = mean(x);
    double[] meanY = mean(y);
    double[][] sums = new double[meanX.length][meanY.length];
    for (int s = 0; s < x.length; s++) {
      for (int i = 0; i < meanX.length; i++) {
        double dx = x[s][i] - meanX[i];
        for (int j = 0; j < meanY.length; j++) {
          sums[i][j] += dx * (y[s][j] - meanY[j]);
        }
      }
    }
    return sums;
  }

  public static double[][] covariance(double[][] x, double[][] y) {
    return scale(centredProducts(x, y), 1.0 / x.length);
  }

  public static double[][] correlation(double[][] x, double[][] y) {
    double[][] sxy = covariance(x, y);
    double[][] sxx = covariance(x, x);
    double[][] syy = covariance(y, y);
    for (int i = 0; i < sxy.length; i++) {
      for (int j = 0; j < sxy[i].length; j++) {
        sxy[i][j] /= Math.sqrt(sxx[i][i]) * Math.sqrt(syy[j][j]);
      }
    }
    return sxy;
  }

  /** Greatest sum of one entry a row, no column twice, over all assignments. */
  public static double bestAssignment(double[][] a) {
    return best(a, 0, new boolean[a.length == 0 ? 0 : a[0].length]);
  }

  private static double best(double[][] a, int row, boolean[] taken) {
    if (row == a.length) {
      return 0;
    }
    double best = Double.NEGATIVE_INFINITY;
    for (int j = 0; j < taken.length; j++) {
      if (!taken[j]) {
        taken[j] = true;
        best = Math.max(best, a[row][j] + best(a, row + 1, taken));
        taken[j] = false;
      }
    }
    return best;
  }

  /** What taking the largest free entry again and again gives. */
  public static double greedyAssignment(double[][] a) {
    boolean[] row = new boolean[a.length];
    boolean[] column = new boolean[a[0].length];
    double sum = 0;
    for (int step = 0; step < a.length; step++) {
      int r = -1;
      int c = -1;
      for (int i = 0; i < a.length; i++) {
        for (int j = 0; j < column.length; j++) {
          if (!row[i] && !column[j] && (r < 0 || a[i][j] > a[r][c])) {
            r = i;
            c = j;
          }
        }
      }
      row[r] = true;
      column[c] = true;
      sum += a[r][c];
    }
    return sum;
  }

  public static double sumAt(double[][] a, int[] columns) {
    double sum = 0;
    for (int i = 0; i < columns.length; i++) {
      sum += a[i][columns[i]];
    }
    return sum;
  }

  /** Nearest bfloat16, ties to even, as its bits; by comparing candidates, not by bit tricks. */
  public static short bfloat16(double value) {
    return nearest(value, 0x7f80, bits -> Float.intBitsToFloat(bits << 16), 0x1p128);
  }

  /** Nearest IEEE half, ties to even, as its bits. */
  public static short half(double value) {
    return nearest(value, 0x7c00, Oracle::halfValue, 0x1p16);
  }

  public static double halfValue(int bits) {
    int exponent = (bits >> 10) & 0x1f;
    int fraction = bits & 0x3ff;
    double magnitude =
        exponent == 31
            ? (fraction == 0 ? Double.POSITIVE_INFINITY : Double.NaN)
            : exponent == 0
                ? fraction * 0x1p-24
                : (1024 + fraction) * Math.scalb(1.0, exponent - 25);
    return (bits & 0x8000) == 0 ? magnitude : -magnitude;
  }

  private static short nearest(
      double value, int infinity, java.util.function.IntToDoubleFunction of, double beyond) {
    int sign = Double.doubleToRawLongBits(value) < 0 ? 0x8000 : 0;
    double magnitude = Math.abs(value);
    int low = 0;
    int high = infinity;
    while (high - low > 1) {
      int middle = (low + high) / 2;
      if (of.applyAsDouble(middle) <= magnitude) {
        low = middle;
      } else {
        high = middle;
      }
    }
    if (Double.isInfinite(magnitude)) {
      return (short) (sign | infinity);
    }
    // For rounding, infinity stands for the next power of two.
    double above = high == infinity ? beyond : of.applyAsDouble(high);
    double below = of.applyAsDouble(low);
    double toLow = magnitude - below;
    double toHigh = above - magnitude;
    boolean up = toHigh < toLow || toHigh == toLow && (low & 1) == 1;
    return (short) (sign | (up ? high : low));
  }
}
