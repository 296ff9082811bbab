// SPDX-License-Identifier: Apache-2.0
package org.merganser.repair;

import java.io.IOException;
import org.merganser.compute.Workspace;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.method.Method;
import org.merganser.model.Network;

/** A way to correct a merged model with a few forward passes. */
public interface Repair extends Method {
  @Override
  default String requires() {
    return "the network and inputs";
  }

  /**
   * Refuses a network that it cannot correct, before any work.
   *
   * @throws org.merganser.error.IncompatibleModelsException naming the repair that can
   */
  void check(Network network);

  /**
   * A corrected copy of {@code problem.merged()}; its inputs are not changed.
   *
   * @throws org.merganser.error.IncompatibleModelsException when the network has nothing that this
   *     repair can correct, naming the one that can
   */
  MemoryCheckpoint apply(RepairProblem problem, Workspace ws) throws IOException;
}
