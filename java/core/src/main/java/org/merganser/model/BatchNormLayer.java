// SPDX-License-Identifier: Apache-2.0
package org.merganser.model;

import java.util.Optional;

/**
 * A batch normalisation {@code y = scale (x - mean) / sqrt(variance + epsilon) + shift}, per
 * feature.
 *
 * @param id name of the layer
 * @param scale parameter
 * @param shift parameter
 * @param mean running mean
 * @param variance running variance
 * @param counter number of batches seen, an integer, when there is one
 * @param epsilon added to the variance
 * @param width number of features
 * @param follows id of the affine layer whose output it reads and nothing else does; that one can
 *     absorb it
 */
public record BatchNormLayer(
    String id,
    String scale,
    String shift,
    String mean,
    String variance,
    Optional<String> counter,
    double epsilon,
    long width,
    Optional<String> follows) {
  /** The tap of {@link Network} that gives x. */
  public String input() {
    return id + "/in";
  }
}
