// SPDX-License-Identifier: Apache-2.0
package org.merganser.model;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;

/**
 * Ends an optimisation by its score on data that no step sees, lowers its learning rate before, and
 * says whose parameters to keep: those of the best score, of equals the first. Where the policy
 * says so the start is looked at before any step, so that what is kept is never worse there. One
 * for each optimisation, in its loop:
 *
 * <pre>
 *   EarlyStopping stopping = new EarlyStopping(EarlyStopping.Policy.plateau(2000));
 *   for (long step = 0; ; step++) {
 *     if (stopping.isDue(step, step == most) &amp;&amp; stopping.add(step, heldOutAccuracy())) {
 *       keep();
 *     }
 *     if (step == most || stopping.isOver()) {
 *       break;
 *     }
 *     descend(learningRate * stopping.rate(step));
 *   }
 *   restore();
 * </pre>
 *
 * <p>When the score has not improved for the evaluations of the patience, be they scores that are
 * not finite from the start on, the rate is multiplied by the factor and the patience begins anew;
 * the last reduction ends it. With one reduction it ends when it has lost its patience, at the rate
 * it began with.
 *
 * <p>An interrupted optimisation goes on when its {@link #evaluations} are added again. Not
 * thread-safe.
 *
 * <p>Source: Horoi et al. 2025, "Less is More: Undertraining Experts Improves Model Upcycling",
 * whose experts stop at a plateau of held-out accuracy; its constants are not published, those of
 * {@link Policy#plateau} are ours.
 */
public final class EarlyStopping {
  private final Policy policy;
  private final List<HeldOut> evaluations = new ArrayList<>();
  private int best = -1;
  private int waited;
  private int reductions;

  /** What is looked at. */
  public enum Score {
    /** Less is better. */
    LOSS,
    /** More is better. */
    ACCURACY;

    private boolean isBetter(double value, double best, double minDelta) {
      return this == LOSS ? value < best - minDelta : value > best + minDelta;
    }
  }

  /**
   * When to evaluate, to lower the rate and to end.
   *
   * @param warmUp first steps, in which the learning rate rises linearly; 0 for none
   * @param evalEvery steps between two evaluations
   * @param patience evaluations without improvement after which the rate is lowered
   * @param factor multiplies the rate then; in (0, 1]
   * @param minDelta what is no more than this better than the best is no improvement
   * @param maxReductions the one that ends it
   * @param maxSteps that end it in any case
   * @param fromStart whether the start, before any step, is looked at and may be what is kept;
   *     without it the first evaluation is that after {@code evalEvery} steps
   */
  public record Policy(
      Score score,
      long warmUp,
      int evalEvery,
      int patience,
      double factor,
      double minDelta,
      int maxReductions,
      long maxSteps,
      boolean fromStart) {

    public Policy {
      if (evalEvery < 1 || patience < 1) {
        throw new IllegalArgumentException(
            "evalEvery and patience must be at least 1, not " + evalEvery + " and " + patience);
      }
      if (warmUp < 0 || maxReductions < 1 || maxSteps < 1) {
        throw new IllegalArgumentException(
            "warmUp must be at least 0, maxReductions and maxSteps at least 1, not "
                + warmUp
                + ", "
                + maxReductions
                + " and "
                + maxSteps);
      }
      if (!(factor > 0 && factor <= 1) || !(minDelta >= 0 && minDelta < Double.MAX_VALUE)) {
        throw new IllegalArgumentException(
            "factor must be in (0, 1] and minDelta at least 0, not " + factor + " and " + minDelta);
      }
    }

    /**
     * Accuracy, 10 steps of warm-up, an evaluation every 5, half the rate after 3 without
     * improvement, the end at the third time. The start is not looked at.
     */
    public static Policy plateau(long maxSteps) {
      return new Policy(Score.ACCURACY, 10, 5, 3, 0.5, 0, 3, maxSteps, false);
    }

    /** The least loss at a constant rate, from the start on, until the patience is lost. */
    public static Policy leastLoss(int evalEvery, int patience) {
      return new Policy(Score.LOSS, 0, evalEvery, patience, 1, 0, 1, Long.MAX_VALUE, true);
    }

    /** This, evaluated and ended otherwise. */
    public Policy every(int steps, int evaluations, int reductions) {
      return new Policy(
          score, warmUp, steps, evaluations, factor, minDelta, reductions, maxSteps, fromStart);
    }

    /** This, with the start looked at or not. */
    public Policy fromStart(boolean looked) {
      return new Policy(
          score, warmUp, evalEvery, patience, factor, minDelta, maxReductions, maxSteps, looked);
    }
  }

  /** Score on held-out data after {@code step} steps. */
  public record HeldOut(long step, double score) {}

  public EarlyStopping(Policy policy) {
    this.policy = policy;
  }

  /**
   * By {@link Policy#leastLoss}.
   *
   * @param evalEvery steps between two evaluations
   * @param patience evaluations without improvement after which it is over
   */
  public EarlyStopping(int evalEvery, int patience) {
    this(Policy.leastLoss(evalEvery, patience));
  }

  /** Its constants. */
  public Policy policy() {
    return policy;
  }

  /**
   * Whether to evaluate now: at the start where the policy says so, every so many steps and at the
   * end, each time once.
   *
   * @param step steps made
   * @param last whether there will be no more
   */
  public boolean isDue(long step, boolean last) {
    boolean end = last || step == policy.maxSteps();
    boolean regular = step % policy.evalEvery() == 0 && (step > 0 || policy.fromStart());
    return (end || regular) && step > lastStep();
  }

  /**
   * Adds an evaluation.
   *
   * @param step steps made, more than at the evaluation before
   * @return whether it is the best score so far. Equal ones are no improvement, nor is one that is
   *     not finite
   */
  public boolean add(long step, double score) {
    if (step <= lastStep()) {
      throw new IllegalArgumentException(
          "an evaluation after step " + step + " cannot follow one after step " + lastStep());
    }
    evaluations.add(new HeldOut(step, score));
    boolean better =
        Double.isFinite(score)
            && (best < 0
                || policy
                    .score()
                    .isBetter(score, evaluations.get(best).score(), policy.minDelta()));
    if (better) {
      best = evaluations.size() - 1;
      waited = 0;
    } else if (++waited == policy.patience()) {
      waited = 0;
      reductions++;
    }
    return better;
  }

  /** Whether the last reduction, or the last step, has been made. */
  public boolean isOver() {
    return reductions >= policy.maxReductions() || lastStep() >= policy.maxSteps();
  }

  /**
   * What the learning rate of a step is multiplied by: {@code min(1, (step + 1) / warmUp)
   * factor^reductions}.
   *
   * @param step from 0: steps made before it
   */
  public double rate(long step) {
    double warm = step < policy.warmUp() ? (step + 1.0) / policy.warmUp() : 1;
    return warm * Math.pow(policy.factor(), reductions);
  }

  /** How often the rate was lowered. */
  public int reductions() {
    return reductions;
  }

  /** In order; a view. */
  public List<HeldOut> evaluations() {
    return Collections.unmodifiableList(evaluations);
  }

  /** Step of the best score, or another when there was none. */
  public long bestStepOr(long other) {
    return best < 0 ? other : evaluations.get(best).step();
  }

  private long lastStep() {
    return evaluations.isEmpty() ? -1 : evaluations.get(evaluations.size() - 1).step();
  }
}
