// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import java.util.Locale;

/** Which samples around a minimum, and how they are compared. */
enum LandscapeSampling {
  /**
   * Jumped and trained again, by the cosine of centred samples, and of potentials in the plane:
   * those of the paper.
   */
  RETRAINED("jump and retrain"),
  /** The same samples by Euclidean distances, as those below. */
  RETRAINED_EUCLIDEAN("jump and retrain, Euclidean"),
  /**
   * On lines through the minimum along the same directions, not trained. Euclidean: of all points
   * of a ray the cosine is one.
   */
  LINES("lines"),
  /** On a grid of the plane of the first two directions, likewise. */
  PLANE("plane");

  private final String text;

  LandscapeSampling(String text) {
    this.text = text;
  }

  /** In results. */
  String id() {
    return name().toLowerCase(Locale.ROOT).replace('_', '-');
  }

  String text() {
    return text;
  }
}
