// SPDX-License-Identifier: Apache-2.0
package org.merganser.align;

import java.util.Optional;
import org.merganser.compute.Workspace;
import org.merganser.linalg.Matrix;
import org.merganser.model.MapFamily;

/** T = I. */
record IdentityMap(long width) implements FeatureMap {
  @Override
  public Optional<MapFamily> family() {
    return Optional.of(MapFamily.FIXED);
  }

  @Override
  public FeatureMap inverse() {
    return this;
  }

  @Override
  public FeatureMap then(FeatureMap next, Workspace ws) {
    MapPair.requireFit(this, next);
    if (next instanceof MapPair pair) {
      return pair.copy(ws);
    }
    return next instanceof LinearMap dense ? dense.copy(ws) : next;
  }

  @Override
  public double condition(Workspace ws) {
    return 1;
  }

  @Override
  public Matrix toMatrix(Workspace ws) {
    return Matrix.identity(width);
  }
}
