// SPDX-License-Identifier: Apache-2.0
package org.merganser.cka;

import java.util.stream.IntStream;
import org.merganser.testing.Oracle;

/** CKA by definition, on arrays: what the routes of the library are compared with. */
public final class Naive {
  private Naive() {}

  static double cka(double[][] x, double[][] y) {
    return ratio(centre(linear(x)), centre(linear(y)));
  }

  static double debiased(double[][] x, double[][] y) {
    return debiasedOfGrams(linear(x), linear(y));
  }

  /** Of Grams that need not be centred: HSIC in the form of Song et al., not U-centred. */
  static double debiasedOfGrams(double[][] k, double[][] l) {
    return song(k, l) / Math.sqrt(song(k, k) * song(l, l));
  }

  static double ckaOfGrams(double[][] k, double[][] l) {
    return ratio(centre(k), centre(l));
  }

  private static double ratio(double[][] k, double[][] l) {
    return inner(k, l) / Math.sqrt(inner(k, k) * inner(l, l));
  }

  public static double[][] linear(double[][] x) {
    double[] mean = Oracle.mean(x);
    double[][] centred = new double[x.length][];
    for (int i = 0; i < x.length; i++) {
      double[] row = x[i];
      centred[i] = IntStream.range(0, row.length).mapToDouble(j -> row[j] - mean[j]).toArray();
    }
    return Oracle.multiply(centred, Oracle.transpose(centred));
  }

  public static double[][] rbf(double[][] x, double gamma) {
    return Oracle.map(distances(x), d -> Math.exp(-gamma * d));
  }

  public static double[][] distances(double[][] x) {
    double[][] d = new double[x.length][x.length];
    for (int i = 0; i < x.length; i++) {
      for (int j = 0; j < x.length; j++) {
        for (int f = 0; f < x[i].length; f++) {
          d[i][j] += (x[i][f] - x[j][f]) * (x[i][f] - x[j][f]);
        }
      }
    }
    return d;
  }

  /** The median of squared distances of different samples. */
  public static double median(double[][] d) {
    double[] pairs =
        IntStream.range(0, d.length)
            .boxed()
            .flatMapToDouble(i -> IntStream.range(i + 1, d.length).mapToDouble(j -> d[i][j]))
            .sorted()
            .toArray();
    int m = pairs.length;
    return m % 2 == 1 ? pairs[m / 2] : (pairs[m / 2 - 1] + pairs[m / 2]) / 2;
  }

  public static double[][] centre(double[][] k) {
    int n = k.length;
    double[][] h = Oracle.identity(n);
    for (double[] row : h) {
      for (int j = 0; j < n; j++) {
        row[j] -= 1.0 / n;
      }
    }
    return Oracle.multiply(Oracle.multiply(h, k), h);
  }

  public static double inner(double[][] a, double[][] b) {
    double sum = 0;
    for (int i = 0; i < a.length; i++) {
      for (int j = 0; j < a[i].length; j++) {
        sum += a[i][j] * b[i][j];
      }
    }
    return sum;
  }

  /** {@code n (n-3) HSIC_u}. */
  public static double song(double[][] k, double[][] l) {
    int n = k.length;
    double trace = 0;
    double rows = 0;
    double allK = 0;
    double allL = 0;
    for (int i = 0; i < n; i++) {
      double rowK = 0;
      double rowL = 0;
      for (int j = 0; j < n; j++) {
        if (i != j) {
          trace += k[i][j] * l[i][j];
          rowK += k[i][j];
          rowL += l[i][j];
        }
      }
      rows += rowK * rowL;
      allK += rowK;
      allL += rowL;
    }
    return trace + allK * allL / ((n - 1.0) * (n - 2)) - 2 * rows / (n - 2);
  }

  /** The rows without some. */
  static double[][] without(double[][] x, int... dropped) {
    return IntStream.range(0, x.length)
        .filter(i -> IntStream.of(dropped).noneMatch(d -> d == i))
        .mapToObj(i -> x[i])
        .toArray(double[][]::new);
  }

  /** {@code X + c 1_S v^T}. */
  static double[][] moved(double[][] x, int[] subset, double[] v, double c) {
    double[][] y = Oracle.map(x, each -> each);
    for (int i : subset) {
      for (int j = 0; j < v.length; j++) {
        y[i][j] += c * v[j];
      }
    }
    return y;
  }
}
