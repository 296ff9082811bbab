// SPDX-License-Identifier: Apache-2.0
package org.merganser.transformer;

/** Square matrices of a head, row-major on the heap; an empty array is the identity. */
final class Squares {
  /** How far a product of a matrix and its inverse may be from the identity, times its terms. */
  private static final double TOLERANCE = 1e-6;

  private Squares() {}

  static int side(double[] square) {
    int side = (int) Math.round(Math.sqrt(square.length));
    if (side * side != square.length) {
      throw new IllegalArgumentException(square.length + " values are no square matrix");
    }
    return side;
  }

  static double[] identity(int side) {
    double[] square = new double[side * side];
    for (int i = 0; i < side; i++) {
      square[i * side + i] = 1;
    }
    return square;
  }

  static double[] transpose(double[] square) {
    int side = side(square);
    double[] result = new double[square.length];
    for (int i = 0; i < side; i++) {
      for (int j = 0; j < side; j++) {
        result[j * side + i] = square[i * side + j];
      }
    }
    return result;
  }

  static double[] multiply(double[] a, double[] b) {
    if (a.length == 0 || b.length == 0) {
      return a.length == 0 ? b : a;
    }
    int side = side(a);
    double[] result = new double[a.length];
    for (int i = 0; i < side; i++) {
      for (int k = 0; k < side; k++) {
        double factor = a[i * side + k];
        for (int j = 0; j < side; j++) {
          result[i * side + j] += factor * b[k * side + j];
        }
      }
    }
    return result;
  }

  /** Throws unless both are of one size and their product is the identity. */
  static void requireInverse(String what, double[] a, double[] b) {
    if (a.length != b.length) {
      throw new IllegalArgumentException(
          what + " have " + a.length + " and " + b.length + " values");
    }
    int side = side(a);
    for (int i = 0; i < side; i++) {
      double[] sums = new double[side];
      double[] terms = new double[side];
      for (int k = 0; k < side; k++) {
        for (int j = 0; j < side; j++) {
          double term = a[i * side + k] * b[k * side + j];
          sums[j] += term;
          terms[j] += Math.abs(term);
        }
      }
      for (int j = 0; j < side; j++) {
        double off = Math.abs(sums[j] - (i == j ? 1 : 0));
        if (!(off <= TOLERANCE * Math.max(1, terms[j]))) {
          throw new IllegalArgumentException(
              "%s are no inverses of each other: element (%d, %d) of their product is %s"
                  .formatted(what, i, j, sums[j]));
        }
      }
    }
  }
}
