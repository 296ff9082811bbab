// SPDX-License-Identifier: Apache-2.0
package org.merganser.cka;

import java.util.Arrays;

/**
 * Maps that a network's CKA map is moved to (Davari et al. 2023). The map of another network is one
 * as it is ({@link CkaMap#values}).
 */
public final class CkaTargets {
  private static final int TREE = 8;

  /** Row and column of the entries of the tree that are dark, below the diagonal. */
  private static final int[][] BARK = {
    {1, 0}, {2, 0}, {3, 0}, {4, 0}, {5, 0}, {6, 0}, {7, 0}, {5, 1}, {6, 1}, {7, 1}, {6, 2}, {7, 2},
    {4, 2}, {6, 5}, {7, 5}, {7, 6}
  };

  private static final int[][] LEAVES = {{5, 2}, {7, 4}};

  private CkaTargets() {}

  /** All layers alike. */
  public static double[][] ones(int layers) {
    double[][] target = new double[layers][layers];
    for (double[] row : target) {
      Arrays.fill(row, 1);
    }
    return target;
  }

  /** No layer like another. */
  public static double[][] identity(int layers) {
    double[][] target = new double[layers][layers];
    for (int i = 0; i < layers; i++) {
      target[i][i] = 1;
    }
    return target;
  }

  /** A map with one pair of layers set, on both sides of the diagonal. */
  public static double[][] withPair(double[][] map, int i, int j, double value) {
    if (i < 0 || j < 0 || i >= map.length || j >= map.length || i == j) {
      throw new IllegalArgumentException(
          "layers %d and %d are no pair of %d".formatted(i, j, map.length));
    }
    double[][] target = Arrays.stream(map).map(double[]::clone).toArray(double[][]::new);
    target[i][j] = value;
    target[j][i] = value;
    return target;
  }

  /** The picture of a tree, of 8 layers. */
  public static double[][] tree() {
    double[][] target = ones(TREE);
    for (int[] at : BARK) {
      target[at[0]][at[1]] = target[at[1]][at[0]] = 0.3;
    }
    for (int[] at : LEAVES) {
      target[at[0]][at[1]] = target[at[1]][at[0]] = 0.9;
    }
    return target;
  }
}
