// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.merganser.compute.Workspace;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.lab.data.DataSet;
import org.merganser.lab.data.Split;
import org.merganser.repair.BatchNormFold;
import org.merganser.repair.BatchNormReset;
import org.merganser.torch.Examples;
import org.merganser.torch.TorchNetwork;
import org.merganser.torch.training.ModelTraining;

/** Runs an experiment: data, trained models, and its work on every group of them. */
final class Runner {
  private final NetworkExperiment experiment;
  private final ExperimentOptions options;
  private final Workspace ws;
  private final Stopwatch watch = new Stopwatch();
  private final List<Findings> pairs = new ArrayList<>();
  private ExperimentResult.Data summary;
  private TorchNetwork network;

  Runner(NetworkExperiment experiment, Workspace ws) {
    this.experiment = experiment;
    this.options = experiment.options();
    this.ws = ws;
  }

  ExperimentResult run() throws IOException {
    for (int pair = 0; pair < options.seeds(); ) {
      long drawSeed = options.seed() + pair;
      try (DataSet data = watch.time("data", () -> options.load(drawSeed))) {
        network = options.network(data);
        experiment.check(data, network);
        summary = ExperimentResult.Data.of(data);
        do {
          pairs.add(findings(pair++, data));
        } while (!isDrawn() && pair < options.seeds());
      }
    }
    return new ResultReport(experiment, summary, network, pairs).result(watch.seconds(), ws);
  }

  /** Of an interrupted run of the same settings and data, or found now. */
  private Findings findings(int index, DataSet data) throws IOException {
    Optional<Findings> before = experiment.journal(ws).read(index, data);
    if (before.isPresent()) {
      return before.get();
    }
    ModelTraining.Trained trained = watch.time("train", () -> train(index, data));
    int there = trained.models().size() - trained.trained();
    Findings found = new Findings(new ExperimentResult.Training(trained.trained(), there));
    Examples sample = options.sample(data);
    // As published: running statistics of all models are taken in the same way before comparing.
    List<MemoryCheckpoint> models =
        network.batchNorms().isEmpty()
            ? trained.models()
            : watch.time("repair", () -> reset(trained.models(), sample));
    try (Pair pair = new Pair(index, options, network, data, models, sample, found, watch, ws)) {
      watch.run("evaluate", pair::evaluateModels);
      experiment.run(pair);
    }
    experiment.journal(ws).write(index, data, found);
    return found;
  }

  /** Whether each pair has its own draw of the data. */
  private boolean isDrawn() {
    return options.data().equals(ExperimentOptions.BLOBS);
  }

  private List<MemoryCheckpoint> reset(List<MemoryCheckpoint> models, Examples sample)
      throws IOException {
    List<MemoryCheckpoint> reset = new ArrayList<>();
    BatchNormFold fold = BatchNormFold.of(network);
    for (MemoryCheckpoint model : models) {
      Checkpoint positive = fold.positive(model);
      reset.add(new BatchNormReset().apply(positive, network, options.batches(sample), ws));
      model.close();
    }
    return reset;
  }

  /** Model k of pair I has seed {@code seed + I models + k}: no two pairs share a model. */
  private ModelTraining.Trained train(int pair, DataSet data) throws IOException {
    // Models of one pair split one draw; other pairs draw again.
    long splitSeed = options.seed() + pair;
    List<Examples> parts = options.split().apply(data.train(), options.models(), splitSeed);
    List<ModelTraining.Job> jobs = new ArrayList<>();
    for (int k = 0; k < options.models(); k++) {
      long seed = options.seed() + (long) pair * options.models() + k;
      jobs.add(new ModelTraining.Job(seed, parts.get(k), part(data, splitSeed, k)));
    }
    ModelTraining.Trained trained =
        new ModelTraining(network, options.training(), options.cache(), ws)
            .train(jobs, "train pair " + (pair + 1) + "/" + options.seeds());
    if (options.split() != Split.NONE) {
      parts.forEach(Examples::close);
    }
    return trained;
  }

  private String part(DataSet data, long splitSeed, int model) {
    String whole = data.name() + ", " + data.train().size() + " samples";
    return options.split() == Split.NONE
        ? whole
        : "%s, split %s of seed %d, model %d of %d"
            .formatted(whole, options.split(), splitSeed, model, options.models());
  }
}
