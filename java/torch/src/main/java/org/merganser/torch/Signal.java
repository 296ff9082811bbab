// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch;

import org.merganser.error.ShapeException;

/**
 * What flows between layers, in the abstract.
 *
 * @param space the feature space it carries; null for the input of the network
 * @param features number of features (channels)
 * @param positions spatial positions of each feature; 1 after pooling or in a vector
 * @param flat whether features and positions have been flattened into one axis
 */
record Signal(Description.Space space, long features, long positions, boolean flat) {

  /** A network's input: a vector [features], or an image [channels, height, width]. */
  static Signal input(long... shape) {
    if (shape.length == 0) {
      throw new ShapeException("a network needs an input shape");
    }
    long positions = 1;
    for (int axis = 1; axis < shape.length; axis++) {
      positions *= shape[axis];
    }
    return new Signal(null, shape[0], positions, shape.length == 1);
  }

  /** Size of the last axis as a linear layer sees it. */
  long flatSize() {
    return features * positions;
  }
}
