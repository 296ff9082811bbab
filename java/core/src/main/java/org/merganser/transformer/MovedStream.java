// SPDX-License-Identifier: Apache-2.0
package org.merganser.transformer;

import java.util.List;
import org.merganser.internal.Names;
import org.merganser.io.Checkpoint;
import org.merganser.io.CheckpointView;

/**
 * What a canonical checkpoint says of itself when it may have changed the residual stream, so that
 * whatever reads that must have been changed along.
 */
public interface MovedStream {
  /** Whether it did. */
  boolean movesStream();

  /** Whether that is what a view shows, or all that it is made of; a copy does not tell. */
  static boolean isMoved(Checkpoint view) {
    if (view instanceof MovedStream moved && moved.movesStream()) {
      return true;
    }
    return view instanceof CheckpointView made
        && made.sources().stream().allMatch(MovedStream::isMoved);
  }

  /**
   * A sentence for each tensor of a model that may read the residual stream and is not known, such
   * as the pooler of BERT: it would stay as it is.
   */
  static List<String> refusals(Checkpoint canonical) {
    return canonical instanceof CanonicalCheckpoint model
        ? model.others().stream()
            .map(name -> Names.quote(name) + " may read the residual stream, and is not known")
            .toList()
        : List.of();
  }
}
