// SPDX-License-Identifier: Apache-2.0
package org.merganser.align;

import java.util.List;

/**
 * One {@link Alignment} for each model, the reference's included. Owns them: whoever called the
 * aligner closes the set, and with it all maps.
 */
public record AlignmentSet(List<Alignment> alignments) implements AutoCloseable {
  public AlignmentSet {
    alignments = List.copyOf(alignments);
  }

  /** Alignment of model i, which belongs to this set. */
  public Alignment of(int model) {
    return alignments.get(model);
  }

  public int size() {
    return alignments.size();
  }

  @Override
  public void close() {
    alignments.forEach(Alignment::close);
  }
}
