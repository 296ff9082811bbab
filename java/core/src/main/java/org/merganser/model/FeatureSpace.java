// SPDX-License-Identifier: Apache-2.0
package org.merganser.model;

import java.util.List;

/**
 * One hidden representation of a network: all parameters that write it and read it share one
 * feature map. A residual stream is one space.
 *
 * @param id unique name; activations of it are stored as {@code ID.npy}
 * @param width number of features
 * @param symmetry largest family of maps that leaves the function unchanged: the {@link
 *     MapFamily#meet} of what everything on the space commutes with
 * @param featureAxis axis of its activations that counts features: 1 in [samples x features x
 *     positions...], negative ones from the end, so -1 in [samples x tokens x features]; never that
 *     of the samples
 * @param bindings the parameters involved
 */
public record FeatureSpace(
    String id, long width, MapFamily symmetry, int featureAxis, List<Binding> bindings) {
  public FeatureSpace {
    bindings = List.copyOf(bindings);
    if (id.isEmpty() || id.contains("/") || id.contains("\\")) {
      throw new IllegalArgumentException("space id '" + id + "' must be a plain file name");
    }
    if (width < 1) {
      throw new IllegalArgumentException("space '" + id + "' has width " + width);
    }
    if (featureAxis == 0) {
      throw new IllegalArgumentException(
          "space '" + id + "' has its features on axis 0, which is that of the samples");
    }
  }

  /** Features on axis 1. */
  public FeatureSpace(String id, long width, MapFamily symmetry, List<Binding> bindings) {
    this(id, width, symmetry, 1, bindings);
  }

  /** The same space, its activations with features on another axis. */
  public FeatureSpace withFeatureAxis(int axis) {
    return new FeatureSpace(id, width, symmetry, axis, bindings);
  }
}
