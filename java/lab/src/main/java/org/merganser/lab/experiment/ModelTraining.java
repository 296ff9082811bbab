// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.merganser.compute.Workspace;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.torch.Examples;
import org.merganser.torch.TorchNetwork;
import org.merganser.torch.training.Trainer;

/**
 * Trains several models at once, one libtorch thread each: small networks gain nothing from more,
 * and the result of a model then depends on its seed alone. Models that are in the cache are read
 * instead; each of the others is stored as soon as it is trained, so a cancelled run loses only
 * those in training.
 */
final class ModelTraining {
  private final TorchNetwork network;
  private final Trainer.Options options;
  private final Optional<ModelCache> cache;
  private final Workspace ws;
  private int trained;
  private int cached;

  /**
   * A model to train.
   *
   * @param part what the data are, for the recipe
   */
  record Job(long seed, Examples data, String part) {}

  ModelTraining(
      TorchNetwork network, Trainer.Options options, Optional<ModelCache> cache, Workspace ws) {
    this.network = network;
    this.options = options;
    this.cache = cache;
    this.ws = ws;
  }

  ExperimentResult.Training done() {
    return new ExperimentResult.Training(trained, cached);
  }

  /** One model for each job. */
  List<MemoryCheckpoint> train(List<Job> jobs, String stage) throws IOException {
    MemoryCheckpoint[] models = new MemoryCheckpoint[jobs.size()];
    List<Recipe> recipes = recipes(jobs);
    for (int i = 0; i < jobs.size() && cache.isPresent(); i++) {
      Optional<MemoryCheckpoint> found = cache.get().find(recipes.get(i));
      if (found.isPresent()) {
        models[i] = found.get();
        cached++;
        ws.progress().report("models from cache", i + 1, jobs.size());
      }
    }
    List<Integer> missing = new ArrayList<>();
    for (int i = 0; i < models.length; i++) {
      if (models[i] == null) {
        missing.add(i);
      }
    }
    if (!missing.isEmpty()) {
      trainMissing(jobs, recipes, missing, models, stage);
      trained += missing.size();
    }
    return Arrays.asList(models);
  }

  /** Empty without a cache: digests of data take time. */
  private List<Recipe> recipes(List<Job> jobs) {
    List<Recipe> recipes = new ArrayList<>();
    Map<Examples, String> digests = new IdentityHashMap<>();
    for (Job job : cache.isPresent() ? jobs : List.<Job>of()) {
      String digest = digests.computeIfAbsent(job.data(), Recipe::digest);
      recipes.add(Recipe.of(network, digest, job.part(), options, job.seed()));
    }
    return recipes;
  }

  private void trainMissing(
      List<Job> jobs,
      List<Recipe> recipes,
      List<Integer> missing,
      MemoryCheckpoint[] models,
      String stage)
      throws IOException {
    List<SideBySide.Job<MemoryCheckpoint>> calls = new ArrayList<>();
    for (int i : missing) {
      Job job = jobs.get(i);
      calls.add(
          own -> {
            try (MemoryCheckpoint initial = network.initialise(job.seed())) {
              MemoryCheckpoint model = Trainer.train(network, initial, job.data(), options, own);
              if (cache.isPresent()) {
                cache.get().store(recipes.get(i), model);
              }
              return model;
            }
          });
    }
    List<Long> seeds = missing.stream().map(i -> jobs.get(i).seed()).toList();
    List<MemoryCheckpoint> found = new SideBySide(ws, options.epochs()).all(stage, seeds, calls);
    for (int i = 0; i < found.size(); i++) {
      models[missing.get(i)] = found.get(i);
    }
  }
}
