// SPDX-License-Identifier: Apache-2.0
package org.merganser.compute;

/** Receives how far a long operation has come. Called from the thread that does the work. */
@FunctionalInterface
public interface Progress {
  /** Ignores everything. */
  Progress NONE = (stage, done, total) -> {};

  /**
   * @param stage what is running, in a few words
   * @param done units finished
   * @param total units in all, or -1 when unknown
   */
  void report(String stage, long done, long total);

  /**
   * As {@link #report(String, long, long)}, with what there is to say about the moment.
   *
   * @param detail such as the loss of now
   */
  default void report(String stage, long done, long total, String detail) {
    report(stage, done, total);
  }
}
