// SPDX-License-Identifier: Apache-2.0
package org.merganser.model;

/**
 * Families of feature maps, each containing the next. A space carries the largest one that leaves
 * its network's function unchanged: a residual stream without nonlinearity on it allows any linear
 * map, a ReLU only permutations with positive scales.
 */
public enum MapFamily {
  ANY_LINEAR,
  ORTHOGONAL,
  SCALED_PERMUTATION,
  PERMUTATION,
  /** Never mapped: network inputs, class logits. */
  FIXED;

  /** Whether a map of family {@code map} keeps the function of a space that allows this family. */
  public boolean allows(MapFamily map) {
    if (this == ORTHOGONAL && map == SCALED_PERMUTATION) {
      return false;
    }
    return map.ordinal() >= ordinal();
  }
}
