// SPDX-License-Identifier: Apache-2.0
package org.merganser.model;

import java.util.Iterator;
import org.merganser.linalg.Tensor;

/** Input batches of a data set; the same seed gives the same batches in the same order. */
public interface Inputs {

  /**
   * Batches from the start. A tensor is valid until the next one is asked, unless {@link
   * #inMemory}.
   */
  Iterator<Tensor> open(long seed);

  /** Whether batches are views of what is there anyway, and so stay valid. */
  default boolean inMemory() {
    return false;
  }

  /** Number of samples of one pass. */
  long samples();

  /** Samples with a class each; their order does not depend on the seed. */
  interface Labelled extends Inputs {
    /** Number of classes. */
    int classes();

    /**
     * The class of a sample, 0 to classes-1.
     *
     * @param sample in the order of the batches, from 0
     */
    int label(long sample);
  }
}
