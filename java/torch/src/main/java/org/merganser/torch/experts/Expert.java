// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch.experts;

import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import org.merganser.error.IncompatibleModelsException;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.linalg.Tensor;
import org.merganser.lora.LoraAdapter;
import org.merganser.model.EarlyStopping.HeldOut;

/**
 * A network fine-tuned on a task, as it was after some numbers of steps.
 *
 * @param task its name
 * @param kept in order of steps, those that were reached
 * @param best with a policy of stopping, what it keeps: the expert of the best held-out score,
 *     which is the base (step 0) where the policy looks at the start and finds nothing better
 * @param losses of the batch of each step, before the step
 * @param heldOut evaluations of the policy of stopping
 * @param watched outputs for watched samples, in order of steps, those that were reached
 */
public record Expert(
    String task,
    List<Kept> kept,
    Optional<Kept> best,
    List<Double> losses,
    List<HeldOut> heldOut,
    List<Watched> watched)
    implements AutoCloseable {

  public Expert {
    kept = List.copyOf(kept);
    losses = List.copyOf(losses);
    heldOut = List.copyOf(heldOut);
    watched = List.copyOf(watched);
  }

  /** Over samples as they are, in evaluation mode: mean cross-entropy in nats, share of right. */
  public record Scores(double loss, double accuracy) {}

  /**
   * The expert after some steps.
   *
   * @param tensors what was trained: parameters and running statistics of the network, or factors
   *     under PEFT's names
   * @param adapter the same factors as an adapter, when there are some
   * @param train of all training samples
   */
  public record Kept(
      long step,
      MemoryCheckpoint tensors,
      Optional<LoraAdapter> adapter,
      Scores train,
      Scores heldOut)
      implements AutoCloseable {

    /**
     * The expert as a model: a view of the base with what was trained in its place, or folded.
     *
     * @throws IncompatibleModelsException when the base does not have what was trained
     */
    public Checkpoint model(Checkpoint base) {
      return adapter.isPresent() ? adapter.get().fold(base) : TrainedView.of(base, tensors);
    }

    @Override
    public void close() {
      tensors.close();
    }
  }

  /**
   * Outputs for the watched samples, as they are and in evaluation mode.
   *
   * @param probabilities softmax of the outputs, F32 [samples x classes]
   */
  public record Watched(long step, Tensor probabilities) {}

  /** What is kept after some steps; there need not be any. */
  public Optional<Kept> after(long step) {
    return kept.stream().filter(k -> k.step() == step).findFirst();
  }

  @Override
  public void close() {
    Stream.concat(kept.stream(), best.stream()).forEach(Kept::close);
    watched.forEach(w -> w.probabilities().close());
  }
}
