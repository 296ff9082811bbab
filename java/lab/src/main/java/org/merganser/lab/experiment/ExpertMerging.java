// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.merganser.compute.Workspace;
import org.merganser.internal.Opened;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.lab.experiment.ExpertMethods.Way;
import org.merganser.lab.experiment.ExpertPoint.Merged;
import org.merganser.lab.experiment.ExpertScoring.Scored;
import org.merganser.linalg.Tensor;
import org.merganser.merge.Interference;
import org.merganser.merge.MergeProblem;
import org.merganser.model.Evaluation;
import org.merganser.torch.Examples;

/**
 * Merges experts of one base by each of the methods, and measures them and what they become. The
 * last layer of each task takes no part, and is put on what was merged for the examples of its
 * task.
 *
 * @param bases of each task: the same but for the last layer
 */
record ExpertMerging(
    ExpertNetwork network,
    List<? extends Checkpoint> bases,
    ExpertMethods methods,
    ExpertScoring scoring) {
  /** Ends the name of a method whose weights are chosen as well. */
  static final String WEIGHTS = "+weights";

  private static final double[] TRIED_WEIGHTS = {0.5, 1.5};

  /** The base itself on the tasks. */
  TaskScores base(Workspace ws) throws IOException {
    return scoring.score((t, data, own) -> logits(bases.get(t), data, own), ws).scores();
  }

  /** What becomes of experts, by method. */
  @FunctionalInterface
  interface Combining {
    /**
     * @param bodies experts without the last layer
     * @param own what they are right on, each for itself
     */
    Map<String, Merged> of(List<Checkpoint> bodies, Scored own, Workspace ws) throws IOException;
  }

  /**
   * @param steps of each expert
   * @param models an expert of each task, as a whole
   */
  ExpertPoint point(
      List<Long> steps, List<? extends Checkpoint> models, Combining combining, Workspace ws)
      throws IOException {
    try (Opened opened = new Opened()) {
      List<MemoryCheckpoint> experts = new ArrayList<>();
      for (Checkpoint model : models) {
        experts.add(opened.add(MemoryCheckpoint.copyOf(model, ws)));
      }
      Scored own = scoring.score((t, data, w) -> logits(experts.get(t), data, w), ws);
      List<Checkpoint> bodies = experts.stream().map(this::body).toList();
      MergeProblem problem = MergeProblem.of(bodies).withBase(body(bases.get(0)));
      Interference.Of between = Interference.of(problem, ws).all();
      return new ExpertPoint(
          steps,
          own.scores(),
          IntStream.range(0, bodies.size()).mapToObj(between::norm).toList(),
          between.meanCosine(),
          between.signConflict(),
          between.keepRate(),
          combining.of(bodies, own, ws));
    }
  }

  /** Merged by each of the methods. */
  Map<String, Merged> merged(List<Checkpoint> bodies, Scored own, Workspace ws) throws IOException {
    List<Checkpoint> whole = new ArrayList<>();
    for (int t = 0; t < bodies.size(); t++) {
      whole.add(headed(bodies.get(t), t));
    }
    try (ExpertImportances importances = new ExpertImportances(network, scoring.tasks(), whole)) {
      return merged(new Experts(bodies, importances), own, ws);
    }
  }

  /**
   * What is merged.
   *
   * @param bodies without the last layer
   */
  private record Experts(List<Checkpoint> bodies, ExpertImportances importances) {}

  private Map<String, Merged> merged(Experts experts, Scored own, Workspace ws) throws IOException {
    Map<String, Merged> merged = new LinkedHashMap<>();
    for (Map.Entry<String, List<Way>> method : methods.named().entrySet()) {
      List<Way> ways = method.getValue();
      Way best = ways.size() == 1 ? ways.get(0) : best(ways, experts, ws);
      String chosen = ways.size() == 1 ? "" : best.settings();
      merged.put(method.getKey(), merged(best, chosen, experts, own, ws));
      if (methods.weighed().contains(method.getKey())) {
        Way all = weighed(best, experts, ws);
        merged.put(method.getKey() + WEIGHTS, merged(all, all.settings(), experts, own, ws));
      }
    }
    return merged;
  }

  private Merged merged(Way way, String chosen, Experts experts, Scored own, Workspace ws)
      throws IOException {
    try (Opened opened = new Opened()) {
      Scored scored = scoring.score(model(way, experts, opened, ws), ws);
      return new Merged(chosen, scored.scores(), scoring.forgotten(own, scored));
    }
  }

  /** Of several settings those best on held-out examples, of equals the first. */
  private Way best(List<Way> ways, Experts experts, Workspace ws) throws IOException {
    Way best = null;
    double most = Double.NEGATIVE_INFINITY;
    for (Way way : ways) {
      double accuracy = heldOut(way, experts, ws);
      best = accuracy > most ? way : best;
      most = Math.max(most, accuracy);
    }
    return best;
  }

  /** Weight by weight, less and more where that is better on held-out examples. */
  private Way weighed(Way way, Experts experts, Workspace ws) throws IOException {
    List<Double> weights = new ArrayList<>(Collections.nCopies(experts.bodies().size(), 1.0));
    double most = heldOut(way, experts, ws);
    for (int t = 0; t < weights.size(); t++) {
      double taken = 1;
      for (double weight : TRIED_WEIGHTS) {
        weights.set(t, weight);
        double accuracy = heldOut(way.with(weights), experts, ws);
        taken = accuracy > most ? weight : taken;
        most = Math.max(most, accuracy);
      }
      weights.set(t, taken);
    }
    return way.with(weights);
  }

  private double heldOut(Way way, Experts experts, Workspace ws) throws IOException {
    try (Opened opened = new Opened()) {
      return scoring.heldOut(model(way, experts, opened, ws), ws);
    }
  }

  /** What was merged, with the last layer of each task. */
  private ExpertScoring.Model model(Way way, Experts experts, Opened opened, Workspace ws)
      throws IOException {
    List<Checkpoint> importances = experts.importances().of(way.merger().needs().importance(), ws);
    List<MemoryCheckpoint> merged =
        way.merge(body(bases.get(0)), experts.bodies(), importances, ws);
    merged.forEach(opened::add);
    return (task, data, w) -> {
      Checkpoint own = merged.get(Math.min(task, merged.size() - 1));
      return logits(headed(own, task), data, w);
    };
  }

  /** Without the last layer. */
  Checkpoint body(Checkpoint model) {
    return model.where(name -> !network.isHead(name));
  }

  /** With the last layer of a task. */
  private Checkpoint headed(Checkpoint body, int task) {
    return new HeadedCheckpoint(body, bases.get(task).where(network::isHead));
  }

  private Tensor logits(Checkpoint model, Examples data, Workspace ws) throws IOException {
    return Evaluation.logits(network.network(), model, data, ws);
  }
}
