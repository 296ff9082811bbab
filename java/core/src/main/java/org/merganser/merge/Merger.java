// SPDX-License-Identifier: Apache-2.0
package org.merganser.merge;

import java.io.IOException;
import org.merganser.compute.Workspace;
import org.merganser.io.Checkpoint;
import org.merganser.method.Method;

/** A method that combines checkpoints. */
public interface Merger extends Method {
  /**
   * The merged model: a lazy view, a tensor of which is merged when it is read, where a tensor
   * needs only its own counterparts; otherwise in memory.
   */
  Checkpoint merge(MergeProblem problem, Workspace ws) throws IOException;
}
