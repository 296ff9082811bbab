// SPDX-License-Identifier: Apache-2.0
package org.merganser.align;

import org.merganser.io.Checkpoint;

/**
 * What becomes of the scale g and the shift b of a normalisation when its features y = g z + b are
 * mapped, {@code y' = T y}. A permutation carries both. A dense map does not: the spread of {@code
 * T y} is no linear function of g; what was published, {@code T g}, can be negative or far too
 * small.
 *
 * <p>Whatever the rule, the running statistics are stale under a dense map and have to be taken
 * anew ({@code BatchNormReset}). Signs are best made positive before ({@code
 * BatchNormFold.positive}): a mixture of features whose scales differ in sign cancels in part, as
 * it does when two models that differ in the sign of a scale are averaged.
 */
public sealed interface NormRule {
  /**
   * The default: {@code g' = s sqrt((T o T) g^2)}, {@code b' = T b}, with s the sign of {@code (T o
   * T) g} and o the product by elements: the standard deviation of {@code T y} if the features
   * before it are uncorrelated. Needs no data and no other model. A permutation keeps its bits.
   */
  static NormRule spread() {
    return Spread.RULE;
  }

  /**
   * As published (Horoi et al. 2024): {@code g' = T g}, {@code b' = T b}, as if both were weights.
   */
  static NormRule mapped() {
    return Mapped.RULE;
  }

  /**
   * Scale and shift of the reference, for every map: merged models then have them too.
   *
   * @param reference whose features the alignment maps into; borrowed
   */
  static NormRule reference(Checkpoint reference) {
    return new Reference(reference);
  }

  /** See {@link #spread}. */
  enum Spread implements NormRule {
    RULE
  }

  /** See {@link #mapped}. */
  enum Mapped implements NormRule {
    RULE
  }

  /** See {@link #reference}. */
  record Reference(Checkpoint model) implements NormRule {}
}
