// SPDX-License-Identifier: Apache-2.0
package org.merganser.align;

import org.merganser.linalg.Completion;
import org.merganser.model.FeatureSpace;

/**
 * What an aligner found for one space of one model.
 *
 * @param map into the reference's features
 * @param score the method's own measure of fit, 1 for a perfect one, in [-1, 1] up to rounding
 * @param spectrum the numbers behind the score, decreasing: matched correlations, canonical
 *     correlations, or normalised singular values
 * @param completion how the map was chosen where the data say nothing
 */
public record SpaceAlignment(
    FeatureMap map, double score, double[] spectrum, Completion completion) {

  /** A map with nothing measured. */
  static SpaceAlignment identity(long width) {
    return new SpaceAlignment(new IdentityMap(width), Double.NaN, new double[0], Completion.NONE);
  }

  /** Whether the map leaves the function of the network unchanged. */
  public boolean isExact(FeatureSpace space) {
    return space.exact().allows(map.family());
  }
}
