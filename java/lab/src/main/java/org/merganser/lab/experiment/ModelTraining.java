// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.apache.commons.io.function.IOFunction;
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
record ModelTraining(
    TorchNetwork network, Trainer.Options options, Optional<ModelCache> cache, Workspace ws) {

  /**
   * A model to train.
   *
   * @param part what the data are, for the recipe
   */
  record Job(long seed, Examples data, String part) {}

  /** One model for each job, and how they came about. */
  record Trained(List<MemoryCheckpoint> models, ExperimentResult.Training training) {}

  Trained train(List<Job> jobs, String stage) throws IOException {
    MemoryCheckpoint[] models = new MemoryCheckpoint[jobs.size()];
    List<Integer> missing = new ArrayList<>();
    List<Long> seeds = new ArrayList<>();
    List<IOFunction<Workspace, MemoryCheckpoint>> calls = new ArrayList<>();
    Map<Examples, String> digests = new IdentityHashMap<>();
    for (int i = 0; i < models.length; i++) {
      Job job = jobs.get(i);
      // Without a cache there is none: digests of data take time.
      Optional<Recipe> recipe =
          cache.map(
              c -> {
                String digest = digests.computeIfAbsent(job.data(), Recipe::digest);
                return Recipe.of(network, digest, job.part(), options, job.seed());
              });
      models[i] = recipe.isPresent() ? cache.get().find(recipe.get()).orElse(null) : null;
      if (models[i] != null) {
        ws.progress().report("models from cache", i + 1, models.length);
      } else {
        missing.add(i);
        seeds.add(job.seed());
        calls.add(own -> train(job, recipe, own));
      }
    }
    List<MemoryCheckpoint> found = new SideBySide(ws, options.epochs()).all(stage, seeds, calls);
    for (int i = 0; i < found.size(); i++) {
      models[missing.get(i)] = found.get(i);
    }
    return new Trained(
        Arrays.asList(models),
        new ExperimentResult.Training(missing.size(), models.length - missing.size()));
  }

  private MemoryCheckpoint train(Job job, Optional<Recipe> recipe, Workspace own)
      throws IOException {
    try (MemoryCheckpoint initial = network.initialise(job.seed())) {
      MemoryCheckpoint model = Trainer.train(network, initial, job.data(), options, own);
      if (recipe.isPresent()) {
        cache.get().store(recipe.get(), model);
      }
      return model;
    }
  }
}
