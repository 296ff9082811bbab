// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import org.merganser.align.Aligner;
import org.merganser.align.AlignmentProblem;
import org.merganser.align.AlignmentSet;
import org.merganser.align.NormRule;
import org.merganser.compute.Workspace;
import org.merganser.internal.Opened;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.merge.LinearMerger;
import org.merganser.merge.MergeProblem;
import org.merganser.model.Architecture;
import org.merganser.stats.Moments;

/**
 * What one aligner found; of several of its settings, those of the best average count.
 *
 * @param models in the features of the first
 */
record Aligned(
    Choice<Aligner> choice, Aligner aligner, List<Checkpoint> models, MemoryCheckpoint average) {

  /**
   * Aligns by every aligner and evaluates the averages, in rows {@code average+ALIGNER}.
   *
   * @param open gets what is made
   */
  static List<Aligned> all(Pair pair, NetworkExperiment experiment, Opened open)
      throws IOException {
    List<Aligned> all = new ArrayList<>();
    Architecture architecture = pair.network().architecture();
    try (Moments moments = pair.statistics(experiment.request(architecture))) {
      AlignmentProblem problem = AlignmentProblem.of(architecture, moments);
      for (Choice<Aligner> choice : experiment.aligners()) {
        List<List<Checkpoint>> models = new ArrayList<>();
        List<Row.Way> ways = new ArrayList<>();
        for (int i = 0; i < choice.methods().size(); i++) {
          List<Checkpoint> aligned = aligned(pair, choice.methods().get(i), problem);
          aligned.forEach(open::add);
          models.add(aligned);
          ways.add(new Row.Way(choice.settings().get(i), () -> average(pair, aligned)));
        }
        Pair.Taken taken =
            pair.take(new Row("average+" + choice.name(), "averaged; " + choice.summary(), ways));
        all.add(
            new Aligned(
                choice,
                choice.methods().get(taken.way()),
                models.get(taken.way()),
                open.add(taken.model())));
      }
    }
    return all;
  }

  private static List<Checkpoint> aligned(Pair pair, Aligner aligner, AlignmentProblem problem)
      throws IOException {
    try (AlignmentSet found = pair.watch().time("align", () -> aligner.align(problem, pair.ws()))) {
      return pair.aligned(pair.models(), found.alignments(), NormRule.spread());
    }
  }

  private static MemoryCheckpoint average(Pair pair, List<Checkpoint> models) throws IOException {
    MemoryCheckpoint average = pair.merge(pair.network(), models, LinearMerger.uniform());
    return pair.network().batchNorms().isEmpty() ? average : pair.reset(average);
  }

  MergeProblem problem(Pair pair) {
    return MergeProblem.of(pair.network().architecture(), models);
  }

  /** A model aligned to what has been merged so far, with statistics taken anew. */
  MemoryCheckpoint realign(Pair pair, Checkpoint reference, Checkpoint model, Workspace own)
      throws IOException {
    Architecture architecture = pair.network().architecture();
    List<Checkpoint> both = List.of(reference, model);
    try (Moments moments =
            Moments.collect(
                pair.network(), both, pair.batches(), aligner.request(architecture), own);
        AlignmentSet found = aligner.align(AlignmentProblem.of(architecture, moments), own)) {
      return MemoryCheckpoint.copyOf(found.of(1).apply(model), own);
    }
  }
}
