// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.concurrent.atomic.AtomicLong;
import org.merganser.compute.Workspace;
import org.merganser.internal.Threads;
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

  /** How many models were trained. */
  int trained() {
    return trained;
  }

  /** How many came out of the cache. */
  int cached() {
    return cached;
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
    AtomicLong done = new AtomicLong();
    List<Callable<MemoryCheckpoint>> calls = new ArrayList<>();
    for (int i : missing) {
      calls.add(
          () -> {
            MemoryCheckpoint model = trainOne(jobs.get(i), stage, done, missing.size());
            if (cache.isPresent()) {
              cache.get().store(recipes.get(i), model);
            }
            return model;
          });
    }
    // All have ended after this: none still reads the data after a failure.
    try (Threads threads = new Threads(Math.min(ws.threads(), missing.size()))) {
      List<MemoryCheckpoint> found = threads.all(calls);
      for (int i = 0; i < found.size(); i++) {
        models[missing.get(i)] = found.get(i);
      }
    }
  }

  private MemoryCheckpoint trainOne(Job job, String stage, AtomicLong done, int models)
      throws IOException {
    long total = (long) models * options.epochs();
    try (Workspace own =
        Workspace.builder()
            .backend(ws.backend())
            .threads(1)
            .seed(job.seed())
            .cancellation(ws.cancellation())
            .progress(
                (s, epoch, epochs) -> {
                  synchronized (ws) {
                    ws.progress().report(stage, done.incrementAndGet(), total);
                  }
                })
            .open()) {
      try (MemoryCheckpoint initial = network.initialise(job.seed())) {
        return Trainer.train(network, initial, job.data(), options, own);
      }
    }
  }
}
