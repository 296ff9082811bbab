// SPDX-License-Identifier: Apache-2.0
package org.merganser.symmetry;

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

  static boolean isIdentity(double[] square) {
    int side = side(square);
    for (int i = 0; i < square.length; i++) {
      if (square[i] != (i / side == i % side ? 1 : 0)) {
        return false;
      }
    }
    return true;
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

  /** Square times vector; an empty vector stays so. */
  static double[] times(double[] square, double[] vector) {
    if (square.length == 0 || vector.length == 0) {
      return vector.clone();
    }
    int side = side(square);
    double[] result = new double[side];
    for (int i = 0; i < side; i++) {
      for (int j = 0; j < side; j++) {
        result[i] += square[i * side + j] * vector[j];
      }
    }
    return result;
  }

  /** {@code square <- H square}, H = I - 2 v v' / v'v. */
  static void reflectRows(double[] square, double[] v) {
    int side = v.length;
    double[] product = new double[side];
    double norm = 0;
    for (int i = 0; i < side; i++) {
      norm += v[i] * v[i];
      for (int j = 0; j < side; j++) {
        product[j] += v[i] * square[i * side + j];
      }
    }
    for (int i = 0; i < side; i++) {
      for (int j = 0; j < side; j++) {
        square[i * side + j] -= 2 * v[i] / norm * product[j];
      }
    }
  }

  /** {@code square <- square H}. */
  static void reflectColumns(double[] square, double[] v) {
    int side = v.length;
    double norm = 0;
    for (double each : v) {
      norm += each * each;
    }
    for (int i = 0; i < side; i++) {
      double product = 0;
      for (int j = 0; j < side; j++) {
        product += square[i * side + j] * v[j];
      }
      for (int j = 0; j < side; j++) {
        square[i * side + j] -= 2 * v[j] / norm * product;
      }
    }
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
