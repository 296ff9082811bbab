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
import org.merganser.align.Alignment;
import org.merganser.align.CcaAligner;
import org.merganser.align.NormRule;
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
import org.merganser.model.Evaluation;
import org.merganser.model.Inputs;
import org.merganser.plan.Catalogue;
import org.merganser.plan.Doctor;
import org.merganser.repair.BatchNormFold;
import org.merganser.repair.BatchNormReset;
import org.merganser.stats.Moments;
import org.merganser.stats.StatisticsRequest;
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
  private final Map<String, List<Aligner>> aligners = new LinkedHashMap<>();
  private final List<Map<String, Evaluation>> rows = new ArrayList<>();
  private final List<Map<String, Evaluation>> selection = new ArrayList<>();
  private ExperimentResult.Data summary;
  private long parameters;
  private int newModels;
  private int oldModels;

  PairRuns(ExperimentSettings settings, Workspace ws) {
    this.settings = settings;
    this.ws = ws;
    for (String id : settings.aligners()) {
      List<Aligner> cca = new ArrayList<>();
      settings.gammas().forEach(gamma -> cca.add(CcaAligner.relativeGamma(gamma)));
      aligners.put(id, id.equals("cca") ? cca : List.of(Catalogue.aligner(id)));
    }
  }

  /**
   * One group of trained models.
   *
   * @param index from 0
   * @param models as they are compared: with running statistics, where there are any, that were
   *     taken in the same way for all, and no negative scale
   * @param sample the training samples that statistics are taken from
   * @param rows evaluations on test data by row, those of the models themselves to begin with
   * @param selection the same on the samples that choices are made on
   */
  record Pair(
      int index,
      TorchNetwork network,
      DataSet data,
      List<MemoryCheckpoint> models,
      Examples sample,
      Map<String, Evaluation> rows,
      Map<String, Evaluation> selection) {}

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
    for (int pair = 0; pair < settings.pairs(); ) {
      long drawSeed = settings.seed() + pair;
      try (DataSet data = watch.time("data", () -> load(drawSeed))) {
        do {
          run(pair++, data, check, work);
        } while (!isDrawn() && pair < settings.pairs());
      }
    }
  }

  private void run(int pair, DataSet data, Check check, Work work) throws IOException {
    TorchNetwork network = settings.network().build(data);
    check.of(data, network);
    parameters = network.size();
    summary = ExperimentResult.Data.of(data);
    Pair ready = prepare(pair, network, data);
    try {
      work.run(ready);
    } finally {
      ready.models().forEach(Checkpoint::close);
    }
    rows.add(ready.rows());
    selection.add(ready.selection());
  }

  private Pair prepare(int pair, TorchNetwork network, DataSet data) throws IOException {
    List<MemoryCheckpoint> trainedModels = watch.time("train", () -> train(pair, network, data));
    Examples sample = sample(data);
    // As published: running statistics of all models are taken in the same way before comparing.
    List<MemoryCheckpoint> models =
        network.batchNorms().isEmpty()
            ? trainedModels
            : watch.time("repair", () -> reset(network, trainedModels, batches(sample)));
    Pair ready =
        new Pair(pair, network, data, models, sample, new LinkedHashMap<>(), new LinkedHashMap<>());
    watch.run("evaluate", () -> evaluateModels(ready));
    return ready;
  }

  /** By id: one aligner, or one for each gamma. */
  Map<String, List<Aligner>> aligners() {
    return aligners;
  }

  Stopwatch watch() {
    return watch;
  }

  /** Evaluations of each pair, by row. */
  List<Map<String, Evaluation>> rows() {
    return rows;
  }

  /** The same on the samples that choices are made on. */
  List<Map<String, Evaluation>> selection() {
    return selection;
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
      case ExperimentSettings.EMBEDDED -> ImageFiles.embedded(settings.form(), settings.train());
      default -> ImageFiles.folder(Path.of(settings.data()), settings.form(), settings.train());
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
    BatchNormFold fold = BatchNormFold.of(network);
    for (MemoryCheckpoint model : models) {
      reset.add(new BatchNormReset().apply(fold.positive(model), network, inputs, ws));
      model.close();
    }
    return reset;
  }

  /** Model k of pair I has seed {@code seed + I models + k}: no two pairs share a model. */
  private List<MemoryCheckpoint> train(int pair, TorchNetwork network, DataSet data)
      throws IOException {
    List<Examples> parts = settings.split().apply(data.train(), settings.models(), splitSeed(pair));
    List<ModelTraining.Job> jobs = new ArrayList<>();
    for (int k = 0; k < settings.models(); k++) {
      long seed = settings.seed() + (long) pair * settings.models() + k;
      jobs.add(new ModelTraining.Job(seed, parts.get(k), part(data, pair, k)));
    }
    ModelTraining training =
        new ModelTraining(network, settings.training(), settings.cache().map(ModelCache::new), ws);
    List<MemoryCheckpoint> models =
        training.train(jobs, "train pair " + (pair + 1) + "/" + settings.pairs());
    newModels += training.trained();
    oldModels += training.cached();
    if (settings.split() != Split.NONE) {
      parts.forEach(Examples::close);
    }
    return models;
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

  /** The models themselves, the one that is best on the samples for choices, and the ensemble. */
  private void evaluateModels(Pair pair) throws IOException {
    List<Evaluation> choice = evaluateModels(pair, pair.data().selection(), pair.selection());
    List<Evaluation> test = evaluateModels(pair, pair.data().test(), pair.rows());
    int best = Summary.best(choice);
    pair.selection().put("best-base", choice.get(best));
    pair.rows().put("best-base", test.get(best));
  }

  private List<Evaluation> evaluateModels(
      Pair pair, Examples data, Map<String, Evaluation> evaluations) throws IOException {
    List<Tensor> logits = new ArrayList<>();
    List<Evaluation> single = new ArrayList<>();
    for (Checkpoint model : pair.models()) {
      Tensor output = Evaluation.logits(pair.network(), model, data, ws);
      logits.add(output);
      single.add(Evaluation.ofLogits(output, data));
    }
    evaluations.put("base", Summary.mean(single));
    // Keeps its place in the order of the rows.
    evaluations.put("best-base", Summary.REFUSED);
    try (Tensor ensemble =
        settings.split() == Split.CLASSES
            ? DisjointEnsemble.logits(
                logits, Split.classes(data.classes(), settings.models(), splitSeed(pair.index())))
            : Evaluation.mean(logits)) {
      evaluations.put("ensemble", Evaluation.ofLogits(ensemble, data));
    }
    logits.forEach(Tensor::close);
    return single;
  }

  /** The test data on a model. */
  Evaluation evaluate(Pair pair, Checkpoint model) throws IOException {
    return watch.time(
        "evaluate", () -> Evaluation.of(pair.network(), model, pair.data().test(), ws));
  }

  /** The samples that choices are made on. */
  Evaluation select(Pair pair, Checkpoint model) throws IOException {
    return watch.time(
        "select", () -> Evaluation.of(pair.network(), model, pair.data().selection(), ws));
  }

  /** The statistics that all aligners ask for, and others, in one pass; kept when files are. */
  Moments statistics(Pair pair, StatisticsRequest others) throws IOException {
    StatisticsRequest request = others;
    for (List<Aligner> aligner : aligners.values()) {
      request = request.and(aligner.get(0).request(pair.network().architecture()));
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
  List<Checkpoint> aligned(List<? extends Checkpoint> models, List<Alignment> found, NormRule rule)
      throws IOException {
    List<Checkpoint> aligned = new ArrayList<>();
    for (int k = 0; k < models.size(); k++) {
      aligned.add(MemoryCheckpoint.copyOf(found.get(k).apply(models.get(k), rule), ws));
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
