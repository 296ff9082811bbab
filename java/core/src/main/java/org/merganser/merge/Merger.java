// SPDX-License-Identifier: Apache-2.0
package org.merganser.merge;

import org.merganser.compute.Workspace;
import org.merganser.io.Checkpoint;

/** A method that combines checkpoints. Immutable and thread-safe. */
public interface Merger {
  /** Name in tables and on the command line. */
  String id();

  /** The merged model as a lazy view: a tensor is merged when it is read. */
  Checkpoint merge(MergeProblem problem, Workspace ws);
}
