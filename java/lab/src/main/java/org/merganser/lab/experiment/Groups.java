// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import java.io.Closeable;
import java.io.IOException;
import java.util.List;

/** The groups of models of one run of an experiment: what {@link Runner} goes through. */
interface Groups extends Closeable {
  /** Reads data, and checks all that can be before anything is trained. */
  void open(Runner run) throws IOException;

  /**
   * What there is to find about one group, which is in the journal when this returns.
   *
   * @param index from 0
   */
  Findings find(int index, Runner run) throws IOException;

  /** What is told of all of them. */
  Told told(List<Findings> found, Runner run) throws IOException;

  /** Closes what {@link #open} opened, also when that failed. */
  @Override
  default void close() throws IOException {}
}
