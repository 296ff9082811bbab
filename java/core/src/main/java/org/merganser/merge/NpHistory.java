// SPDX-License-Identifier: Apache-2.0
package org.merganser.merge;

import java.util.ArrayList;
import java.util.List;

/** How a run of {@link NpMerger} has gone so far. */
final class NpHistory {
  private final List<Double> losses = new ArrayList<>();
  private final List<NpMerger.HeldOut> evaluations = new ArrayList<>();
  private final Fingerprint fingerprint = new Fingerprint();
  private int best = -1;

  /** Of the models that are merged. */
  Fingerprint fingerprint() {
    return fingerprint;
  }

  /** Steps made. */
  long step() {
    return losses.size();
  }

  void stepped(double loss) {
    losses.add(loss);
  }

  /** Adds an evaluation on the held-out data; whether it is the best. Ties are no improvement. */
  boolean evaluated(double loss) {
    return add(new NpMerger.HeldOut(step(), loss));
  }

  private boolean add(NpMerger.HeldOut evaluation) {
    evaluations.add(evaluation);
    boolean better =
        Double.isFinite(evaluation.loss())
            && (best < 0 || evaluation.loss() < evaluations.get(best).loss());
    best = better ? evaluations.size() - 1 : best;
    return better;
  }

  /** Takes over what an interrupted run had found. */
  void restore(List<Double> allLosses, List<NpMerger.HeldOut> allEvaluations) {
    losses.addAll(allLosses);
    allEvaluations.forEach(this::add);
  }

  /** Evaluations since the best. */
  int sinceBest() {
    return best < 0 ? 0 : evaluations.size() - 1 - best;
  }

  /** Step of the best evaluation, or another when there was none. */
  long bestOr(long other) {
    return best < 0 ? other : evaluations.get(best).step();
  }

  double lastLoss() {
    return losses.get(losses.size() - 1);
  }

  NpMerger.HeldOut lastEvaluation() {
    return evaluations.get(evaluations.size() - 1);
  }

  List<Double> losses() {
    return losses;
  }

  List<NpMerger.HeldOut> evaluations() {
    return evaluations;
  }
}
