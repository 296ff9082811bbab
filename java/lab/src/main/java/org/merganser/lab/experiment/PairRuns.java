// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.merganser.align.Aligner;
import org.merganser.align.AlignmentSet;
import org.merganser.align.CcaAligner;
import org.merganser.compute.Workspace;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.io.Safetensors;
import org.merganser.lab.data.Blobs;
import org.merganser.lab.data.DataSet;
import org.merganser.lab.data.ImageFiles;
import org.merganser.lab.data.Split;
import org.merganser.linalg.Tensor;
import org.merganser.merge.LinearMerger;
import org.merganser.merge.MergeProblem;
import org.merganser.model.Inputs;
import org.merganser.plan.Catalogue;
import org.merganser.plan.Doctor;
import org.merganser.repair.BatchNormReset;
import org.merganser.stats.Moments;
import org.merganser.stats.StatisticsRequest;
import org.merganser.torch.Evaluation;
import org.merganser.torch.Examples;
import org.merganser.torch.TorchNatives;
import org.merganser.torch.TorchNetwork;

/**
 * What experiments on pairs of trained models have in common: data, training, the evaluation of the
 * models themselves and of their ensemble, statistics, aligned and averaged models, and files.
 */
final class PairRuns {
  /** Samples that REPAIR measures layer after layer, and that the models of a path are tried on. */
  static final int IMAGES = 1000;

  private static final int STATISTICS_BATCH = 500;

  /** Activations of larger batches of images do not stay in the cache. */
  private static final int IMAGE_BATCH = 100;

  private static final int STATISTICS_IMAGES = 4000;

  private final ExperimentSettings settings;
  private final Workspace ws;
  private final Stopwatch watch = new Stopwatch();
  private final Map<String, Aligner> aligners = new LinkedHashMap<>();
  private final Map<Long, MemoryCheckpoint> trained = new LinkedHashMap<>();
  private final List<Map<String, Evaluation>> rows = new ArrayList<>();
  private ExperimentResult.Data summary;
  private long parameters;
  private int newModels;
  private int oldModels;

  PairRuns(ExperimentSettings settings, Workspace ws) {
    this.settings = settings;
    this.ws = ws;
    for (String id : settings.aligners()) {
      aligners.put(
          id,
          id.equals("cca") ? CcaAligner.relativeGamma(settings.gamma()) : Catalogue.aligner(id));
    }
  }

  /**
   * One group of trained models.
   *
   * @param index from 0
   * @param models as they are compared: with running statistics, where there are any, that were
   *     taken in the same way for all
   * @param sample the training samples that statistics are taken from
   * @param rows evaluations by row, those of the models themselves to begin with
   */
  record Pair(
      int index,
      TorchNetwork network,
      DataSet data,
      List<MemoryCheckpoint> models,
      Examples sample,
      Map<String, Evaluation> rows) {}

  /** What an experiment does with one pair. */
  @FunctionalInterface
  interface Work {
    void run(Pair pair) throws IOException;
  }

  /** What an experiment checks before anything is trained. */
  @FunctionalInterface
  interface Check {
    void of(DataSet data, TorchNetwork network);
  }

  /** Runs the work for every pair. */
  void each(Check check, Work work) throws IOException {
    DataSet data = null;
    for (int pair = 0; pair < settings.pairs(); pair++) {
      if (data == null || isDrawn()) {
        long drawSeed = settings.seed() + pair;
        trained.clear();
        data = watch.time("data", () -> load(drawSeed));
      }
      TorchNetwork network = settings.network().build(data);
      check.of(data, network);
      parameters = network.size();
      summary =
          new ExperimentResult.Data(
              data.name(), data.train().size(), data.test().size(), data.pixels());
      Pair ready = prepare(pair, network, data);
      work.run(ready);
      rows.add(ready.rows());
    }
  }

  private Pair prepare(int pair, TorchNetwork network, DataSet data) throws IOException {
    List<MemoryCheckpoint> trainedModels = watch.time("train", () -> train(pair, network, data));
    Examples sample = sample(data);
    // As published: running statistics of all models are taken in the same way before comparing.
    List<MemoryCheckpoint> models =
        network.batchNorms().isEmpty()
            ? trainedModels
            : watch.time("repair", () -> reset(network, trainedModels, batches(sample)));
    Map<String, Evaluation> evaluations = new LinkedHashMap<>();
    watch.run("evaluate", () -> evaluateModels(pair, network, models, data, evaluations));
    return new Pair(pair, network, data, models, sample, evaluations);
  }

  Map<String, Aligner> aligners() {
    return aligners;
  }

  Stopwatch watch() {
    return watch;
  }

  /** Evaluations of each pair, by row. */
  List<Map<String, Evaluation>> rows() {
    return rows;
  }

  ExperimentResult.Data data() {
    return summary;
  }

  long parameters() {
    return parameters;
  }

  ExperimentResult.Training training() {
    return new ExperimentResult.Training(newModels, oldModels);
  }

  Map<String, String> versions() {
    Map<String, String> versions = new LinkedHashMap<>(Doctor.versions());
    versions.put("torch", TorchNatives.version());
    return versions;
  }

  String backend() {
    return ws.backend().name().toLowerCase(Locale.ROOT);
  }

  /** Whether each pair has its own draw of the data. */
  private boolean isDrawn() {
    return settings.data().equals(ExperimentSettings.BLOBS);
  }

  private DataSet load(long seed) throws IOException {
    return switch (settings.data()) {
      case ExperimentSettings.BLOBS -> Blobs.draw(settings.train().orElse(Blobs.TRAIN), seed);
      case ExperimentSettings.EMBEDDED ->
          ImageFiles.embedded(settings.network().form(), settings.train());
      default ->
          ImageFiles.folder(Path.of(settings.data()), settings.network().form(), settings.train());
    };
  }

  /** The training samples that statistics are taken from. */
  private Examples sample(DataSet data) {
    Examples all = data.train();
    int usual = settings.network().isConvolutional() ? STATISTICS_IMAGES : all.size();
    return all.first(Math.min(all.size(), settings.statistics().orElse(usual)));
  }

  /** Samples in the batches, and augmented, as statistics are taken. */
  Inputs batches(Examples sample) {
    boolean images = settings.network().isConvolutional();
    return sample.batches(
        images ? IMAGE_BATCH : STATISTICS_BATCH, settings.training().augmentation());
  }

  private List<MemoryCheckpoint> reset(
      TorchNetwork network, List<MemoryCheckpoint> models, Inputs inputs) throws IOException {
    List<MemoryCheckpoint> reset = new ArrayList<>();
    for (MemoryCheckpoint model : models) {
      reset.add(new BatchNormReset().apply(model, network, inputs, ws));
    }
    return reset;
  }

  /** Model k of pair I has seed {@code seed + I + k}; pairs share models that see the same data. */
  private List<MemoryCheckpoint> train(int pair, TorchNetwork network, DataSet data)
      throws IOException {
    if (settings.split() != Split.NONE) {
      trained.clear();
    }
    List<Examples> parts = settings.split().apply(data.train(), settings.models(), splitSeed(pair));
    List<Long> seeds = new ArrayList<>();
    List<ModelTraining.Job> jobs = new ArrayList<>();
    for (int k = 0; k < settings.models(); k++) {
      long seed = settings.seed() + pair + k;
      seeds.add(seed);
      if (!trained.containsKey(seed)) {
        jobs.add(new ModelTraining.Job(seed, parts.get(k), part(data, pair, k)));
      }
    }
    if (!jobs.isEmpty()) {
      ModelTraining training =
          new ModelTraining(
              network, settings.training(), settings.cache().map(ModelCache::new), ws);
      List<MemoryCheckpoint> models =
          training.train(jobs, "train pair " + (pair + 1) + "/" + settings.pairs());
      newModels += training.trained();
      oldModels += training.cached();
      for (int i = 0; i < jobs.size(); i++) {
        trained.put(jobs.get(i).seed(), models.get(i));
      }
    }
    if (settings.split() != Split.NONE) {
      parts.forEach(Examples::close);
    }
    return seeds.stream().map(trained::get).toList();
  }

  /** Models of one pair split one draw; other pairs draw again. */
  private long splitSeed(int pair) {
    return settings.seed() + pair;
  }

  private String part(DataSet data, int pair, int model) {
    String whole = data.name() + ", " + data.train().size() + " samples";
    return settings.split() == Split.NONE
        ? whole
        : whole
            + ", split "
            + settings.split().id()
            + " of seed "
            + splitSeed(pair)
            + ", model "
            + model
            + " of "
            + settings.models();
  }

  private void evaluateModels(
      int pair,
      TorchNetwork network,
      List<MemoryCheckpoint> models,
      DataSet data,
      Map<String, Evaluation> evaluations)
      throws IOException {
    List<Tensor> logits = new ArrayList<>();
    List<Evaluation> single = new ArrayList<>();
    for (Checkpoint model : models) {
      Tensor output = Evaluation.logits(network, model, data.test(), ws);
      logits.add(output);
      single.add(Evaluation.ofLogits(output, data.test()));
    }
    evaluations.put("base", Summary.mean(single));
    evaluations.put("best-base", Summary.best(single));
    try (Tensor ensemble =
        settings.split() == Split.CLASSES
            ? DisjointEnsemble.logits(
                logits, Split.classes(data.train().classes(), settings.models(), splitSeed(pair)))
            : Evaluation.mean(logits)) {
      evaluations.put("ensemble", Evaluation.ofLogits(ensemble, data.test()));
    }
    logits.forEach(Tensor::close);
  }

  /** The test data on a model. */
  Evaluation evaluate(Pair pair, Checkpoint model) throws IOException {
    return watch.time(
        "evaluate", () -> Evaluation.of(pair.network(), model, pair.data().test(), ws));
  }

  /** The statistics that all aligners ask for, in one pass; kept when files are kept. */
  Moments statistics(Pair pair) throws IOException {
    StatisticsRequest request = StatisticsRequest.NONE;
    for (Aligner aligner : aligners.values()) {
      request = request.and(aligner.request(pair.network().architecture()));
    }
    StatisticsRequest all = request;
    Moments moments =
        watch.time(
            "statistics",
            () -> Moments.collect(pair.network(), pair.models(), batches(pair.sample()), all, ws));
    for (int k = 0; k < pair.models().size(); k++) {
      keep(pair, "model-" + k + ".safetensors", pair.models().get(k));
    }
    if (settings.keep().isPresent()) {
      moments.save(folder(pair).resolve("stats.mgstats"), ws);
    }
    return moments;
  }

  /** Computed once: averaging and what comes after it all read them. */
  List<Checkpoint> aligned(List<? extends Checkpoint> models, AlignmentSet found)
      throws IOException {
    List<Checkpoint> aligned = new ArrayList<>();
    for (int k = 0; k < models.size(); k++) {
      aligned.add(MemoryCheckpoint.copyOf(found.of(k).apply(models.get(k)), ws));
    }
    return aligned;
  }

  MemoryCheckpoint average(TorchNetwork network, List<Checkpoint> aligned) throws IOException {
    MergeProblem problem = MergeProblem.of(network.architecture(), aligned);
    return MemoryCheckpoint.copyOf(LinearMerger.uniform().merge(problem, ws), ws);
  }

  /** Writes a checkpoint when files are kept. */
  void keep(Pair pair, String name, Checkpoint checkpoint) throws IOException {
    if (settings.keep().isPresent()) {
      Safetensors.write(checkpoint, folder(pair).resolve(name), ws);
    }
  }

  private Path folder(Pair pair) throws IOException {
    return Files.createDirectories(settings.keep().orElseThrow().resolve("pair-" + pair.index()));
  }
}
