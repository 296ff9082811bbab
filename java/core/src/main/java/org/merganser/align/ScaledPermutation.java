// SPDX-License-Identifier: Apache-2.0
package org.merganser.align;

import java.util.Arrays;
import java.util.Optional;
import org.merganser.compute.Workspace;
import org.merganser.linalg.Matrix;
import org.merganser.model.MapFamily;

/**
 * {@code x_hat[r] = scale[r] * x[permutation[r]]}: reference feature r takes feature
 * permutation[r]. Scales and their inverses are finite; a plain permutation has all of them 1.
 */
public final class ScaledPermutation implements FeatureMap {
  private final int[] permutation;
  private final double[] scales;

  private ScaledPermutation(int[] permutation, double[] scales) {
    this.permutation = permutation;
    this.scales = scales;
  }

  /** A plain permutation. */
  public static ScaledPermutation of(int... permutation) {
    double[] ones = new double[permutation.length];
    Arrays.fill(ones, 1);
    return of(permutation, ones);
  }

  /**
   * @throws IllegalArgumentException when some index is missing or twice, or a scale or its inverse
   *     is not finite
   */
  public static ScaledPermutation of(int[] permutation, double[] scales) {
    boolean[] seen = new boolean[permutation.length];
    for (int r = 0; r < permutation.length; r++) {
      int c = permutation[r];
      if (c < 0 || c >= permutation.length || seen[c]) {
        throw new IllegalArgumentException(
            "no permutation: entry "
                + r
                + " is "
                + c
                + ", which is out of 0.."
                + (permutation.length - 1)
                + " or taken before");
      }
      seen[c] = true;
    }
    if (scales.length != permutation.length) {
      throw new IllegalArgumentException(
          scales.length + " scales for a permutation of " + permutation.length);
    }
    for (int r = 0; r < scales.length; r++) {
      if (!Double.isFinite(scales[r]) || !Double.isFinite(1 / scales[r])) {
        throw new IllegalArgumentException(
            "scale " + r + " is " + scales[r] + "; it and its inverse must be finite");
      }
    }
    return new ScaledPermutation(permutation.clone(), scales.clone());
  }

  /** A copy of the indices. */
  public int[] permutation() {
    return permutation.clone();
  }

  /** A copy of the scales. */
  public double[] scales() {
    return scales.clone();
  }

  /** Whether all scales are 1. */
  public boolean isPlain() {
    return Arrays.stream(scales).allMatch(s -> s == 1);
  }

  @Override
  public long width() {
    return permutation.length;
  }

  @Override
  public Optional<MapFamily> family() {
    return Optional.of(smallest());
  }

  private MapFamily smallest() {
    if (isPlain()) {
      return MapFamily.PERMUTATION;
    }
    if (Arrays.stream(scales).allMatch(s -> s > 0)) {
      return MapFamily.SCALED_PERMUTATION;
    }
    boolean signs = Arrays.stream(scales).allMatch(s -> Math.abs(s) == 1);
    return signs ? MapFamily.SIGNED_PERMUTATION : MapFamily.MONOMIAL;
  }

  @Override
  public ScaledPermutation inverse() {
    int[] index = new int[permutation.length];
    double[] scale = new double[permutation.length];
    for (int r = 0; r < permutation.length; r++) {
      index[permutation[r]] = r;
      scale[permutation[r]] = 1 / scales[r];
    }
    return new ScaledPermutation(index, scale);
  }

  @Override
  public FeatureMap then(FeatureMap next, Workspace ws) {
    MapPair.requireFit(this, next);
    if (next instanceof MapPair) {
      return MapPair.product(this, next, ws);
    }
    if (next instanceof IdentityMap) {
      return this;
    }
    if (next instanceof ScaledPermutation p) {
      int[] index = new int[permutation.length];
      double[] scale = new double[permutation.length];
      for (int r = 0; r < index.length; r++) {
        index[r] = permutation[p.permutation[r]];
        scale[r] = p.scales[r] * scales[p.permutation[r]];
      }
      return new ScaledPermutation(index, scale);
    }
    LinearMap linear = (LinearMap) next;
    try (Matrix matrix = toMatrix(ws);
        Matrix inverse = inverse().toMatrix(ws)) {
      return LinearMap.product(
          linear.matrix(),
          matrix,
          inverse,
          linear.inverseMatrix(),
          smallest().join(linear.family().orElseThrow()),
          ws);
    }
  }

  @Override
  public double condition(Workspace ws) {
    double[] magnitudes = Arrays.stream(scales).map(Math::abs).toArray();
    return magnitudes.length == 0
        ? 1
        : Arrays.stream(magnitudes).max().orElseThrow()
            / Arrays.stream(magnitudes).min().orElseThrow();
  }

  @Override
  public Matrix toMatrix(Workspace ws) {
    Matrix matrix = Matrix.zeros(permutation.length, permutation.length);
    for (int r = 0; r < permutation.length; r++) {
      matrix.set(r, permutation[r], scales[r]);
    }
    return matrix;
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof ScaledPermutation that
        && Arrays.equals(permutation, that.permutation)
        && Arrays.equals(scales, that.scales);
  }

  @Override
  public int hashCode() {
    return Arrays.hashCode(permutation);
  }

  @Override
  public String toString() {
    return (isPlain() ? "Permutation" : "ScaledPermutation") + Arrays.toString(permutation);
  }
}
