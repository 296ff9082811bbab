// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.merganser.compute.Workspace;
import org.merganser.internal.Opened;
import org.merganser.internal.Seeds;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.lab.data.ExpertTask;
import org.merganser.lab.data.ExpertTasks;
import org.merganser.lab.experiment.UndertrainingExperiment.Form;
import org.merganser.lab.experiment.UndertrainingExperiment.Options;
import org.merganser.linalg.Tensor;
import org.merganser.lora.LoraAdapter;
import org.merganser.model.ExampleDifficulty;
import org.merganser.torch.Examples;
import org.merganser.torch.experts.Expert;
import org.merganser.torch.experts.ExpertOptions;
import org.merganser.torch.experts.ExpertTraining;
import org.merganser.torch.experts.SharedTraining;
import org.merganser.torch.internal.session.SideBySide;
import org.merganser.torch.training.Optimizer;

/**
 * Trains experts of a base on tasks, in every form, and measures those of every length and what
 * they become when merged.
 */
final class ExpertRuns implements AutoCloseable {
  /** Orders of the batches that difficulty is averaged over. */
  static final int DIFFICULTY_RUNS = 3;

  private final Options options;
  private final ExpertNetwork network;
  private final List<MemoryCheckpoint> bases;
  private final List<ExpertTask> tasks;
  private final long seed;
  private final Stopwatch watch;
  private final Workspace ws;
  private final ExpertScoring scoring;
  private final ExpertMerging merging;
  private final ExpertMixtures mixtures;
  private final Map<Form, Trained> all = new LinkedHashMap<>();
  private ExperimentResult.Training training = ExperimentResult.Training.NONE;

  ExpertRuns(
      Options options,
      ExpertNetwork network,
      List<MemoryCheckpoint> bases,
      ExpertTasks tasks,
      long seed,
      Stopwatch watch,
      Workspace ws)
      throws IOException {
    this.options = options;
    this.network = network;
    this.bases = bases;
    this.tasks = tasks.tasks();
    this.seed = seed;
    this.watch = watch;
    this.ws = ws;
    this.scoring = new ExpertScoring(this.tasks, watch.time("difficulty", this::difficulty));
    ExpertMethods methods =
        ExpertMethods.of(options.methods(), options.weights(), bases.size(), seed);
    this.merging = new ExpertMerging(network, bases, methods, scoring);
    this.mixtures = new ExpertMixtures(options.mixing(), network, bases, scoring, options.batch());
  }

  /** What all tasks begin with. */
  static List<MemoryCheckpoint> bases(
      Options options, ExpertNetwork network, ExpertTasks tasks, long seed, Workspace ws)
      throws IOException {
    SharedTraining training =
        new SharedTraining(
            network.network(),
            List.of(network.head()),
            new Optimizer.AdamW(options.lr(), 0),
            options.baseSteps(),
            options.batch());
    List<Examples> parts = tasks.tasks().stream().map(ExpertTask::pretraining).toList();
    List<SideBySide.Job<List<MemoryCheckpoint>>> job = List.of(own -> training.train(parts, own));
    long start = Seeds.derive(seed, "base");
    return new SideBySide(ws, options.baseSteps()).all("base", List.of(start), job).get(0);
  }

  TaskScores base() {
    try {
      return merging.base(ws);
    } catch (IOException e) {
      throw new java.io.UncheckedIOException(e);
    }
  }

  /** How experts came about since it was last asked. */
  ExperimentResult.Training takeTraining() {
    ExperimentResult.Training taken = training;
    training = ExperimentResult.Training.NONE;
    return taken;
  }

  /** By EL2N after a few steps of full fine-tuning, mean over several orders of the batches. */
  private List<ExampleDifficulty> difficulty() throws IOException {
    List<SideBySide.Job<ExampleDifficulty>> jobs = new ArrayList<>();
    for (int t = 0; t < tasks.size(); t++) {
      int task = t;
      jobs.add(own -> difficulty(task, own));
    }
    List<Long> seeds = Collections.nCopies(jobs.size(), seed);
    return new SideBySide(ws, DIFFICULTY_RUNS).all("difficulty", seeds, jobs);
  }

  private ExampleDifficulty difficulty(int t, Workspace own) throws IOException {
    ExpertTask task = tasks.get(t);
    int steps = ExampleDifficulty.EL2N_STEPS;
    ExpertOptions few = steps(options, options.lr(), steps, network.head()).withWatched(steps);
    try (Opened opened = new Opened()) {
      List<Tensor> probabilities = new ArrayList<>();
      for (int run = 0; run < DIFFICULTY_RUNS; run++) {
        long order = Seeds.derive(seed, "difficulty/" + run + "/" + task.name());
        ExpertTraining.Trained one =
            opened.add(train(t, few, Optional.empty(), order, "difficulty", own));
        probabilities.add(one.experts().get(0).watched().get(0).probabilities());
      }
      return ExampleDifficulty.el2n(probabilities, task.train().labels());
    }
  }

  private ExpertTraining.Trained train(
      int t, ExpertOptions how, Optional<Path> cache, long order, String stage, Workspace own)
      throws IOException {
    ExpertTask task = tasks.get(t);
    List<Integer> classes = Arrays.stream(task.classes()).boxed().toList();
    ExpertTraining.Task learned =
        new ExpertTraining.Task(
            task.name(), task.train(), task.heldOut(), Optional.empty(), classes, order);
    return new ExpertTraining(network.network(), bases.get(t), how, cache, own)
        .train(List.of(learned), stage);
  }

  /** So many steps of everything but the last layer. */
  static ExpertOptions steps(Options options, double rate, long steps, String head) {
    return ExpertOptions.adam(rate, steps).withBatchSize(options.batch()).withFrozen(head);
  }

  private ExpertOptions options(Form form) {
    double rate = form == Form.FULL ? options.lr() : options.loraLr();
    ExpertOptions plain = steps(options, rate, options.longest(), network.head());
    return form == Form.FULL ? plain : plain.withLora(options.adapters());
  }

  /** Experts of all tasks, side by side. */
  private List<Expert> train(ExpertOptions how, String stage) throws IOException {
    List<Long> seeds = new ArrayList<>();
    List<SideBySide.Job<ExpertTraining.Trained>> jobs = new ArrayList<>();
    for (int t = 0; t < tasks.size(); t++) {
      int task = t;
      // The same for every form and part of wrong labels.
      long order = Seeds.derive(seed, "expert/" + tasks.get(t).name());
      seeds.add(order);
      jobs.add(own -> train(task, how, options.cache(), order, stage, own));
    }
    List<ExpertTraining.Trained> found =
        watch.time("train", () -> new SideBySide(ws, how.steps()).all(stage, seeds, jobs));
    int now = found.stream().mapToInt(ExpertTraining.Trained::trained).sum();
    training = training.plus(new ExperimentResult.Training(now, found.size() - now));
    return found.stream().map(one -> one.experts().get(0)).toList();
  }

  /** Experts of every length, and those that ended early. */
  private record Trained(List<Expert> grid, List<Expert> stopped) {
    /** Of each task, those of a length; of length 0 those that ended early. */
    List<Expert.Kept> at(long steps) {
      return steps == 0
          ? stopped.stream().map(expert -> expert.best().orElseThrow()).toList()
          : grid.stream().map(expert -> expert.after(steps).orElseThrow()).toList();
    }
  }

  private Trained trained(Form form, String stage) throws IOException {
    Form of = form == Form.MOE ? Form.LORA : form;
    Trained found = all.get(of);
    if (found == null) {
      long[] grid = options.steps().stream().mapToLong(Integer::longValue).toArray();
      List<Expert> lengths = train(options(of).withKept(grid), stage);
      all.put(of, new Trained(lengths, List.of()));
      List<Expert> stopped =
          train(options(of).withStopping(options.stopping()).withKept(), stage + ", stopped early");
      found = new Trained(lengths, stopped);
      all.put(of, found);
    }
    return found;
  }

  /** Of every length by its steps, then of those that ended early. */
  Map<String, ExpertPoint> points(Form form, String stage) throws IOException {
    Trained experts = trained(form, stage);
    List<Long> lengths = new ArrayList<>();
    options.steps().forEach(steps -> lengths.add((long) steps));
    lengths.add(0L);
    List<SideBySide.Job<ExpertPoint>> jobs = new ArrayList<>();
    for (long length : lengths) {
      jobs.add(own -> point(form, experts.at(length), own));
    }
    List<Long> seeds = Collections.nCopies(jobs.size(), seed);
    List<ExpertPoint> found =
        watch.time("merge", () -> new SideBySide(ws, 1).all("merge " + stage, seeds, jobs));
    Map<String, ExpertPoint> points = new LinkedHashMap<>();
    for (int i = 0; i < found.size(); i++) {
      String key = lengths.get(i) == 0 ? ExpertCurves.STOPPED : "" + lengths.get(i);
      points.put(key, found.get(i));
    }
    return points;
  }

  private ExpertPoint point(Form form, List<Expert.Kept> experts, Workspace own)
      throws IOException {
    List<Checkpoint> models = new ArrayList<>();
    for (int t = 0; t < tasks.size(); t++) {
      models.add(experts.get(t).model(bases.get(t)));
    }
    List<Long> steps = experts.stream().map(Expert.Kept::step).toList();
    ExpertMerging.Combining combining = merging::merged;
    if (form == Form.MOE) {
      List<LoraAdapter> adapters =
          experts.stream().map(expert -> expert.adapter().orElseThrow()).toList();
      combining = (bodies, scored, with) -> mixtures.of(adapters, scored, with);
    }
    return merging.point(steps, models, combining, own);
  }

  @Override
  public void close() {
    for (Trained each : all.values()) {
      each.grid().forEach(Expert::close);
      each.stopped().forEach(Expert::close);
    }
  }
}
