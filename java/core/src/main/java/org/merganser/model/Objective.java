// SPDX-License-Identifier: Apache-2.0
package org.merganser.model;

import java.io.IOException;
import java.util.List;
import java.util.OptionalDouble;
import org.merganser.compute.Workspace;
import org.merganser.io.Checkpoint;
import org.merganser.io.TensorInfo;
import org.merganser.linalg.Tensor;

/**
 * A loss of parameters, with its gradient: what {@link org.merganser.merge.NpMerger} lowers. It
 * owns the data. Immutable and thread-safe.
 */
public interface Objective {

  /** The parameters it is a function of, in order. All are F32. */
  List<Slot> slots();

  /** Sets up what one optimisation needs; the seed of the Workspace orders the data. */
  Session open(Workspace ws) throws IOException;

  /**
   * A parameter.
   *
   * @param name as in the checkpoints
   */
  record Slot(String name, TensorInfo info) {}

  /** One optimisation; serves one thread. */
  interface Session extends AutoCloseable {

    /**
     * Where the parameter is read from. It stays at its address, on the device of the Workspace, as
     * long as the session is open; the caller writes to it between the other calls.
     */
    Tensor theta(int slot);

    /**
     * The loss of the batch of a step at the theta of now, and its gradient. The batch depends on
     * the step and the seed only.
     *
     * @param step from 0
     */
    double lossAndGradient(long step) throws IOException;

    /** Gradient of the last {@link #lossAndGradient}, like theta; until the next call of it. */
    Tensor gradient(int slot);

    /** Mean loss of data that no step sees, at the theta of now; empty when there are none. */
    OptionalDouble heldOutLoss() throws IOException;

    /**
     * The tensors of the model that are not slots but follow from theta, such as running
     * statistics, computed for the theta of now. New tensors; empty when there are none.
     */
    Checkpoint buffers() throws IOException;

    @Override
    void close();
  }
}
