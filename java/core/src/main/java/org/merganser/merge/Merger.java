// SPDX-License-Identifier: Apache-2.0
package org.merganser.merge;

import java.io.IOException;
import org.merganser.compute.Workspace;
import org.merganser.io.Checkpoint;
import org.merganser.method.Method;

/** A method that combines checkpoints. */
public interface Merger extends Method {
  /** What a problem must have; any models without a base, unless a method says otherwise. */
  default Needs needs() {
    return Needs.MODELS;
  }

  /**
   * The merged model: a lazy view, a tensor of which is merged when it is read, where a tensor
   * needs only its own counterparts; otherwise in memory.
   */
  Checkpoint merge(MergeProblem problem, Workspace ws) throws IOException;

  /**
   * What a problem must have.
   *
   * @param base whether the model is needed that all were trained from
   * @param fewest models beside the base
   * @param most models beside the base
   */
  record Needs(boolean base, int fewest, int most) {
    static final Needs MODELS = new Needs(false, 1, Integer.MAX_VALUE);

    /**
     * Refuses a problem that a method cannot solve.
     *
     * @throws IllegalArgumentException saying what is missing, or given and not used
     */
    void check(String id, MergeProblem problem) {
      int models = problem.models().size();
      if (models < fewest || models > most) {
        throw new IllegalArgumentException(
            id
                + " merges "
                + (fewest == most ? fewest : "between " + fewest + " and " + most)
                + " models, not "
                + models);
      }
      if (base && problem.base().isEmpty()) {
        throw new IllegalArgumentException(
            id + " needs the base, the model that the others were trained from (withBase)");
      }
      if (!base && problem.base().isPresent()) {
        throw new IllegalArgumentException(
            id + " uses no base; give it as one of the models, or take a method that does");
      }
    }
  }
}
