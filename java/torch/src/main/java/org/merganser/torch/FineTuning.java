// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch;

import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.OptionalDouble;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.TensorVector;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.error.NumericalException;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.linalg.Tensor;
import org.merganser.model.EarlyStopping;
import org.merganser.model.EarlyStopping.HeldOut;
import org.merganser.model.Objective.Slot;

/**
 * Trains a model on for some steps of an objective, and keeps the parameters of the least held-out
 * loss, those at the start among them: the same batches, evaluations and stopping as {@link
 * org.merganser.merge.NpMerger}, with the parameters themselves free. What NP Merge is to be
 * compared with.
 *
 * @param model of the best parameters
 * @param losses of the batch of each step
 * @param heldOut evaluations on the held-out data
 * @param bestStep step whose parameters are kept
 */
public record FineTuning(
    MemoryCheckpoint model, List<Double> losses, List<HeldOut> heldOut, long bestStep)
    implements AutoCloseable {

  /**
   * @param steps at most
   * @param evalEvery steps between two evaluations
   * @param patience evaluations without improvement after which it ends
   */
  public record Options(Optimizer optimizer, long steps, int evalEvery, int patience) {
    public Options {
      if (steps < 1 || evalEvery < 1 || patience < 1) {
        throw new IllegalArgumentException(
            "steps, evalEvery and patience must be at least 1, not "
                + steps
                + ", "
                + evalEvery
                + " and "
                + patience);
      }
    }

    /** AdamW 1e-3 without weight decay, which is Adam; evaluations and stopping as given. */
    public static Options adam(long steps, int evalEvery, int patience) {
      return new Options(new Optimizer.AdamW(1e-3, 0), steps, evalEvery, patience);
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
    List<Slot> slots = objective.slots();
    Map<String, Tensor> best = new LinkedHashMap<>();
    List<Double> losses = new ArrayList<>();
    EarlyStopping stopping = new EarlyStopping(options.evalEvery(), options.patience());
    try (TorchObjectiveSession session = objective.openTorch(ws)) {
      read(start, slots, session, ws);
      org.bytedeco.pytorch.Optimizer optimizer =
          TorchNatives.call(
              objective.threads,
              () ->
                  options
                      .optimizer()
                      .create(
                          new TensorVector(
                              session.leaves().toArray(org.bytedeco.pytorch.Tensor[]::new))));
      try {
        for (long step = 0; ; step++) {
          boolean last = step == options.steps();
          if (stopping.isDue(step, last)) {
            OptionalDouble loss = session.heldOutLoss();
            if (step == 0 && loss.isPresent() && !Double.isFinite(loss.getAsDouble())) {
              throw new NumericalException(
                  "the held-out loss of the model to train on is " + loss.getAsDouble());
            }
            if (loss.isEmpty() ? last : stopping.add(step, loss.getAsDouble())) {
              keep(slots, session, best);
            }
          }
          if (last || stopping.isOver()) {
            break;
          }
          double loss = session.lossAndGradient(step);
          if (!Double.isFinite(loss)) {
            throw new NumericalException(
                "fine-tuning diverged: the loss of step "
                    + step
                    + " is "
                    + loss
                    + "; lower the learning rate (now "
                    + options.optimizer().learningRate()
                    + ")");
          }
          losses.add(loss);
          step(optimizer, objective.threads);
          ws.progress()
              .report(
                  "fine-tuning",
                  step + 1,
                  options.steps(),
                  String.format(Locale.ROOT, "loss %.4f", loss));
        }
      } finally {
        optimizer.close();
      }
      for (int s = 0; s < slots.size(); s++) {
        session.theta(s).copyFrom(best.get(slots.get(s).name()), ws);
      }
      return new FineTuning(
          objective.model(session, List.of(start), ws),
          losses,
          stopping.evaluations(),
          stopping.bestStepOr(losses.size()));
    } finally {
      best.values().forEach(Tensor::close);
    }
  }

  @SuppressWarnings("try")
  private static void step(org.bytedeco.pytorch.Optimizer optimizer, int threads)
      throws IOException {
    TorchNatives.call(
        threads,
        () -> {
          try (NoGradGuard guard = new NoGradGuard()) {
            optimizer.step().close();
          }
          return null;
        });
  }

  private static void read(
      Checkpoint start, List<Slot> slots, TorchObjectiveSession session, Workspace ws)
      throws IOException {
    for (int s = 0; s < slots.size(); s++) {
      try (Tensor stored = start.read(slots.get(s).name(), ws);
          Tensor wide = stored.to(DType.F32, ws)) {
        session.theta(s).copyFrom(wide, ws);
      }
    }
  }

  private static void keep(
      List<Slot> slots, TorchObjectiveSession session, Map<String, Tensor> best) {
    for (int s = 0; s < slots.size(); s++) {
      Tensor before = best.put(slots.get(s).name(), session.theta(s).copy());
      if (before != null) {
        before.close();
      }
    }
  }

  @Override
  public void close() {
    model.close();
  }
}
