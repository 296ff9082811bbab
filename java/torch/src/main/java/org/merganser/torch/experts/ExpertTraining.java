// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch.experts;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.merganser.compute.Workspace;
import org.merganser.internal.Opened;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.lora.LoraAdapter;
import org.merganser.torch.Examples;
import org.merganser.torch.TorchNetwork;
import org.merganser.torch.internal.session.ModelCache;
import org.merganser.torch.internal.session.Recipe;
import org.merganser.torch.internal.session.SideBySide;

/**
 * Fine-tunes one network, trained before, on several tasks at once, one libtorch thread each, so
 * that an expert depends on its task and seed alone; at that number of threads to the bit.
 * Cross-entropy of batches that are drawn without replacement.
 *
 * <p>With a folder experts are kept there, each under the hash of everything that it depends on but
 * the type of CPU (network, base, samples, settings, seed, versions), and read instead of trained
 * when they are there. Each is stored as soon as it is trained.
 *
 * <p>Source: Horoi et al. 2025, "Less is More: Undertraining Experts Improves Model Upcycling".
 *
 * @param base parameters that every expert begins with
 * @param cache the folder, made when it is not there; empty to keep nothing
 * @param ws how many at once, and until when
 */
public record ExpertTraining(
    TorchNetwork network,
    Checkpoint base,
    ExpertOptions options,
    Optional<Path> cache,
    Workspace ws) {

  /**
   * What an expert learns.
   *
   * @param name in messages and results
   * @param heldOut samples that no step sees, for scores and for stopping
   * @param watched samples whose outputs are kept at watched steps; the training samples if empty
   * @param classes those of the task, among which accuracies (and what stops by them) are decided;
   *     all if empty. Losses are of all outputs
   * @param seed of the order of the batches, and of new adapters
   */
  public record Task(
      String name,
      Examples train,
      Examples heldOut,
      Optional<Examples> watched,
      List<Integer> classes,
      long seed) {
    public Task {
      classes = List.copyOf(classes);
      if (heldOut == null) {
        throw new IllegalArgumentException(
            "task '"
                + name
                + "' has no held-out data, by which experts are scored and stopped; give some"
                + " samples that training does not see");
      }
    }

    /** A task of all classes, whose training samples are watched. */
    public Task(String name, Examples train, Examples heldOut, long seed) {
      this(name, train, heldOut, Optional.empty(), List.of(), seed);
    }
  }

  /**
   * One expert for each task.
   *
   * @param trained how many of them were trained, and not there before
   */
  public record Trained(List<Expert> experts, int trained) implements AutoCloseable {
    @Override
    public void close() {
      experts.forEach(Expert::close);
    }
  }

  /**
   * One expert for each task, trained or read.
   *
   * @param stage for progress
   * @throws org.merganser.error.FormatException when a kept expert is damaged, before any is
   *     trained
   * @throws IllegalArgumentException when network, options and tasks do not fit each other, before
   *     any is trained
   */
  public Trained train(List<Task> tasks, String stage) throws IOException {
    ExpertRun run = new ExpertRun(network, base, options, baseDigests());
    tasks.forEach(run::check);
    Expert[] experts = new Expert[tasks.size()];
    List<Integer> missing = new ArrayList<>();
    List<Long> seeds = new ArrayList<>();
    List<SideBySide.Job<Expert>> jobs = new ArrayList<>();
    Map<Examples, String> digests = new IdentityHashMap<>();
    try (Opened opened = new Opened()) {
      for (int i = 0; i < experts.length; i++) {
        Task task = tasks.get(i);
        Optional<Recipe> recipe = cache.map(c -> run.recipe(task, digests));
        Optional<MemoryCheckpoint> found =
            recipe.isEmpty() ? Optional.empty() : kept().find(recipe.get());
        if (found.isPresent()) {
          experts[i] = opened.add(run.file(task).unpack(found.get()));
          ws.progress().report("experts from cache", i + 1, experts.length);
        } else {
          missing.add(i);
          seeds.add(task.seed());
          jobs.add(own -> trained(run, task, recipe, own));
        }
      }
      List<Expert> found = new SideBySide(ws, options.steps()).all(stage, seeds, jobs);
      for (int i = 0; i < found.size(); i++) {
        experts[missing.get(i)] = found.get(i);
      }
      opened.release();
      return new Trained(Arrays.asList(experts), missing.size());
    }
  }

  private Map<String, String> baseDigests() throws IOException {
    return LoraAdapter.baseDigests(base, ws);
  }

  private ModelCache kept() {
    return new ModelCache(cache.orElseThrow());
  }

  private Expert trained(ExpertRun run, Task task, Optional<Recipe> recipe, Workspace own)
      throws IOException {
    try (Opened opened = new Opened()) {
      Expert expert = opened.add(run.train(task, own));
      if (recipe.isPresent()) {
        try (Opened packed = new Opened()) {
          kept().store(recipe.get(), run.file(task).pack(expert, packed));
        }
      }
      opened.release();
      return expert;
    }
  }
}
