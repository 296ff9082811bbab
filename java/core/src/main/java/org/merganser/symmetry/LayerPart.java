// SPDX-License-Identifier: Apache-2.0
package org.merganser.symmetry;

import org.merganser.compute.Workspace;

/**
 * The attention or the MLP of one layer of two models, in memory: what a symmetry of its own acts
 * on, given the map of the residual stream.
 *
 * @param <S> the symmetry
 */
interface LayerPart<S> extends AutoCloseable {
  /** Moves the source into the stream of the target, once. */
  void move(Stream stream, Workspace ws);

  /**
   * The symmetry of the source that brings it nearest to the target.
   *
   * @param previous of an earlier sweep; null for none
   */
  S match(S previous, Workspace ws);

  /** A symmetry that is kept, with what a matching that was not taken says of the next one. */
  default S kept(S symmetry, S found) {
    return symmetry;
  }

  /** With what follows from the rest of a symmetry that was found otherwise. */
  default S completed(S symmetry, Workspace ws) {
    return symmetry;
  }

  /** How near it is to the target after a symmetry. */
  Fit fit(S symmetry);

  /** Adds what the residual map is found from, after a symmetry. */
  void addCross(S symmetry, Crosses sums, Workspace ws);

  @Override
  void close();
}
