// SPDX-License-Identifier: Apache-2.0
package org.merganser.model;

import java.io.IOException;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalDouble;
import org.merganser.compute.Workspace;
import org.merganser.internal.Opened;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
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
   * The model of a session as it is now: theta in the slots, {@link Session#buffers}, and all else
   * as the first of the models has it, in its types. What is stale in any of them and not computed
   * anew stays so.
   *
   * @param models what theta was made of, of the same names and shapes
   * @return new tensors on the host
   */
  default MemoryCheckpoint model(Session session, List<? extends Checkpoint> models, Workspace ws)
      throws IOException {
    Checkpoint first = models.get(0);
    Map<String, Tensor> computed = new LinkedHashMap<>();
    try (Opened opened = new Opened();
        Checkpoint buffers = session.buffers()) {
      for (int s = 0; s < slots().size(); s++) {
        String name = slots().get(s).name();
        computed.put(name, opened.add(inType(first.info(name), session.theta(s), ws)));
      }
      for (String name : buffers.tensors().keySet()) {
        if (first.tensors().containsKey(name) && !computed.containsKey(name)) {
          try (Tensor buffer = buffers.read(name, ws)) {
            computed.put(name, opened.add(inType(first.info(name), buffer, ws)));
          }
        }
      }
      opened.release();
    }
    return MemoryCheckpoint.copyOf(new FirstOf(models), computed, ws);
  }

  /** A copy on the host in the type in which the models store it. */
  private static Tensor inType(TensorInfo info, Tensor computed, Workspace ws) {
    if (computed.dtype() == info.dtype() || !info.dtype().isArithmetic()) {
      return computed.toHost(ws);
    }
    try (Opened opened = new Opened()) {
      Tensor converted = opened.add(Tensor.allocate(info.dtype(), computed.shape()));
      converted.convertFrom(computed, ws);
      opened.release();
      return converted;
    }
  }

  /**
   * A parameter.
   *
   * @param name as in the checkpoints
   */
  record Slot(String name, TensorInfo info) {}

  /** One optimisation; serves one thread. */
  interface Session extends AutoCloseable {

    /**
     * Where the parameter is read from. It stays at its address as long as the session is open; the
     * caller writes to it between the other calls. On the device of the Workspace, and so the
     * gradients, nothing is copied during the steps.
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
