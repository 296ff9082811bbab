// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import java.util.List;

/**
 * How often a model is right on each task, or a model of its own for each task; parts of the
 * examples, in the order of the tasks.
 *
 * @param heldOut on examples that no step sees; what choices are made on
 * @param test on test examples
 * @param training on training examples, by the labels that were trained on
 * @param memorised on training examples with a wrong label, which counts as right; empty where all
 *     labels are right
 * @param deciles on training examples from the easiest tenth of each task to the hardest, mean over
 *     tasks
 */
record TaskScores(
    List<Double> heldOut,
    List<Double> test,
    List<Double> training,
    List<Double> memorised,
    List<Double> deciles) {

  /** Mean over tasks. */
  double meanTest() {
    return Summary.mean(test);
  }

  /** Mean over tasks. */
  double meanHeldOut() {
    return Summary.mean(heldOut);
  }

  /** The easiest fifth. */
  double easy() {
    return Summary.mean(deciles.subList(0, 2));
  }

  /** The hardest fifth. */
  double hard() {
    return Summary.mean(deciles.subList(deciles.size() - 2, deciles.size()));
  }

  /**
   * Mean over tasks of the accuracy relative to that of others; null where others are never right
   * on a task, whose quotient would be none.
   */
  Double relativeTo(TaskScores others) {
    if (others.test.contains(0.0)) {
      return null;
    }
    double sum = 0;
    for (int task = 0; task < test.size(); task++) {
      sum += test.get(task) / others.test.get(task);
    }
    return sum / test.size();
  }
}
