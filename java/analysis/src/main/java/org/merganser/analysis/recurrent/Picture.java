// SPDX-License-Identifier: Apache-2.0
package org.merganser.analysis.recurrent;

import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import org.merganser.analysis.geometry.Phate;
import org.merganser.compute.Workspace;
import org.merganser.linalg.Matrix;

/** How the states of a step become points of a plane. */
public enum Picture {
  /** Their first two principal components. */
  PCA,
  /** {@link Phate} of their Euclidean distances, with its own settings, each step for itself. */
  PHATE;

  /** Samples that it takes at least. */
  public int least() {
    return this == PCA ? 1 : Phate.Options.defaults().knn() + 2;
  }

  /**
   * Samples in the plane.
   *
   * @param points [n][2]
   * @param warnings of what the picture does not say, to be shown with it
   */
  record Plane(double[][] points, List<String> warnings) {}

  /**
   * Of n samples.
   *
   * @param components of all states
   * @param states of the samples
   * @param between their distances, [n x n]
   */
  Plane plane(PrincipalComponents components, Matrix states, Matrix between, Workspace ws) {
    int n = Math.toIntExact(between.rows());
    if (this == PCA) {
      return new Plane(components.plane(states, n), List.of());
    }
    // Where all states are the same, as after blank rows, an embedding would be rounding, to which
    // later ones would turn.
    if (areEqual(between)) {
      return new Plane(new double[n][2], List.of());
    }
    Phate.Result found = new Phate(Phate.Options.defaults()).fit(between, ws);
    return new Plane(found.points(), found.warnings());
  }

  private static boolean areEqual(Matrix between) {
    return IntStream.range(0, Math.toIntExact(between.rows()))
        .allMatch(i -> Arrays.stream(between.row(i)).allMatch(distance -> distance == 0));
  }
}
