// SPDX-License-Identifier: Apache-2.0
package org.merganser.align;

import org.merganser.compute.Workspace;
import org.merganser.linalg.Matrix;
import org.merganser.model.MapFamily;

/** An invertible map T from the features of one model into those of another. Immutable. */
public sealed interface FeatureMap permits IdentityMap, ScaledPermutation, LinearMap {
  /** Number of features. */
  long width();

  /** The smallest family this map is known to belong to. */
  MapFamily family();

  /** {@code T^-1}, in closed form. */
  FeatureMap inverse();

  /** {@code next T}: first this map, then the next. */
  FeatureMap then(FeatureMap next, Workspace ws);

  /** Condition number in the 1-norm, {@code |T|_1 |T^-1|_1}. */
  double condition(Workspace ws);

  /** T as a new dense matrix on the host. */
  Matrix toMatrix(Workspace ws);
}
