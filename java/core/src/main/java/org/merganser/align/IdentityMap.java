// SPDX-License-Identifier: Apache-2.0
package org.merganser.align;

import org.merganser.compute.Workspace;
import org.merganser.error.ShapeException;
import org.merganser.linalg.Matrix;
import org.merganser.model.MapFamily;

/** T = I. */
record IdentityMap(long width) implements FeatureMap {
  @Override
  public MapFamily family() {
    return MapFamily.FIXED;
  }

  @Override
  public FeatureMap inverse() {
    return this;
  }

  @Override
  public FeatureMap then(FeatureMap next, Workspace ws) {
    if (next.width() != width) {
      throw new ShapeException("cannot compose maps of " + width + " and " + next.width());
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
