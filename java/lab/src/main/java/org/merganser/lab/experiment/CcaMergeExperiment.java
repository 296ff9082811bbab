// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.merganser.align.Aligner;
import org.merganser.align.Alignment;
import org.merganser.align.AlignmentProblem;
import org.merganser.align.AlignmentSet;
import org.merganser.compute.Workspace;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.model.Inputs;
import org.merganser.plan.Doctor;
import org.merganser.repair.BatchNormFold;
import org.merganser.repair.BatchNormReset;
import org.merganser.repair.Repair;
import org.merganser.repair.RepairProblem;
import org.merganser.repair.RepairRescale;
import org.merganser.stats.Moments;
import org.merganser.torch.Examples;
import org.merganser.torch.Interpolation;
import org.merganser.torch.TorchNetwork;

/**
 * Trains independent models on the same data, aligns them with every aligner, averages them and
 * measures the merged models on test data, beside the models themselves and their ensemble.
 *
 * <p>After Horoi et al. 2024 (arXiv 2407.05385), at the scale of minutes. Statistics of all
 * aligners come from one pass over the training data.
 */
public final class CcaMergeExperiment {
  private final CcaMergeOptions options;
  private final Workspace ws;
  private final PairRuns runs;
  private final Stopwatch watch;
  private final Map<String, List<Interpolation>> paths = new LinkedHashMap<>();
  private final SpectraCollector spectra;

  private CcaMergeExperiment(CcaMergeOptions options, Workspace ws) {
    this.options = options;
    this.ws = ws;
    this.runs = new PairRuns(options.settings(), ws);
    this.watch = runs.watch();
    this.spectra = new SpectraCollector(options.settings().gamma());
  }

  /** Runs everything; what {@code keep} asks for is written pair by pair. */
  public static CcaMergeResult run(CcaMergeOptions options, Workspace ws) throws IOException {
    return new CcaMergeExperiment(options, ws).run();
  }

  private CcaMergeResult run() throws IOException {
    runs.each((data, network) -> {}, this::runPair);
    return new CcaMergeResult(
        options,
        runs.data(),
        runs.parameters(),
        Summary.rows(runs.rows()),
        Summary.accuracies(runs.rows()),
        paths.entrySet().stream().map(e -> Summary.path(e.getKey(), e.getValue())).toList(),
        spectra.means(),
        runs.training(),
        runs.versions(),
        runs.backend(),
        Doctor.isa(),
        watch.seconds());
  }

  private void runPair(PairRuns.Pair pair) throws IOException {
    TorchNetwork network = pair.network();
    Optional<Repair> repair = repair(network);
    try (Moments moments = runs.statistics(pair)) {
      watch.run("spectra", () -> spectra.canonical(moments, network.architecture().spaces(), ws));
      AlignmentProblem problem = AlignmentProblem.of(network.architecture(), moments);
      for (Aligner aligner : runs.aligners().values()) {
        AlignmentSet found = watch.time("align", () -> aligner.align(problem, ws));
        List<Checkpoint> aligned = watch.time("merge", () -> runs.aligned(pair.models(), found));
        try (MemoryCheckpoint merged = watch.time("merge", () -> runs.average(network, aligned))) {
          runs.keep(pair, "merged-" + aligner.id() + ".safetensors", merged);
          pair.rows()
              .put(
                  aligner.id(),
                  merged.stale().isEmpty() ? runs.evaluate(pair, merged) : Summary.REFUSED);
          if (repair.isPresent()) {
            RepairProblem broken =
                RepairProblem.of(network, merged, aligned, repairBatches(network, pair.sample()));
            String id = aligner.id() + "+" + repair.get().id();
            try (MemoryCheckpoint repaired =
                watch.time("repair", () -> repair.get().apply(broken, ws))) {
              runs.keep(pair, "merged-" + id + ".safetensors", repaired);
              pair.rows().put(id, runs.evaluate(pair, repaired));
            }
          }
        }
        if (repair.isPresent() && !network.batchNorms().isEmpty()) {
          fold(pair, aligner, moments);
        }
        aligned.forEach(Checkpoint::close);
        watch.run("spectra", () -> spectra.matched(aligner.id(), moments, found, ws));
        if (options.points() > 0) {
          watch.run("paths", () -> interpolate(pair, found.of(1)));
        }
      }
    }
  }

  /**
   * The other way across batch normalisation: models without it are aligned and averaged, and it is
   * put back. Features are the same, so the statistics are too.
   */
  private void fold(PairRuns.Pair pair, Aligner aligner, Moments moments) throws IOException {
    TorchNetwork network = pair.network();
    TorchNetwork plain = network.folded();
    BatchNormFold fold = BatchNormFold.of(network);
    List<Checkpoint> folded = pair.models().stream().map(fold::fold).toList();
    AlignmentProblem problem = AlignmentProblem.of(plain.architecture(), moments);
    AlignmentSet found = watch.time("align", () -> aligner.align(problem, ws));
    List<Checkpoint> aligned = watch.time("merge", () -> runs.aligned(folded, found));
    Inputs inputs = runs.batches(pair.sample());
    String id = aligner.id() + "+fold";
    try (MemoryCheckpoint merged = watch.time("merge", () -> runs.average(plain, aligned));
        MemoryCheckpoint unfolded =
            watch.time(
                "repair",
                () ->
                    fold.unfold(
                        RepairProblem.of(plain, merged, aligned, inputs),
                        pair.models().get(0),
                        ws));
        MemoryCheckpoint reset =
            watch.time("repair", () -> new BatchNormReset().apply(unfolded, network, inputs, ws))) {
      runs.keep(pair, "merged-" + id + ".safetensors", reset);
      pair.rows().put(id, runs.evaluate(pair, reset));
    }
    aligned.forEach(Checkpoint::close);
  }

  /** A reset takes one pass; REPAIR as many as there are layers, so it gets fewer images. */
  private Inputs repairBatches(TorchNetwork network, Examples sample) {
    boolean fewer =
        options.settings().network().isConvolutional() && network.batchNorms().isEmpty();
    return runs.batches(fewer ? sample.first(Math.min(PairRuns.IMAGES, sample.size())) : sample);
  }

  private Optional<Repair> repair(TorchNetwork network) {
    if (!options.repair()) {
      return Optional.empty();
    }
    return Optional.of(
        network.batchNorms().isEmpty() ? RepairRescale.measured() : new BatchNormReset());
  }

  /** Networks with batch normalisation are reset at every point; others are taken as they are. */
  private void interpolate(PairRuns.Pair pair, Alignment second) throws IOException {
    TorchNetwork network = pair.network();
    Examples test = pair.data().test();
    Examples sample = pair.sample();
    Inputs few = runs.batches(sample.first(Math.min(PairRuns.IMAGES, sample.size())));
    Interpolation path =
        Interpolation.of(
            network,
            pair.models().get(0),
            pair.models().get(1),
            second,
            Interpolation.grid(options.points()),
            network.batchNorms().isEmpty()
                ? Interpolation.Repair.NONE
                : (model, ends, lambda) -> new BatchNormReset().apply(model, network, few, ws),
            options.settings().network().isConvolutional()
                ? test.first(Math.min(PairRuns.IMAGES, test.size()))
                : test,
            ws);
    paths.computeIfAbsent(second.method(), method -> new ArrayList<>()).add(path);
  }
}
