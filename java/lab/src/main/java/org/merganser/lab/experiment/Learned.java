// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import java.util.List;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.merge.NpMerger;
import org.merganser.model.EarlyStopping;
import org.merganser.torch.objective.FineTuning;

/**
 * A model that was learned step by step.
 *
 * @param coefficients of each round of NP Merge; empty for fine-tuning
 * @param planes whether they are those of all models, not of the first only
 */
record Learned(
    MemoryCheckpoint model,
    List<Double> losses,
    List<EarlyStopping.HeldOut> heldOut,
    long bestStep,
    List<MemoryCheckpoint> coefficients,
    boolean planes)
    implements AutoCloseable {

  /** The last of several rounds; models of those before are closed. */
  static Learned of(List<NpMerger.Result> rounds, boolean planes) {
    NpMerger.Result last = rounds.get(rounds.size() - 1);
    rounds.subList(0, rounds.size() - 1).forEach(round -> round.model().close());
    return new Learned(
        last.model(),
        last.losses(),
        last.heldOut(),
        last.bestStep(),
        rounds.stream().map(NpMerger.Result::coefficients).toList(),
        planes);
  }

  static Learned of(FineTuning tuned) {
    return new Learned(
        tuned.model(), tuned.losses(), tuned.heldOut(), tuned.bestStep(), List.of(), false);
  }

  @Override
  public void close() {
    model.close();
    coefficients.forEach(Checkpoint::close);
  }
}
