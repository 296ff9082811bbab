// SPDX-License-Identifier: Apache-2.0
package org.merganser.align;

import java.util.Optional;
import org.merganser.compute.Workspace;
import org.merganser.error.NumericalException;
import org.merganser.linalg.Matrix;
import org.merganser.model.MapFamily;
import org.merganser.stats.SpaceMoments;

/**
 * A map T [n_ref x n] from the features of one model into those of the reference, for what writes
 * them, and one S [n x n_ref] back, for what reads them: {@code W' = T W}, {@code V' = V S}.
 * Immutable. Invertible maps have {@code S = T^-1}; a {@link MapPair} has two maps that are found
 * apart.
 *
 * <p>A dense map owns memory outside the heap; use after {@link #close} is an {@link
 * IllegalStateException}. Identities and permutations have nothing to free.
 */
public sealed interface FeatureMap extends AutoCloseable
    permits IdentityMap, ScaledPermutation, LinearMap, MapPair {
  /** T = I. */
  static FeatureMap identity(long width) {
    return new IdentityMap(width);
  }

  /** Number of features of the model, n: the columns of T. */
  long width();

  /** Number of features of the reference, n_ref: the rows of T. */
  default long referenceWidth() {
    return width();
  }

  /** The smallest family T is known to belong to; empty for a pair. */
  Optional<MapFamily> family();

  /** Whether reading undoes writing, so that {@link #inverse} and {@link #condition} exist. */
  default boolean isInvertible() {
    return true;
  }

  /**
   * {@code T^-1}, in closed form. That of a dense map borrows its matrices: closing it frees
   * nothing, and it ends with the map it is the inverse of.
   *
   * @throws NumericalException for a pair
   */
  FeatureMap inverse();

  /**
   * The map of the reference's features into the model's by the same two matrices: S where features
   * are written, T where they are read. Of an invertible map that is {@link #inverse}; a pair that
   * is regression both ways, or a transport plan, is again one. A view: closing it frees nothing.
   */
  default FeatureMap otherWay() {
    return inverse();
  }

  /**
   * {@code next T}, and {@code S S_next}: first this map, then the next; a new map, which borrows
   * from neither.
   */
  FeatureMap then(FeatureMap next, Workspace ws);

  /**
   * Condition number in the 1-norm, {@code |T|_1 |T^-1|_1}.
   *
   * @throws NumericalException for a pair
   */
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
