// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch.objective;

import java.io.IOException;
import java.util.List;
import java.util.Locale;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.error.NumericalException;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.linalg.Tensor;
import org.merganser.merge.NpMerger;
import org.merganser.method.Settings;
import org.merganser.model.EarlyStopping;
import org.merganser.model.EarlyStopping.HeldOut;
import org.merganser.model.Objective.Slot;
import org.merganser.torch.internal.session.Descent;
import org.merganser.torch.internal.session.TorchSession;
import org.merganser.torch.training.Optimizer;

/**
 * Trains a model on for some steps of an objective, and keeps the parameters of the best held-out
 * score by an {@link EarlyStopping.Policy}. With {@link Options#adam}, the least loss, that at the
 * start among them: the same batches, evaluations and stopping as {@link NpMerger}, with the
 * parameters themselves free; what NP Merge is to be compared with.
 *
 * @param model of the best parameters
 * @param losses of the batch of each step
 * @param heldOut evaluations on the held-out data
 * @param bestStep step whose parameters are kept
 */
public record FineTuning(
    MemoryCheckpoint model, List<Double> losses, List<HeldOut> heldOut, long bestStep)
    implements AutoCloseable {

  public FineTuning {
    losses = List.copyOf(losses);
    heldOut = List.copyOf(heldOut);
  }

  /**
   * @param steps at most
   * @param stopping when to evaluate, to lower the rate and to end; of an objective that holds no
   *     samples out there is nothing to go by, and all steps are made
   */
  public record Options(Optimizer optimizer, long steps, EarlyStopping.Policy stopping) {
    public Options {
      if (steps < 1) {
        throw new IllegalArgumentException("steps must be at least 1, not " + steps);
      }
    }

    /** 200 steps, evaluations and stopping as NP Merge has them, {@link #adam}. */
    public static Options defaults() {
      NpMerger.Options np = NpMerger.Options.defaults();
      return adam(np.steps(), np.evalEvery(), np.patience());
    }

    /**
     * AdamW 1e-3 without weight decay, which is Adam, until the held-out loss has not become less
     * for so many evaluations.
     */
    public static Options adam(long steps, int evalEvery, int patience) {
      EarlyStopping.Policy least = EarlyStopping.Policy.leastLoss(evalEvery, patience);
      return new Options(new Optimizer.AdamW(1e-3, 0), steps, least);
    }

    public Options withOptimizer(Optimizer value) {
      return Settings.with(this, "optimizer", value);
    }

    public Options withSteps(long value) {
      return Settings.with(this, "steps", value);
    }

    public Options withStopping(EarlyStopping.Policy value) {
      return Settings.with(this, "stopping", value);
    }
  }

  /**
   * Trains on from a model, which is not changed.
   *
   * @throws NumericalException when the loss is no longer finite
   */
  public static FineTuning of(
      TorchObjective objective, Checkpoint start, Options options, Workspace ws)
      throws IOException {
    EarlyStopping stopping = new EarlyStopping(options.stopping());
    try (TorchObjectiveSession session = objective.openTorch(ws)) {
      for (Slot slot : objective.slots()) {
        try (Tensor stored = start.read(slot.name(), ws);
            Tensor wide = stored.to(DType.F32, ws)) {
          session.parameters().get(slot.name()).copyFrom(wide, ws);
        }
      }
      List<Double> losses =
          new Steps(options, ws)
              .run(session.torch(), session.parameters(), options.steps(), stopping, ws);
      return new FineTuning(
          objective.model(session, List.of(start), ws),
          losses,
          stopping.evaluations(),
          stopping.bestStepOr(losses.size()));
    }
  }

  /** Reports after each step. */
  private static final class Steps extends Descent<TorchSession> {
    private final Options options;
    private final Workspace ws;

    Steps(Options options, Workspace ws) {
      super(
          options.optimizer()::create,
          options.optimizer().learningRate(),
          step -> 1,
          Double.POSITIVE_INFINITY);
      this.options = options;
      this.ws = ws;
    }

    @Override
    protected String diverged(long step) {
      return "fine-tuning diverged in step " + (step + 1) + " of " + options.steps();
    }

    @Override
    protected void stepped(long made, double loss) {
      ws.progress()
          .report(
              "fine-tuning", made, options.steps(), String.format(Locale.ROOT, "loss %.4f", loss));
    }
  }

  @Override
  public void close() {
    model.close();
  }
}
