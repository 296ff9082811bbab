// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.merganser.align.Aligner;
import org.merganser.align.Alignment;
import org.merganser.align.AlignmentProblem;
import org.merganser.align.AlignmentSet;
import org.merganser.align.CcaAligner;
import org.merganser.compute.Workspace;
import org.merganser.internal.Opened;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.model.Evaluation;
import org.merganser.model.Inputs;
import org.merganser.plan.Doctor;
import org.merganser.plan.Interpolation;
import org.merganser.repair.BatchNormReset;
import org.merganser.stats.Moments;
import org.merganser.torch.Examples;
import org.merganser.torch.TorchNetwork;

/**
 * Trains independent models on the same data, aligns them with every aligner, averages them and
 * measures the merged models on test data, beside the models themselves and their ensemble.
 *
 * <p>After Horoi et al. 2024 (arXiv 2407.05385), at the scale of minutes. Statistics of all
 * aligners come from one pass over the training data. Of several values of gamma, each row of each
 * pair takes the one whose merged model is best on samples that no model was trained on, or on the
 * training samples where there are no others; test data choose nothing.
 */
public final class CcaMergeExperiment {
  private static final String PERMUTATION = "permutation";

  private final CcaMergeOptions options;
  private final Workspace ws;
  private final PairRuns runs;
  private final Stopwatch watch;
  private final AlignedMerges merges;
  private final List<Map<String, Double>> gammas = new ArrayList<>();
  private final Map<String, List<Interpolation>> paths = new LinkedHashMap<>();
  private final SpectraCollector spectra;

  private CcaMergeExperiment(CcaMergeOptions options, Workspace ws) {
    this.options = options;
    this.ws = ws;
    this.runs = new PairRuns(options.settings(), ws);
    this.watch = runs.watch();
    this.merges = new AlignedMerges(options, runs, ws);
    this.spectra = new SpectraCollector(options.settings().gammas().get(0));
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
        Summary.rows(runs.rows(), runs.selection()),
        Summary.accuracies(runs.rows()),
        differences(),
        options.settings().gammas().size() > 1 ? gammas : List.of(),
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
    Map<String, Double> chosen = new LinkedHashMap<>();
    // The spectra need what CCA needs, whichever aligners are compared.
    try (Moments moments = runs.statistics(pair, CcaAligner.REQUEST);
        Opened maps = new Opened()) {
      watch.run("spectra", () -> spectra.canonical(moments, network.architecture().spaces(), ws));
      AlignmentProblem problem = AlignmentProblem.of(network.architecture(), moments);
      for (Map.Entry<String, List<Aligner>> entry : runs.aligners().entrySet()) {
        String id = entry.getKey();
        List<AlignmentSet> found = new ArrayList<>();
        for (Aligner aligner : entry.getValue()) {
          found.add(maps.add(watch.time("align", () -> aligner.align(problem, ws))));
        }
        // Lines and spectra show the maps of the first row that there is.
        int main = -1;
        for (Map.Entry<String, AlignedMerges.Merge> row : merges.rows(id, network).entrySet()) {
          int best = merge(pair, row.getKey(), row.getValue(), found);
          if (pair.rows().get(row.getKey()) != Summary.REFUSED) {
            main = main < 0 ? best : main;
            if (found.size() > 1) {
              chosen.put(row.getKey(), options.settings().gammas().get(best));
            }
          }
        }
        AlignmentSet shown = found.get(Math.max(0, main));
        watch.run("spectra", () -> spectra.matched(id, moments, shown, ws));
        if (options.points() > 0) {
          watch.run("paths", () -> interpolate(pair, shown.of(1)));
        }
      }
    }
    gammas.add(chosen);
  }

  /** Merges with each of the maps and keeps the model that is best on the samples for choices. */
  private int merge(
      PairRuns.Pair pair, String row, AlignedMerges.Merge merge, List<AlignmentSet> found)
      throws IOException {
    int best = 0;
    MemoryCheckpoint kept = null;
    Evaluation score = null;
    for (int i = 0; i < found.size(); i++) {
      MemoryCheckpoint merged = merge.of(pair, found.get(i));
      if (!merged.stale().isEmpty()) {
        merged.close();
        pair.rows().put(row, Summary.REFUSED);
        return 0;
      }
      Evaluation own = runs.select(pair, merged);
      if (kept == null || Summary.isBetter(own, score)) {
        if (kept != null) {
          kept.close();
        }
        kept = merged;
        score = own;
        best = i;
      } else {
        merged.close();
      }
    }
    try (MemoryCheckpoint model = kept) {
      runs.keep(pair, "merged-" + row + ".safetensors", model);
      pair.selection().put(row, score);
      pair.rows().put(row, runs.evaluate(pair, model));
    }
    return best;
  }

  /**
   * Every aligner less the permutation with the same repair, and every treatment of batch
   * normalisation less the default one with the same aligner.
   */
  private List<ExperimentResult.Difference> differences() {
    List<ExperimentResult.Difference> found = new ArrayList<>();
    Map<String, Evaluation> rows = runs.rows().get(0);
    for (String row : rows.keySet()) {
      int plus = row.indexOf('+');
      String aligner = plus < 0 ? row : row.substring(0, plus);
      String others = plus < 0 ? "" : row.substring(plus);
      if (runs.aligners().containsKey(aligner)) {
        difference(row, PERMUTATION + others, rows, found);
        if (!others.isEmpty()) {
          difference(row, BatchNormTreatment.SPREAD.row(aligner), rows, found);
        }
      }
    }
    return found;
  }

  private void difference(
      String row,
      String than,
      Map<String, Evaluation> rows,
      List<ExperimentResult.Difference> found) {
    if (!row.equals(than)
        && rows.getOrDefault(row, Summary.REFUSED) != Summary.REFUSED
        && rows.getOrDefault(than, Summary.REFUSED) != Summary.REFUSED) {
      found.add(PairedDifferences.of(row, than, runs.rows()));
    }
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
