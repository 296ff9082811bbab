// SPDX-License-Identifier: Apache-2.0
package org.merganser.cli;

import org.merganser.cka.CkaReliability;
import org.merganser.similarity.SimilarityGrid.Layers;

/** What a report on reliability takes. */
final class Reportable {
  /** Samples. */
  static final int LEAST = 5;

  private Reportable() {}

  /** Of samples that were skipped few may be left; of those with many rows a report takes few. */
  static void require(Layers layers) {
    int positions = layers.positions();
    long left = layers.a().values().iterator().next().rows() / positions;
    if (left < LEAST) {
      throw new IllegalArgumentException(
          "--reliability needs at least %d samples, not %d: %d are not finite"
              .formatted(LEAST, left, layers.dropped()));
    }
    int fitting = CkaReliability.MOST_ROWS / positions;
    if (fitting < LEAST) {
      throw new IllegalArgumentException(
          "--reliability takes %d rows at most, which hold %d samples of %d positions, and needs %d; take --flatten pool, the mean over positions"
              .formatted(CkaReliability.MOST_ROWS, fitting, positions, LEAST));
    }
  }
}
