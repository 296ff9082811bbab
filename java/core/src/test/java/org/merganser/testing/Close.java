// SPDX-License-Identifier: Apache-2.0
package org.merganser.testing;

import org.merganser.linalg.Matrix;
import org.merganser.linalg.Tensor;

/** The one numeric assertion: the largest difference against a bound, with its place. */
public final class Close {
  private Close() {}

  /** Every element within {@code tolerance * max |expected|}. */
  public static void relative(
      String what, double[][] actual, double[][] expected, double tolerance) {
    double scale = 0;
    for (double[] row : expected) {
      for (double value : row) {
        scale = Math.max(scale, Math.abs(value));
      }
    }
    check(what, actual, expected, tolerance * scale, tolerance + " of the largest, " + scale);
  }

  /** Every element within {@code tolerance}. */
  public static void absolute(
      String what, double[][] actual, double[][] expected, double tolerance) {
    check(what, actual, expected, tolerance, "absolute");
  }

  public static void relative(String what, Matrix actual, double[][] expected, double tolerance) {
    relative(what, Work.array(actual), expected, tolerance);
  }

  public static void absolute(String what, Matrix actual, double[][] expected, double tolerance) {
    absolute(what, Work.array(actual), expected, tolerance);
  }

  public static void relative(String what, double[] actual, double[] expected, double tolerance) {
    relative(what, new double[][] {actual}, new double[][] {expected}, tolerance);
  }

  public static void absolute(String what, double[] actual, double[] expected, double tolerance) {
    absolute(what, new double[][] {actual}, new double[][] {expected}, tolerance);
  }

  /** The same dtype, shape and bytes; the message shows the first element that differs. */
  public static void bitwise(String what, Tensor actual, Tensor expected) {
    if (actual.sameBytes(expected)) {
      return;
    }
    if (actual.dtype() != expected.dtype() || !actual.toString().equals(expected.toString())) {
      throw new AssertionError(what + ": is " + actual + ", expected " + expected);
    }
    if (!actual.dtype().isArithmetic()) {
      throw new AssertionError(what + " " + actual + ": other bytes");
    }
    for (long i = 0; i < actual.size(); i++) {
      double found = actual.get(i);
      double wanted = expected.get(i);
      if (Double.doubleToRawLongBits(found) != Double.doubleToRawLongBits(wanted)) {
        throw new AssertionError(
            what + " " + actual + ": element " + i + " is " + found + ", expected " + wanted);
      }
    }
    throw new AssertionError(what + " " + actual + ": other bytes");
  }

  private static void check(
      String what, double[][] actual, double[][] expected, double bound, String explanation) {
    if (actual.length != expected.length) {
      throw new AssertionError(what + ": " + actual.length + " rows, expected " + expected.length);
    }
    double worst = -1;
    int row = 0;
    int column = 0;
    for (int i = 0; i < actual.length; i++) {
      if (actual[i].length != expected[i].length) {
        throw new AssertionError(
            what
                + ": row "
                + i
                + " has "
                + actual[i].length
                + " values, expected "
                + expected[i].length);
      }
      for (int j = 0; j < actual[i].length; j++) {
        double difference = Math.abs(actual[i][j] - expected[i][j]);
        // Equal infinities differ by NaN; a NaN anywhere else must not pass.
        if (actual[i][j] == expected[i][j]) {
          difference = 0;
        } else if (Double.isNaN(difference)) {
          difference = Double.POSITIVE_INFINITY;
        }
        if (difference > worst) {
          worst = difference;
          row = i;
          column = j;
        }
      }
    }
    if (worst > bound) {
      throw new AssertionError(
          what
              + ": ["
              + row
              + ", "
              + column
              + "] is "
              + actual[row][column]
              + ", expected "
              + expected[row][column]
              + "; off by "
              + worst
              + ", allowed "
              + bound
              + " ("
              + explanation
              + ")");
    }
  }
}
