// SPDX-License-Identifier: Apache-2.0
package org.merganser.model;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;

/**
 * Ends an optimisation by its loss on data that no step sees, and says whose parameters to keep:
 * those of the least loss, of equals the first. The start is looked at before any step, so that
 * what is kept is never worse there. One for each optimisation, in its loop:
 *
 * <pre>
 *   EarlyStopping stopping = new EarlyStopping(10, 5);
 *   for (long step = 0; ; step++) {
 *     if (stopping.isDue(step, step == most) &amp;&amp; stopping.add(step, heldOutLoss())) {
 *       keep();
 *     }
 *     if (step == most || stopping.isOver()) {
 *       break;
 *     }
 *     descend();
 *   }
 * </pre>
 *
 * An interrupted optimisation goes on when its {@link #evaluations} are added again. Not
 * thread-safe.
 */
public final class EarlyStopping {
  private final int evalEvery;
  private final int patience;
  private final List<HeldOut> evaluations = new ArrayList<>();
  private int best = -1;

  /** Held-out loss after {@code step} steps. */
  public record HeldOut(long step, double loss) {}

  /**
   * @param evalEvery steps between two evaluations
   * @param patience evaluations without improvement after which it is over
   */
  public EarlyStopping(int evalEvery, int patience) {
    if (evalEvery < 1 || patience < 1) {
      throw new IllegalArgumentException(
          "evalEvery and patience must be at least 1, not " + evalEvery + " and " + patience);
    }
    this.evalEvery = evalEvery;
    this.patience = patience;
  }

  /**
   * Whether to evaluate now: at the start, every so many steps and at the end, each time once.
   *
   * @param step steps made
   * @param last whether there will be no more
   */
  public boolean isDue(long step, boolean last) {
    return (last || step % evalEvery == 0) && step > lastStep();
  }

  /**
   * Adds an evaluation.
   *
   * @param step steps made, more than at the evaluation before
   * @return whether it is the least loss so far. Equal ones are no improvement, nor is one that is
   *     not finite
   */
  public boolean add(long step, double loss) {
    if (step <= lastStep()) {
      throw new IllegalArgumentException(
          "an evaluation after step " + step + " cannot follow one after step " + lastStep());
    }
    evaluations.add(new HeldOut(step, loss));
    boolean better = Double.isFinite(loss) && (best < 0 || loss < evaluations.get(best).loss());
    best = better ? evaluations.size() - 1 : best;
    return better;
  }

  /** Whether the loss has not improved for the evaluations of the patience. */
  public boolean isOver() {
    return best >= 0 && evaluations.size() - 1 - best >= patience;
  }

  /** In order; a view. */
  public List<HeldOut> evaluations() {
    return Collections.unmodifiableList(evaluations);
  }

  /** Step of the least loss, or another when there was none. */
  public long bestStepOr(long other) {
    return best < 0 ? other : evaluations.get(best).step();
  }

  private long lastStep() {
    return evaluations.isEmpty() ? -1 : evaluations.get(evaluations.size() - 1).step();
  }
}
