// SPDX-License-Identifier: Apache-2.0
package org.merganser.merge;

import java.util.List;
import java.util.OptionalDouble;
import org.merganser.error.NumericalException;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.model.EarlyStopping.HeldOut;

/**
 * What one run of {@link NpMerger} learned.
 *
 * @param model the merged model, of the best coefficients, in the types of the first model
 * @param coefficients coefficient of the first model in each parameter (of each model for {@link
 *     NpMerger.Form#SOFTMAX}), F32, under the names of the parameters: their shape, {@code [rows]}
 *     or {@code [1]}, for softmax with the models as a further first dimension
 * @param losses of the batch of each step, before the step
 * @param heldOut evaluations on the held-out data, the first at step 0; empty without such data
 * @param bestStep step whose coefficients are kept: that of the least held-out loss, the first of
 *     equals; the last without held-out data
 * @param stop why it ended
 * @param traffic what crossed between host and device after the models had been copied
 */
public record NpMerge(
    MemoryCheckpoint model,
    MemoryCheckpoint coefficients,
    List<Double> losses,
    List<HeldOut> heldOut,
    long bestStep,
    Stop stop,
    Traffic traffic)
    implements AutoCloseable {

  /** Bytes copied between host and device by the loop; 0 when everything lies where it runs. */
  public record Traffic(long toDevice, long toHost) {}

  /** Why a run ended. */
  public enum Stop {
    /** All steps were made. */
    STEPS,
    /** The held-out loss had not improved for the evaluations of the patience. */
    PATIENCE,
    /** A loss or a gradient was not finite; see {@link Diverged}. */
    DIVERGED
  }

  public NpMerge {
    losses = List.copyOf(losses);
    heldOut = List.copyOf(heldOut);
  }

  /** The least held-out loss. */
  public OptionalDouble bestHeldOutLoss() {
    return heldOut.stream()
        .filter(evaluation -> evaluation.step() == bestStep)
        .mapToDouble(HeldOut::loss)
        .findFirst();
  }

  @Override
  public void close() {
    model.close();
    coefficients.close();
  }

  /** A loss or a gradient was not finite. What had been learned until then is kept. */
  public static final class Diverged extends NumericalException {
    private static final long serialVersionUID = 1;

    private final transient NpMerge best;

    Diverged(String message, NpMerge best, Throwable cause) {
      super(message, cause);
      this.best = best;
    }

    /** The model of the best coefficients before; the caller closes it. */
    public NpMerge best() {
      return best;
    }
  }
}
