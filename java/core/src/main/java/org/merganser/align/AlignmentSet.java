// SPDX-License-Identifier: Apache-2.0
package org.merganser.align;

import java.util.List;

/** One {@link Alignment} for each model, the reference's included. */
public record AlignmentSet(List<Alignment> alignments) {
  public AlignmentSet {
    alignments = List.copyOf(alignments);
  }

  /** Alignment of model i. */
  public Alignment of(int model) {
    return alignments.get(model);
  }

  public int size() {
    return alignments.size();
  }
}
