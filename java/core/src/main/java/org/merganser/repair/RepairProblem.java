// SPDX-License-Identifier: Apache-2.0
package org.merganser.repair;

import java.util.Collections;
import java.util.List;
import org.merganser.io.Checkpoint;
import org.merganser.model.Inputs;
import org.merganser.model.Network;

/**
 * A merged model and what it was merged from.
 *
 * @param network computes all of them
 * @param merged the model to correct; it may have stale running statistics
 * @param endpoints the models that were averaged, aligned, the reference first
 * @param weights of the endpoints in the average, as {@code Merger.shares} says
 * @param inputs batches to measure on, of the training data
 */
public record RepairProblem(
    Network network,
    Checkpoint merged,
    List<Checkpoint> endpoints,
    List<Double> weights,
    Inputs inputs) {
  public RepairProblem {
    endpoints = List.copyOf(endpoints);
    weights = List.copyOf(weights);
    if (endpoints.isEmpty() || endpoints.size() != weights.size()) {
      throw new IllegalArgumentException(
          weights.size() + " weights for " + endpoints.size() + " endpoints; give one for each");
    }
  }

  /** Endpoints with equal weights. */
  public static RepairProblem of(
      Network network, Checkpoint merged, List<? extends Checkpoint> endpoints, Inputs inputs) {
    int models = endpoints.size();
    return new RepairProblem(
        network,
        merged,
        List.copyOf(endpoints),
        Collections.nCopies(models, 1.0 / Math.max(1, models)),
        inputs);
  }
}
