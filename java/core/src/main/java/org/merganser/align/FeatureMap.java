// SPDX-License-Identifier: Apache-2.0
package org.merganser.align;

import org.merganser.compute.Workspace;
import org.merganser.linalg.Matrix;
import org.merganser.model.MapFamily;
import org.merganser.stats.SpaceMoments;

/**
 * An invertible map T from the features of one model into those of another. Immutable.
 *
 * <p>A dense map owns memory outside the heap; use after {@link #close} is an {@link
 * IllegalStateException}. Identities and permutations have nothing to free.
 */
public sealed interface FeatureMap extends AutoCloseable
    permits IdentityMap, ScaledPermutation, LinearMap {
  /** T = I. */
  static FeatureMap identity(long width) {
    return new IdentityMap(width);
  }

  /** Number of features. */
  long width();

  /** The smallest family this map is known to belong to. */
  MapFamily family();

  /**
   * {@code T^-1}, in closed form. That of a dense map borrows its matrices: closing it frees
   * nothing, and it ends with the map it is the inverse of.
   */
  FeatureMap inverse();

  /** {@code next T}: first this map, then the next; a new map, which borrows from neither. */
  FeatureMap then(FeatureMap next, Workspace ws);

  /** Condition number in the 1-norm, {@code |T|_1 |T^-1|_1}. */
  double condition(Workspace ws);

  /**
   * How well each feature of the reference is met by its aligned counterpart, in the order of the
   * features:
   *
   * <pre>
   *   corr(x_r, (T y)_r) = (T Syx)_rr / sqrt(Sxx_rr (T Syy T^T)_rr)
   * </pre>
   *
   * x the reference's features, y the model's. One to one maps need the cross block of the moments,
   * dense ones the model's own block too. A feature that never varies, in the reference or after
   * the map, has correlation 0. Cost: 2 n^3 flops for a dense map.
   *
   * @param model index of the model in the moments, at least 1
   * @throws org.merganser.error.ShapeException when the moments are of another width
   */
  default double[] matchedCorrelations(SpaceMoments moments, int model, Workspace ws) {
    return MatchedCorrelation.of(moments, model, this, ws);
  }

  /** T as a new dense matrix on the host. */
  Matrix toMatrix(Workspace ws);

  /** Frees the matrices of a dense map; further calls do nothing. */
  @Override
  default void close() {}
}
