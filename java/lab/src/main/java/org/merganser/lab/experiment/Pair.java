// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.OptionalInt;
import org.merganser.align.Alignment;
import org.merganser.align.NormRule;
import org.merganser.compute.Workspace;
import org.merganser.internal.Opened;
import org.merganser.internal.Seeds;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.lab.data.DataSet;
import org.merganser.lab.data.Split;
import org.merganser.linalg.Tensor;
import org.merganser.merge.MergeProblem;
import org.merganser.merge.Merger;
import org.merganser.model.Evaluation;
import org.merganser.model.Inputs;
import org.merganser.repair.BatchNormReset;
import org.merganser.stats.Moments;
import org.merganser.stats.StatisticsRequest;
import org.merganser.torch.Examples;
import org.merganser.torch.TorchNetwork;

/**
 * One group of trained models, and what is found about them.
 *
 * @param index from 0
 * @param models as they are compared: with running statistics, where there are any, that were taken
 *     in the same way for all, and no negative scale
 * @param sample the training samples that statistics are taken from
 */
record Pair(
    int index,
    ExperimentOptions options,
    TorchNetwork network,
    DataSet data,
    List<MemoryCheckpoint> models,
    Examples sample,
    Findings findings,
    Stopwatch watch,
    Workspace ws)
    implements AutoCloseable {
  /** Seed of what is drawn for this group. */
  long seed() {
    return options.seed() + index;
  }

  /** Of a network that is not trained: no model of any group begins there. */
  long untrainedSeed() {
    return Seeds.stream(seed(), "untrained").nextLong();
  }

  /** A name of a stage, for progress. */
  String stage(String what) {
    return what + " pair " + (index + 1) + "/" + options.seeds();
  }

  /** Training samples drawn at random with the seed of the pair, or all; fewer are part of more. */
  Examples drawn(OptionalInt count, String stream) {
    Examples all = data.train();
    if (count.isEmpty() || count.getAsInt() == all.size()) {
      return all.first(all.size());
    }
    int[] order = Seeds.order(all.size(), seed(), stream);
    return all.select(Arrays.copyOf(order, count.getAsInt()));
  }

  /** The statistics sample in the batches, and augmented, as statistics are taken. */
  Inputs batches() {
    return options.batches(sample);
  }

  /** The models themselves, the one that is best on the samples for choices, and the ensemble. */
  void evaluateModels() throws IOException {
    List<Evaluation> choice = evaluations(data.selection());
    List<Evaluation> test = evaluations(data.test());
    int all = models.size();
    int best = 0;
    for (int k = 1; k < all; k++) {
      best = isBetter(choice.get(k), choice.get(best)) ? k : best;
    }
    Evaluation mean = Summary.average(test.subList(0, all));
    add("base", "the models themselves, mean", mean, Summary.average(choice.subList(0, all)), "");
    String of = "the one of them that is best on the samples for choices";
    add("best-base", of, test.get(best), choice.get(best), "");
    of = "mean of their logits: as many models at run time";
    add("ensemble", of, test.get(all), choice.get(all), "");
  }

  /** Of each model, and of their ensemble at the end. */
  private List<Evaluation> evaluations(Examples examples) throws IOException {
    try (Opened opened = new Opened()) {
      List<Tensor> logits = new ArrayList<>();
      for (Checkpoint model : models) {
        logits.add(opened.add(Evaluation.logits(network, model, examples, ws)));
      }
      boolean disjoint = options.split() == Split.CLASSES;
      logits.add(
          opened.add(
              disjoint
                  ? Evaluation.disjoint(
                      logits, Split.classes(examples.classes(), models.size(), seed()))
                  : Evaluation.mean(logits)));
      return logits.stream().map(output -> Evaluation.ofLogits(output, examples)).toList();
    }
  }

  /** More accurate or, of equals, of less loss. */
  private static boolean isBetter(Evaluation a, Evaluation b) {
    return a.accuracy() > b.accuracy() || a.accuracy() == b.accuracy() && a.loss() < b.loss();
  }

  private void add(
      String id, String meaning, Evaluation test, Evaluation selection, String chosen) {
    findings.rows().put(id, new Findings.Found(meaning, test, selection, chosen));
  }

  /**
   * The model of a row that is taken.
   *
   * @param way index of the way it was made
   * @param model null for one with stale running statistics, which is refused
   */
  record Taken(int way, MemoryCheckpoint model) implements AutoCloseable {
    @Override
    public void close() {
      if (model != null) {
        model.close();
      }
    }
  }

  /** Makes the models of a row, and evaluates the one that is best on the samples for choices. */
  Taken take(Row row) throws IOException {
    Taken best = new Taken(0, null);
    Evaluation score = Findings.REFUSED;
    for (int i = 0; i < row.ways().size(); i++) {
      Taken next = new Taken(i, row.ways().get(i).model().get());
      if (!next.model.stale().isEmpty()) {
        next.close();
        add(row.id(), row.meaning(), Findings.REFUSED, Findings.REFUSED, "");
        return new Taken(0, null);
      }
      Evaluation own = select(next.model);
      boolean better = best.model == null || isBetter(own, score);
      (better ? best : next).close();
      best = better ? next : best;
      score = better ? own : score;
    }
    String chosen = row.ways().size() > 1 ? row.ways().get(best.way).settings() : "";
    keep("merged-" + row.id(), best.model);
    add(row.id(), row.meaning(), evaluate(best.model), score, chosen);
    return best;
  }

  private Evaluation select(Checkpoint model) throws IOException {
    return watch.time("select", () -> Evaluation.of(network, model, data.selection(), ws));
  }

  /** The test data on a model. */
  Evaluation evaluate(Checkpoint model) throws IOException {
    return watch.time("evaluate", () -> Evaluation.of(network, model, data.test(), ws));
  }

  /** Statistics of all models in one pass; kept, as the models are, when files are. */
  Moments statistics(StatisticsRequest request) throws IOException {
    Moments moments =
        watch.time("statistics", () -> Moments.collect(network, models, batches(), request, ws));
    for (int k = 0; k < models.size(); k++) {
      keep("model-" + k, models.get(k));
    }
    if (options.keep().isPresent()) {
      moments.save(options.runs().folder(index).resolve("stats.mgstats"), ws);
    }
    return moments;
  }

  /** Computed once: merging and what comes after it all read them. */
  List<Checkpoint> aligned(List<? extends Checkpoint> of, List<Alignment> maps, NormRule rule)
      throws IOException {
    return watch.time(
        "merge",
        () -> {
          List<Checkpoint> aligned = new ArrayList<>();
          for (int k = 0; k < of.size(); k++) {
            aligned.add(MemoryCheckpoint.copyOf(maps.get(k).apply(of.get(k), rule), ws));
          }
          return aligned;
        });
  }

  /** Merged and in memory. */
  MemoryCheckpoint merge(TorchNetwork of, List<Checkpoint> aligned, Merger merger)
      throws IOException {
    MergeProblem problem = MergeProblem.of(of.architecture(), aligned);
    return watch.time("merge", () -> MemoryCheckpoint.copyOf(merger.merge(problem, ws), ws));
  }

  /**
   * A model, which is closed, with running statistics taken anew: they are not merged, since dense
   * maps make them meaningless.
   */
  MemoryCheckpoint reset(Checkpoint merged) throws IOException {
    try (merged) {
      return watch.time("repair", () -> new BatchNormReset().apply(merged, network, batches(), ws));
    }
  }

  /** Writes a checkpoint when files are kept. */
  void keep(String name, Checkpoint checkpoint) throws IOException {
    options.runs().keep(index, name, checkpoint, ws);
  }

  @Override
  public void close() {
    models.forEach(Checkpoint::close);
  }
}
