// SPDX-License-Identifier: Apache-2.0
package org.merganser.similarity;

/** Three small pairs of representations whose values were worked out with NumPy. */
public enum Golden {
  A(
      new double[][] {{1, 2}, {3, 5}, {4, 1}, {8, 6}},
      new double[][] {{2, 0}, {1, 3}, {5, 4}, {7, 9}}),
  B(
      new double[][] {{1, 0, 2}, {2, 1, -1}, {0, 3, 1}, {4, 1, 0}, {-2, 2, 3}},
      new double[][] {{0, 1, 1}, {1, 2, 0}, {1, 1, 4}, {3, 0, -1}, {2, -1, 2}}),
  C(
      new double[][] {
        {0, 3, 6}, {7, 0, 4}, {3, 3, 3}, {10, 8, 1}, {6, 4, 2}, {2, 9, 5}, {9, 1, 0}, {5, 6, 10}
      },
      new double[][] {{3, 1}, {8, 2}, {4, 7}, {9, 5}, {6, 6}, {1, 8}, {7, 0}, {2, 3}});

  public final double[][] x;
  public final double[][] y;

  Golden(double[][] x, double[][] y) {
    this.x = x;
    this.y = y;
  }
}
