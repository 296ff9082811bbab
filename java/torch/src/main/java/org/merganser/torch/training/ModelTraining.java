// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch.training;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.IdentityHashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.LongStream;
import org.merganser.compute.Workspace;
import org.merganser.internal.Opened;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.torch.Examples;
import org.merganser.torch.TorchNetwork;
import org.merganser.torch.internal.session.ModelCache;
import org.merganser.torch.internal.session.Recipe;
import org.merganser.torch.internal.session.SideBySide;

/**
 * Trains several models at once, such as those to be merged, one libtorch thread each: small
 * networks gain nothing from more, and the result of a model then depends on its seed alone.
 *
 * <p>With a folder models are kept there, each under the hash of everything that it depends on
 * (network, digest of the samples, settings, seed, versions, backend and instruction set), and read
 * instead of trained when they are there. Each is stored as soon as it is trained, so a cancelled
 * run loses only those in training.
 *
 * @param cache the folder, made when it is not there; empty to keep nothing
 */
public record ModelTraining(
    TorchNetwork network, Trainer.Options options, Optional<Path> cache, Workspace ws) {

  /**
   * A model to train.
   *
   * @param seed of its initial parameters and of the order of its batches
   * @param part what the data are, for who reads what a kept model depends on
   */
  public record Job(long seed, Examples data, String part) {}

  /**
   * One model for each job.
   *
   * @param trained how many of them were trained, and not there before
   */
  public record Trained(List<MemoryCheckpoint> models, int trained) {}

  /** Models of several seeds from the same samples, trained or read. */
  public List<MemoryCheckpoint> train(Examples data, long... seeds) throws IOException {
    return train(
            LongStream.of(seeds).mapToObj(seed -> new Job(seed, data, "all")).toList(), "train")
        .models();
  }

  /**
   * One model for each job.
   *
   * @param stage for progress
   * @throws org.merganser.error.FormatException when a kept model is damaged, before any is trained
   */
  public Trained train(List<Job> jobs, String stage) throws IOException {
    MemoryCheckpoint[] models = new MemoryCheckpoint[jobs.size()];
    List<Integer> missing = new ArrayList<>();
    List<Long> seeds = new ArrayList<>();
    List<SideBySide.Job<MemoryCheckpoint>> calls = new ArrayList<>();
    Map<Examples, String> digests = new IdentityHashMap<>();
    try (Opened opened = new Opened()) {
      for (int i = 0; i < models.length; i++) {
        Job job = jobs.get(i);
        // Without a cache there is none: digests of data take time.
        Optional<Recipe> recipe =
            cache.map(
                c -> {
                  String digest = digests.computeIfAbsent(job.data(), Examples::digest);
                  return recipe(
                      network, digest, job.part(), options, job.seed(), Recipe.machine(ws));
                });
        models[i] = recipe.isPresent() ? kept().find(recipe.get()).orElse(null) : null;
        if (models[i] != null) {
          opened.add(models[i]);
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
      opened.release();
      return new Trained(Arrays.asList(models), missing.size());
    }
  }

  /**
   * @param digest of the training examples
   * @param part which part of which data they are, for readers
   * @param machine {@link Recipe#machine}
   */
  static Recipe recipe(
      TorchNetwork network,
      String digest,
      String part,
      Trainer.Options options,
      long seed,
      String machine) {
    Map<String, Object> parts = new LinkedHashMap<>();
    parts.put("data", part);
    parts.put("examples sha256", digest);
    parts.put("trainer", options);
    parts.put("seed", seed);
    parts.put("machine", machine);
    return Recipe.of("trained model", network, parts);
  }

  private ModelCache kept() {
    return new ModelCache(cache.orElseThrow());
  }

  private MemoryCheckpoint train(Job job, Optional<Recipe> recipe, Workspace own)
      throws IOException {
    try (MemoryCheckpoint initial = network.initialise(job.seed());
        Opened opened = new Opened()) {
      MemoryCheckpoint model =
          opened.add(Trainer.train(network, initial, job.data(), options, own));
      if (recipe.isPresent()) {
        kept().store(recipe.get(), model);
      }
      opened.release();
      return model;
    }
  }
}
