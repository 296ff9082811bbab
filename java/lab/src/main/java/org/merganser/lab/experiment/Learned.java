// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import java.util.List;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.merge.NpMerger;
import org.merganser.model.EarlyStopping.HeldOut;
import org.merganser.torch.objective.FineTuning;

/**
 * A model that was learned step by step.
 *
 * @param coefficients of each round of NP Merge; empty for fine-tuning
 * @param planes whether they are those of all models, not of the first only
 */
record Learned(MemoryCheckpoint model, Run run, List<MemoryCheckpoint> coefficients, boolean planes)
    implements AutoCloseable {

  /**
   * How learning went.
   *
   * @param steps of the evaluations on held-out samples
   * @param heldOut their losses
   * @param batchLoss of each step
   */
  record Run(long bestStep, List<Long> steps, List<Double> heldOut, List<Double> batchLoss) {
    static Run of(long bestStep, List<HeldOut> heldOut, List<Double> losses) {
      List<Long> steps = heldOut.stream().map(HeldOut::step).toList();
      return new Run(bestStep, steps, heldOut.stream().map(HeldOut::score).toList(), losses);
    }

    /** The loss of the evaluation at a step, or of what is kept when it had stopped before. */
    double heldOutAt(long step) {
      return heldOut.get(steps.indexOf(step <= batchLoss.size() ? step : bestStep));
    }
  }

  /** The last of several rounds; models of those before are closed. */
  static Learned of(List<NpMerger.Result> rounds, boolean planes) {
    NpMerger.Result last = rounds.get(rounds.size() - 1);
    rounds.subList(0, rounds.size() - 1).forEach(round -> round.model().close());
    return new Learned(
        last.model(),
        Run.of(last.bestStep(), last.heldOut(), last.losses()),
        rounds.stream().map(NpMerger.Result::coefficients).toList(),
        planes);
  }

  static Learned of(FineTuning tuned) {
    Run run = Run.of(tuned.bestStep(), tuned.heldOut(), tuned.losses());
    return new Learned(tuned.model(), run, List.of(), false);
  }

  @Override
  public void close() {
    model.close();
    coefficients.forEach(Checkpoint::close);
  }
}
