// SPDX-License-Identifier: Apache-2.0
package org.merganser.model;

import java.util.Arrays;
import java.util.List;

/**
 * Groups of feature maps, partially ordered by inclusion. A space carries the largest one whose
 * maps leave its network's function unchanged ({@link FeatureSpace#symmetry}).
 *
 * <pre>
 *   ANY_LINEAR ⊃ ORTHOGONAL ⊃ CENTRED_ORTHOGONAL, SIGNED_PERMUTATION
 *   ANY_LINEAR ⊃ MONOMIAL   ⊃ SIGNED_PERMUTATION, SCALED_PERMUTATION
 *   CENTRED_ORTHOGONAL, SIGNED_PERMUTATION, SCALED_PERMUTATION ⊃ PERMUTATION ⊃ FIXED
 * </pre>
 *
 * A lattice: {@link #meet} is the intersection of two groups, {@link #join} the smallest of these
 * that contains both. None of a rotation and a scaled permutation is the other, and what they have
 * in common are the permutations.
 */
public enum MapFamily {
  // Smaller groups first, so that each names those below it.
  /** Only the identity: network inputs, class logits. */
  FIXED,
  /** Features in another order: every elementwise nonlinearity, every normalisation. */
  PERMUTATION(FIXED),
  /**
   * With signs: odd nonlinearities (tanh), batch normalisation, RMSNorm whose scales are stored.
   */
  SIGNED_PERMUTATION(PERMUTATION),
  /** With positive scales: ReLU, maxima. */
  SCALED_PERMUTATION(PERMUTATION),
  /** With scales other than 0: a factor of a product of features, such as the up branch of GLU. */
  MONOMIAL(SIGNED_PERMUTATION, SCALED_PERMUTATION),
  /** Rotations that keep the vector of ones: LayerNorm without scales and shifts. */
  CENTRED_ORTHOGONAL(PERMUTATION),
  /** Rotations and reflections: RMSNorm without scales, or with scales moved to its readers. */
  ORTHOGONAL(CENTRED_ORTHOGONAL, SIGNED_PERMUTATION),
  /** Every invertible matrix: nothing but sums and linear layers. */
  ANY_LINEAR(ORTHOGONAL, MONOMIAL);

  /** The largest ones within this. */
  private final List<MapFamily> below;

  MapFamily(MapFamily... below) {
    this.below = List.of(below);
  }

  /** Whether every map of the other family is one of this. */
  public boolean contains(MapFamily other) {
    return this == other || below.stream().anyMatch(family -> family.contains(other));
  }

  /** The maps of both: what spaces that become one allow. */
  public MapFamily meet(MapFamily other) {
    MapFamily meet = FIXED;
    // In a lattice the last common lower bound of an order that extends it is the greatest.
    for (MapFamily family : values()) {
      if (contains(family) && other.contains(family)) {
        meet = family;
      }
    }
    return meet;
  }

  /** The smallest family that contains both: where products of their maps lie. */
  public MapFamily join(MapFamily other) {
    return Arrays.stream(values())
        .filter(family -> family.contains(this) && family.contains(other))
        .findFirst()
        .orElseThrow();
  }
}
