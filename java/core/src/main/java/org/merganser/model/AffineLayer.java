// SPDX-License-Identifier: Apache-2.0
package org.merganser.model;

import java.util.Optional;

/**
 * A layer that forms affine combinations {@code z = W x + b} (linear, convolution). Repair measures
 * and corrects its output.
 *
 * @param id name of the layer
 * @param weight parameter W, outputs on axis 0
 * @param bias parameter b, when it has one
 * @param width number of outputs (features, channels)
 */
public record AffineLayer(String id, String weight, Optional<String> bias, long width) {
  /** The tap of {@link Network} that gives z, before any normalisation or nonlinearity. */
  public String output() {
    return id + "/out";
  }
}
