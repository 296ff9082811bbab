// SPDX-License-Identifier: Apache-2.0
package org.merganser.align;

import org.merganser.compute.Workspace;
import org.merganser.linalg.Matrix;
import org.merganser.model.MapFamily;

/**
 * An invertible map T from the features of one model into those of another. Immutable.
 *
 * <p>A dense map owns memory outside the heap; use after {@link #close} is an {@link
 * IllegalStateException}. Identities and permutations have nothing to free.
 */
public sealed interface FeatureMap extends AutoCloseable
    permits IdentityMap, ScaledPermutation, LinearMap {
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
  double condition();

  /** T as a new dense matrix. */
  Matrix toMatrix();

  /** Frees the matrices of a dense map; further calls do nothing. */
  @Override
  default void close() {}
}
