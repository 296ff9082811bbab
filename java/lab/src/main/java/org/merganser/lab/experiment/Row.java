// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import java.util.List;
import org.apache.commons.io.function.IOSupplier;
import org.merganser.io.MemoryCheckpoint;

/**
 * A line of the table: a model, made in one of several ways, of which each group of models takes
 * the best.
 *
 * @param meaning what it is, in words
 */
record Row(String id, String meaning, List<Way> ways) {
  /** Of a model that is there. */
  static Row of(String id, String meaning, MemoryCheckpoint model) {
    return new Row(id, meaning, List.of(new Way("", () -> model)));
  }

  /**
   * @param settings what is told when it is taken
   * @param model makes it
   */
  record Way(String settings, IOSupplier<MemoryCheckpoint> model) {}
}
