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
 * @param cosine mean over pairs of experts, of their task vectors
 * @param signConflict mean over pairs, part of the parameters whose task vectors have other signs
 * @param kept part of the absolute sum of task vectors that survives the election of signs
 * @param merged by method
 */
record ExpertPoint(
    List<Long> steps,
    TaskScores experts,
    List<Double> distance,
    double cosine,
    double signConflict,
    double kept,
    Map<String, Merged> merged) {

  /**
   * One model for all tasks.
   *
   * @param chosen the settings taken, of several, by accuracy on held-out examples; else empty
   * @param forgotten part of the training examples of each tenth, from the easiest on, that the
   *     expert is right on and this is not; mean over tasks
   */
  record Merged(String chosen, TaskScores scores, List<Double> forgotten) {}

  Merged merged(String method) {
    Merged found = merged.get(method);
    if (found == null) {
      throw new IllegalArgumentException(
          "nothing was merged by '" + method + "'; there are " + merged.keySet());
    }
    return found;
  }
}
