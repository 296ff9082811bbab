// SPDX-License-Identifier: Apache-2.0
package org.merganser.linalg;

import java.util.List;

/** The cost matrices of the native tests, number for number. */
final class AssignmentFamilies {
  static final List<String> NAMES =
      List.of(
          "uniform",
          "planted",
          "low rank",
          "integers 0..9",
          "integers 0..n-1",
          "rank one",
          "euclidean",
          "constant",
          "zero blocks",
          "huge offset");

  private long state;

  private AssignmentFamilies(int n) {
    state = n * 1000003L + 17;
  }

  static double[][] of(String family, int n) {
    return new AssignmentFamilies(n).matrix(family, n);
  }

  private double drawn() {
    state = state * 6364136223846793005L + 1442695040888963407L;
    return (state >>> 11) * 0x1p-53;
  }

  private double[][] matrix(String family, int n) {
    double[] a = new double[4 * n];
    double[] b = new double[4 * n];
    for (int l = 0; l < 4 * n; l++) {
      a[l] = drawn();
    }
    for (int l = 0; l < 4 * n; l++) {
      b[l] = drawn();
    }
    double[][] cost = new double[n][n];
    for (int i = 0; i < n; i++) {
      for (int j = 0; j < n; j++) {
        cost[i][j] = element(family, n, i, j, a, b, drawn());
      }
    }
    return cost;
  }

  private static double element(
      String family, int n, int i, int j, double[] a, double[] b, double r) {
    return switch (family) {
      case "uniform" -> r;
      case "planted" -> r - (j == (7 * i + 3) % n ? 5 : 0);
      case "low rank" -> {
        double c = 0;
        for (int l = 0; l < 4; l++) {
          c -= (a[4 * i + l] - 0.5) * (b[4 * j + l] - 0.5);
        }
        yield c;
      }
      case "integers 0..9" -> Math.floor(10 * r);
      case "integers 0..n-1" -> Math.floor(n * r);
      case "rank one" -> a[i] * b[j];
      case "euclidean" -> {
        double x = a[2 * i] - b[2 * j];
        double y = a[2 * i + 1] - b[2 * j + 1];
        yield Math.sqrt(x * x + y * y);
      }
      case "constant" -> 3.25;
      case "zero blocks" -> i < n / 3 || j < n / 3 ? 0 : r;
      case "huge offset" -> 1e6 + 1e-3 * r;
      default -> throw new IllegalArgumentException(family);
    };
  }
}
