// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import java.util.List;
import java.util.Map;

/**
 * Experts of all tasks after some length of training, and what became of them by merging.
 *
 * @param steps of the expert of each task
 * @param experts each on its own task
 * @param distance of each from the base, the Euclidean norm of its task vector
 * @param cosine mean over pairs of experts, of their task vectors; null when fewer than two experts
 *     differ from the base
 * @param signConflict mean over pairs, part of the parameters whose task vectors have other signs;
 *     null without pairs
 * @param kept part of the absolute sum of task vectors that survives the election of signs; null
 *     when no expert differs from the base
 * @param merged by method
 */
record ExpertPoint(
    List<Long> steps,
    TaskScores experts,
    List<Double> distance,
    Double cosine,
    Double signConflict,
    Double kept,
    Map<String, Merged> merged) {

  ExpertPoint {
    cosine = known(cosine);
    signConflict = known(signConflict);
    kept = known(kept);
  }

  private static Double known(Double value) {
    return value == null || value.isNaN() ? null : value;
  }

  /**
   * One model for all tasks.
   *
   * @param chosen the settings taken, of several, by accuracy on held-out examples; else empty
   * @param forgotten part of the training examples of each tenth, from the easiest on, that the
   *     expert is right on and this is not; mean over tasks
   */
  record Merged(String chosen, TaskScores scores, List<Double> forgotten) {
    /** Of the settings taken; null without. */
    Double lambda() {
      return ExpertMethods.Way.lambda(chosen);
    }
  }

  Merged merged(String method) {
    Merged found = merged.get(method);
    if (found == null) {
      throw new IllegalArgumentException(
          "nothing was merged by '" + method + "'; there are " + merged.keySet());
    }
    return found;
  }
}
