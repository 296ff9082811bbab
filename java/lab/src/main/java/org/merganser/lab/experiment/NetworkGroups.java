// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
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

/** Groups of trained networks: data, models, and the work of an experiment on them. */
final class NetworkGroups implements Groups {
  private final NetworkExperiment experiment;
  private final ExperimentOptions options;
  private DataSet data;
  private TorchNetwork network;

  NetworkGroups(NetworkExperiment experiment) {
    this.experiment = experiment;
    this.options = experiment.options();
  }

  @Override
  public void open(Runner run) throws IOException {
    open(0, run);
  }

  private void open(int index, Runner run) throws IOException {
    close();
    data = run.watch().time("data", () -> options.load(options.seed() + index));
    network = options.network(data);
    experiment.check(data, network);
  }

  @Override
  public Findings find(int index, Runner run) throws IOException {
    // Each group has its own draw of what is not read.
    if (index > 0 && options.data().equals(ExperimentOptions.BLOBS)) {
      open(index, run);
    }
    return run.journal().found(index, Journal.digest(data), () -> make(index, run));
  }

  private Findings make(int index, Runner run) throws IOException {
    Stopwatch watch = run.watch();
    Workspace ws = run.ws();
    ModelTraining.Trained trained = watch.time("train", () -> train(index, ws));
    int there = trained.models().size() - trained.trained();
    Findings found = new Findings(new ExperimentResult.Training(trained.trained(), there));
    Examples sample = options.sample(data);
    // As published: running statistics of all models are taken in the same way before comparing.
    List<MemoryCheckpoint> models =
        network.batchNorms().isEmpty()
            ? trained.models()
            : watch.time("repair", () -> reset(trained.models(), sample, ws));
    try (Pair pair = new Pair(index, options, network, data, models, sample, found, watch, ws)) {
      watch.run("evaluate", pair::evaluateModels);
      experiment.run(pair);
    }
    return found;
  }

  @Override
  public Told told(List<Findings> pairs, Runner run) {
    return new ResultReport(experiment, ExperimentResult.Data.of(data), network, pairs).told();
  }

  @Override
  public void close() {
    if (data != null) {
      data.close();
      data = null;
    }
  }

  private List<MemoryCheckpoint> reset(List<MemoryCheckpoint> models, Examples sample, Workspace ws)
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
  private ModelTraining.Trained train(int pair, Workspace ws) throws IOException {
    // Models of one pair split one draw; other pairs draw again.
    long splitSeed = options.seed() + pair;
    List<Examples> parts = options.split().apply(data.train(), options.models(), splitSeed);
    List<ModelTraining.Job> jobs = new ArrayList<>();
    for (int k = 0; k < options.models(); k++) {
      long seed = options.seed() + (long) pair * options.models() + k;
      jobs.add(new ModelTraining.Job(seed, parts.get(k), part(splitSeed, k)));
    }
    ModelTraining.Trained trained =
        new ModelTraining(network, options.training(), options.cache(), ws)
            .train(jobs, "train pair " + (pair + 1) + "/" + options.seeds());
    if (options.split() != Split.NONE) {
      parts.forEach(Examples::close);
    }
    return trained;
  }

  private String part(long splitSeed, int model) {
    String whole = data.name() + ", " + data.train().size() + " samples";
    return options.split() == Split.NONE
        ? whole
        : "%s, split %s of seed %d, model %d of %d"
            .formatted(whole, options.split(), splitSeed, model, options.models());
  }
}
