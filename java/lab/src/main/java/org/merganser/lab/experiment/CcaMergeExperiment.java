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
import java.util.Optional;
import org.merganser.align.Aligner;
import org.merganser.align.Alignment;
import org.merganser.align.AlignmentProblem;
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
import org.merganser.repair.Repair;
import org.merganser.repair.RepairProblem;
import org.merganser.repair.RepairRescale;
import org.merganser.stats.Moments;
import org.merganser.stats.StatisticsRequest;
import org.merganser.torch.Evaluation;
import org.merganser.torch.Examples;
import org.merganser.torch.Interpolation;
import org.merganser.torch.TorchNatives;
import org.merganser.torch.TorchNetwork;

/**
 * Trains independent models on the same data, aligns them with every aligner, averages them and
 * measures the merged models on test data, beside the models themselves and their ensemble.
 *
 * <p>After Horoi et al. 2024 (arXiv 2407.05385), at the scale of minutes. Statistics of all
 * aligners come from one pass over the training data.
 */
public final class CcaMergeExperiment {
  private static final int STATISTICS_BATCH = 500;

  /** Activations of larger batches of images do not stay in the cache. */
  private static final int IMAGE_BATCH = 100;

  /** Samples that REPAIR measures layer after layer, and that the models of a path are tried on. */
  private static final int IMAGES = 1000;

  private static final int STATISTICS_IMAGES = 4000;

  private final CcaMergeOptions options;
  private final Workspace ws;
  private final Stopwatch watch = new Stopwatch();
  private final Map<String, Aligner> aligners = new LinkedHashMap<>();
  private final Map<Long, MemoryCheckpoint> trained = new LinkedHashMap<>();
  private final List<Map<String, Evaluation>> pairs = new ArrayList<>();
  private final Map<String, List<Interpolation>> paths = new LinkedHashMap<>();
  private final SpectraCollector spectra;
  private int newModels;
  private int oldModels;

  private CcaMergeExperiment(CcaMergeOptions options, Workspace ws) {
    this.options = options;
    this.ws = ws;
    this.spectra = new SpectraCollector(options.gamma());
    for (String id : options.aligners()) {
      aligners.put(
          id, id.equals("cca") ? CcaAligner.relativeGamma(options.gamma()) : Catalogue.aligner(id));
    }
  }

  /** Runs everything; what {@code keep} asks for is written pair by pair. */
  public static CcaMergeResult run(CcaMergeOptions options, Workspace ws) throws IOException {
    return new CcaMergeExperiment(options, ws).run();
  }

  private CcaMergeResult run() throws IOException {
    CcaMergeResult.Data summary = null;
    long parameters = 0;
    DataSet data = null;
    for (int pair = 0; pair < options.pairs(); pair++) {
      if (data == null || isDrawn()) {
        long drawSeed = options.seed() + pair;
        trained.clear();
        data = watch.time("data", () -> load(drawSeed));
      }
      TorchNetwork network = options.network().build(data);
      runPair(pair, network, data);
      parameters = network.size();
      summary =
          new CcaMergeResult.Data(
              data.name(), data.train().size(), data.test().size(), data.pixels());
    }
    Map<String, String> versions = new LinkedHashMap<>(Doctor.versions());
    versions.put("torch", TorchNatives.version());
    return new CcaMergeResult(
        options,
        summary,
        parameters,
        Summary.rows(pairs),
        Summary.accuracies(pairs),
        paths.entrySet().stream().map(e -> Summary.path(e.getKey(), e.getValue())).toList(),
        spectra.means(),
        new CcaMergeResult.Training(newModels, oldModels),
        versions,
        ws.backend().name().toLowerCase(Locale.ROOT),
        Doctor.isa(),
        watch.seconds());
  }

  /** Whether each pair has its own draw of the data. */
  private boolean isDrawn() {
    return options.data().equals(CcaMergeOptions.BLOBS);
  }

  private DataSet load(long seed) throws IOException {
    return switch (options.data()) {
      case CcaMergeOptions.BLOBS -> Blobs.draw(options.train().orElse(Blobs.TRAIN), seed);
      case CcaMergeOptions.EMBEDDED ->
          ImageFiles.embedded(options.network().form(), options.train());
      default ->
          ImageFiles.folder(Path.of(options.data()), options.network().form(), options.train());
    };
  }

  private void runPair(int pair, TorchNetwork network, DataSet data) throws IOException {
    List<MemoryCheckpoint> trainedModels = watch.time("train", () -> train(pair, network, data));
    Examples sample = sample(data);
    Optional<Repair> repair = repair(network);
    // As published: running statistics of all models are taken in the same way before comparing.
    List<MemoryCheckpoint> models =
        network.batchNorms().isEmpty()
            ? trainedModels
            : watch.time("repair", () -> reset(network, trainedModels, batches(sample)));
    Map<String, Evaluation> rows = new LinkedHashMap<>();
    watch.run("evaluate", () -> evaluateModels(pair, network, models, data, rows));
    StatisticsRequest request = StatisticsRequest.NONE;
    for (Aligner aligner : aligners.values()) {
      request = request.and(aligner.request(network.architecture()));
    }
    StatisticsRequest all = request;
    try (Moments moments =
        watch.time(
            "statistics", () -> Moments.collect(network, models, batches(sample), all, ws))) {
      keepInputs(pair, models, moments);
      watch.run("spectra", () -> spectra.canonical(moments, network.architecture().spaces(), ws));
      AlignmentProblem problem = AlignmentProblem.of(network.architecture(), moments);
      for (Aligner aligner : aligners.values()) {
        AlignmentSet found = watch.time("align", () -> aligner.align(problem, ws));
        List<Checkpoint> aligned = watch.time("merge", () -> aligned(models, found));
        try (MemoryCheckpoint merged = watch.time("merge", () -> merge(network, aligned))) {
          keep(pair, "merged-" + aligner.id() + ".safetensors", merged);
          rows.put(
              aligner.id(),
              merged.stale().isEmpty()
                  ? watch.time("evaluate", () -> Evaluation.of(network, merged, data.test(), ws))
                  : Summary.REFUSED);
          if (repair.isPresent()) {
            RepairProblem broken =
                RepairProblem.of(network, merged, aligned, repairBatches(network, sample));
            String id = aligner.id() + "+" + repair.get().id();
            try (MemoryCheckpoint repaired =
                watch.time("repair", () -> repair.get().apply(broken, ws))) {
              keep(pair, "merged-" + id + ".safetensors", repaired);
              rows.put(
                  id,
                  watch.time("evaluate", () -> Evaluation.of(network, repaired, data.test(), ws)));
            }
          }
        }
        aligned.forEach(Checkpoint::close);
        watch.run("spectra", () -> spectra.matched(aligner.id(), moments, found, ws));
        if (options.points() > 0) {
          watch.run("paths", () -> interpolate(network, models, found.of(1), data, sample));
        }
      }
    }
    pairs.add(rows);
  }

  /** The training samples that statistics are taken from. */
  private Examples sample(DataSet data) {
    Examples all = data.train();
    int usual = options.network().isConvolutional() ? STATISTICS_IMAGES : all.size();
    return all.first(Math.min(all.size(), options.statistics().orElse(usual)));
  }

  private Inputs batches(Examples sample) {
    boolean images = options.network().isConvolutional();
    return sample.batches(
        images ? IMAGE_BATCH : STATISTICS_BATCH, options.training().augmentation());
  }

  /** A reset takes one pass; REPAIR as many as there are layers, so it gets fewer images. */
  private Inputs repairBatches(TorchNetwork network, Examples sample) {
    boolean fewer = options.network().isConvolutional() && network.batchNorms().isEmpty();
    return batches(fewer ? sample.first(Math.min(IMAGES, sample.size())) : sample);
  }

  private Optional<Repair> repair(TorchNetwork network) {
    if (!options.repair()) {
      return Optional.empty();
    }
    return Optional.of(
        network.batchNorms().isEmpty() ? RepairRescale.measured() : new BatchNormReset());
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
    if (options.split() != Split.NONE) {
      trained.clear();
    }
    List<Examples> parts = options.split().apply(data.train(), options.models(), splitSeed(pair));
    List<Long> seeds = new ArrayList<>();
    List<ModelTraining.Job> jobs = new ArrayList<>();
    for (int k = 0; k < options.models(); k++) {
      long seed = options.seed() + pair + k;
      seeds.add(seed);
      if (!trained.containsKey(seed)) {
        jobs.add(new ModelTraining.Job(seed, parts.get(k), part(data, pair, k)));
      }
    }
    if (!jobs.isEmpty()) {
      ModelTraining training =
          new ModelTraining(network, options.training(), options.cache().map(ModelCache::new), ws);
      List<MemoryCheckpoint> models =
          training.train(jobs, "train pair " + (pair + 1) + "/" + options.pairs());
      newModels += training.trained();
      oldModels += training.cached();
      for (int i = 0; i < jobs.size(); i++) {
        trained.put(jobs.get(i).seed(), models.get(i));
      }
    }
    if (options.split() != Split.NONE) {
      parts.forEach(Examples::close);
    }
    return seeds.stream().map(trained::get).toList();
  }

  /** Models of one pair split one draw; other pairs draw again. */
  private long splitSeed(int pair) {
    return options.seed() + pair;
  }

  private String part(DataSet data, int pair, int model) {
    String whole = data.name() + ", " + data.train().size() + " samples";
    return options.split() == Split.NONE
        ? whole
        : whole
            + ", split "
            + options.split().id()
            + " of seed "
            + splitSeed(pair)
            + ", model "
            + model
            + " of "
            + options.models();
  }

  /** Networks with batch normalisation are reset at every point; others are taken as they are. */
  private void interpolate(
      TorchNetwork network,
      List<MemoryCheckpoint> models,
      Alignment second,
      DataSet data,
      Examples sample)
      throws IOException {
    Examples test = data.test();
    Inputs few = batches(sample.first(Math.min(IMAGES, sample.size())));
    Interpolation path =
        Interpolation.of(
            network,
            models.get(0),
            models.get(1),
            second,
            Interpolation.grid(options.points()),
            network.batchNorms().isEmpty()
                ? Interpolation.Repair.NONE
                : (model, ends, lambda) -> new BatchNormReset().apply(model, network, few, ws),
            options.network().isConvolutional() ? test.first(Math.min(IMAGES, test.size())) : test,
            ws);
    paths.computeIfAbsent(second.method(), method -> new ArrayList<>()).add(path);
  }

  private void evaluateModels(
      int pair,
      TorchNetwork network,
      List<MemoryCheckpoint> models,
      DataSet data,
      Map<String, Evaluation> rows)
      throws IOException {
    List<Tensor> logits = new ArrayList<>();
    List<Evaluation> single = new ArrayList<>();
    for (Checkpoint model : models) {
      Tensor output = Evaluation.logits(network, model, data.test(), ws);
      logits.add(output);
      single.add(Evaluation.ofLogits(output, data.test()));
    }
    rows.put("base", Summary.mean(single));
    rows.put("best-base", Summary.best(single));
    try (Tensor ensemble =
        options.split() == Split.CLASSES
            ? DisjointEnsemble.logits(
                logits, Split.classes(data.train().classes(), options.models(), splitSeed(pair)))
            : Evaluation.mean(logits)) {
      rows.put("ensemble", Evaluation.ofLogits(ensemble, data.test()));
    }
    logits.forEach(Tensor::close);
  }

  /** Computed once: averaging, repair and paths all read them. */
  private List<Checkpoint> aligned(List<MemoryCheckpoint> models, AlignmentSet found)
      throws IOException {
    List<Checkpoint> aligned = new ArrayList<>();
    for (int k = 0; k < models.size(); k++) {
      aligned.add(MemoryCheckpoint.copyOf(found.of(k).apply(models.get(k)), ws));
    }
    return aligned;
  }

  private MemoryCheckpoint merge(TorchNetwork network, List<Checkpoint> aligned)
      throws IOException {
    MergeProblem problem = MergeProblem.of(network.architecture(), aligned);
    return MemoryCheckpoint.copyOf(LinearMerger.uniform().merge(problem, ws), ws);
  }

  private void keepInputs(int pair, List<MemoryCheckpoint> models, Moments moments)
      throws IOException {
    for (int k = 0; k < models.size(); k++) {
      keep(pair, "model-" + k + ".safetensors", models.get(k));
    }
    if (options.keep().isPresent()) {
      moments.save(folder(pair).resolve("stats.mgstats"), ws);
    }
  }

  private void keep(int pair, String name, Checkpoint checkpoint) throws IOException {
    if (options.keep().isPresent()) {
      Safetensors.write(checkpoint, folder(pair).resolve(name), ws);
    }
  }

  private Path folder(int pair) throws IOException {
    return Files.createDirectories(options.keep().orElseThrow().resolve("pair-" + pair));
  }
}
