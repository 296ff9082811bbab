// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch.layers;

import org.merganser.error.ShapeException;

/**
 * What flows between layers, in the abstract.
 *
 * @param space the feature space it carries; null for the input of the network
 * @param features number of features (channels)
 * @param height rows of the image, or number of tokens; 1 in a vector
 * @param width columns of the image, or neighbouring entries that a feature has in each token; 1 in
 *     a vector
 * @param flat whether features and positions have been flattened into one axis
 * @param tokens whether it is a sequence [tokens x features], features on the last axis
 * @param source the node whose output holds these features before any pooling; -1 for the input
 */
record Signal(
    Description.Space space,
    long features,
    long height,
    long width,
    boolean flat,
    boolean tokens,
    int source) {

  /** A network's input: a vector [features], or an image [channels, height, width]. */
  static Signal input(long... shape) {
    return switch (shape.length) {
      case 1 -> new Signal(null, shape[0], 1, 1, true, false, -1);
      case 3 -> new Signal(null, shape[0], shape[1], shape[2], false, false, -1);
      case 0 -> throw new ShapeException("a network needs an input shape");
      default ->
          throw new ShapeException(
              "the input of a network is [features] or [channels, height, width], not of "
                  + shape.length
                  + " dimensions");
    };
  }

  static Signal vector(Description.Space space, long features, int source) {
    return new Signal(space, features, 1, 1, true, false, source);
  }

  /** The same shape in another space, written by another node. */
  Signal in(Description.Space other, int writer) {
    return with(other, features, writer);
  }

  /** The same positions with other features. */
  Signal with(Description.Space other, long otherFeatures, int writer) {
    return new Signal(other, otherFeatures, height, width, flat, tokens, writer);
  }

  /** What a sliding window leaves. */
  Signal window(String layer, long kernel, long stride, long padding) {
    requireImage(layer);
    long rows = (height + 2 * padding - kernel) / stride + 1;
    long columns = (width + 2 * padding - kernel) / stride + 1;
    if (height + 2 * padding < kernel || width + 2 * padding < kernel) {
      throw new ShapeException(
          "layer '" + layer + "' has a window of " + kernel + ", it is given " + this);
    }
    return new Signal(space, features, rows, columns, false, false, source);
  }

  Signal pooled(String layer) {
    requireImage(layer);
    return new Signal(space, features, 1, 1, false, false, source);
  }

  Signal flattened() {
    if (tokens) {
      throw new ShapeException("tokens are not flattened, but pooled; it is given " + this);
    }
    return new Signal(space, features, height, width, true, false, source);
  }

  /** An image as a sequence of its positions. */
  Signal sequence(String layer) {
    requireImage(layer);
    return new Signal(space, features, height * width, 1, false, true, source);
  }

  /** A sequence of some more tokens. */
  Signal longer(int more) {
    return new Signal(space, features, height + more, width, false, true, source);
  }

  /** A sequence with other features, each of some entries. */
  Signal entries(Description.Space other, long otherFeatures, long entries, int writer) {
    return new Signal(other, otherFeatures, height, entries, false, true, writer);
  }

  /** One token, or the mean of all. */
  Signal token() {
    return new Signal(space, features, 1, 1, true, false, source);
  }

  boolean sameShape(Signal other) {
    return features == other.features
        && height == other.height
        && width == other.width
        && flat == other.flat
        && tokens == other.tokens;
  }

  /** Spatial positions of each feature. */
  long positions() {
    return height * width;
  }

  /** Size of the last axis as a linear layer sees it. */
  long flatSize() {
    return features * repeat();
  }

  /** Neighbouring entries of a feature on the axis that holds the features. */
  long repeat() {
    return flat ? positions() : tokens ? width : 1;
  }

  /** Whether each token is as many features. */
  boolean isSequenceOf(long size) {
    return tokens && width == 1 && features == size && space != null;
  }

  void requireImage(String layer) {
    if (flat || tokens) {
      throw new ShapeException("layer '" + layer + "' reads images, it is given " + this);
    }
  }

  @Override
  public String toString() {
    if (tokens) {
      return height + " tokens of " + flatSize();
    }
    return flat ? "a vector of " + flatSize() : features + " channels of " + height + " x " + width;
  }
}
