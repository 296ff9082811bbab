// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.merganser.align.Aligner;
import org.merganser.align.Alignment;
import org.merganser.align.AlignmentProblem;
import org.merganser.align.AlignmentSet;
import org.merganser.align.CcaAligner;
import org.merganser.compute.Workspace;
import org.merganser.internal.Opened;
import org.merganser.lab.data.DataSet;
import org.merganser.lab.report.Section;
import org.merganser.method.Setting;
import org.merganser.method.Settings;
import org.merganser.model.Architecture;
import org.merganser.model.Inputs;
import org.merganser.plan.Catalogue;
import org.merganser.plan.Interpolation;
import org.merganser.repair.BatchNormReset;
import org.merganser.stats.Moments;
import org.merganser.torch.TorchNetwork;

/**
 * Trains independent models on the same data, aligns them with every aligner, merges them and
 * measures the merged models on test data, beside the models themselves and their ensemble.
 *
 * <p>After Horoi et al. 2024 (arXiv 2407.05385), at the scale of minutes. Statistics of all
 * aligners come from one pass over the training data. Of several settings of a method, each row of
 * each pair takes those whose merged model is best on samples that no model was trained on, or on
 * the training samples where there are no others; test data choose nothing.
 */
public final class CcaMergeExperiment extends NetworkExperiment {
  static final String ID = "cca-merge";

  /** Settings. */
  public record Options(
      ExperimentOptions common,
      AlignerOptions align,
      MergeOptions merge,
      @Setting("models evaluated on the line between the first two; 0 for none") int points) {
    public Options {
      if (points < 0 || points == 1) {
        throw new IllegalArgumentException("points must be 0 or at least 2, not " + points);
      }
      merge.check(common);
    }

    /** All aligners, eleven points. */
    public static Options defaults() {
      return new Options(
          ExperimentOptions.defaults(),
          AlignerOptions.defaults(String.join(",", Catalogue.aligners().ids())),
          MergeOptions.defaults(),
          11);
    }

    /** One setting changed. */
    public Options with(String name, Object value) {
      return Settings.of(this).with(name, value);
    }
  }

  private final Options options;
  private final Spectra spectra;

  public CcaMergeExperiment(Options options) {
    super(ID, options, options.common(), Optional.of(options.align()));
    this.options = options;
    List<Double> gamma = options.align().gamma();
    this.spectra =
        new Spectra(gamma.isEmpty() ? CcaAligner.Options.defaults().gamma() : gamma.get(0));
  }

  @Override
  String title() {
    return "Merging " + options().models() + " networks into one";
  }

  @Override
  void check(DataSet data, TorchNetwork network) {
    if (!options.merge().repairs().isEmpty()) {
      Choice.of(Catalogue.repairs(), options.merge().repairs())
          .forEach(repair -> repair.methods().get(0).check(network));
    }
  }

  @Override
  void run(Pair pair) throws IOException {
    Architecture architecture = pair.network().architecture();
    MergedRows merged = new MergedRows(pair, options.merge());
    // The spectra need what CCA needs, whichever aligners are compared.
    try (Moments moments = pair.statistics(CcaAligner.REQUEST.and(request(architecture)));
        Opened maps = new Opened()) {
      pair.watch().run("spectra", () -> spectra.canonical(pair, moments));
      AlignmentProblem problem = AlignmentProblem.of(architecture, moments);
      for (Choice<Aligner> aligner : aligners()) {
        List<AlignmentSet> found = new ArrayList<>();
        for (Aligner one : aligner.methods()) {
          found.add(maps.add(pair.watch().time("align", () -> one.align(problem, pair.ws()))));
        }
        Choice<AlignmentSet> all =
            new Choice<>(aligner.name(), aligner.summary(), found, aligner.settings());
        AlignmentSet shown = found.get(rows(pair, merged.of(all), found.size()));
        pair.watch().run("spectra", () -> spectra.matched(pair, aligner.name(), moments, shown));
        if (options.points() > 0) {
          pair.watch().run("paths", () -> interpolate(pair, aligner.name(), shown.of(1)));
        }
      }
    }
  }

  /** Evaluates rows, and returns the maps of the first of them that is not refused. */
  private static int rows(Pair pair, List<Row> rows, int maps) throws IOException {
    int main = -1;
    for (Row row : rows) {
      try (Pair.Taken taken = pair.take(row)) {
        if (main < 0 && taken.model() != null) {
          main = taken.way() / (row.ways().size() / maps);
        }
      }
    }
    return Math.max(0, main);
  }

  /** Networks with batch normalisation are reset at every point; others are taken as they are. */
  private void interpolate(Pair pair, String aligner, Alignment second) throws IOException {
    TorchNetwork network = pair.network();
    int few = Math.min(ExperimentOptions.FEW, pair.sample().size());
    Inputs inputs = options().batches(pair.sample().first(few));
    Workspace ws = pair.ws();
    Interpolation path =
        Interpolation.of(
            network,
            pair.models().get(0),
            pair.models().get(1),
            second,
            Interpolation.grid(options.points()),
            network.batchNorms().isEmpty()
                ? Interpolation.Repair.NONE
                : (model, ends, lambda) -> new BatchNormReset().apply(model, network, inputs, ws),
            options().few(pair.data().test()),
            ws);
    pair.findings()
        .map(CcaMergeCharts.PATHS)
        .put(
            aligner,
            new CcaMergeCharts.Path(
                aligner,
                Arrays.stream(path.lambdas()).boxed().toList(),
                path.points().stream().map(p -> p.evaluation().accuracy()).toList(),
                path.points().stream().map(p -> p.evaluation().loss()).toList(),
                path.accuracyBarrier().height(),
                path.lossBarrier().height()));
  }

  /**
   * Every row less that of the reference with the same ending, and every treatment of batch
   * normalisation less the first.
   */
  @Override
  List<Map.Entry<String, String>> comparisons(Architecture architecture, Findings first) {
    List<Map.Entry<String, String>> pairs = new ArrayList<>();
    for (String row : first.rows().keySet()) {
      for (Choice<Aligner> aligner : aligners()) {
        if ((row + "+").startsWith(aligner.name() + "+")) {
          String end = row.substring(aligner.name().length());
          pairs.add(Map.entry(row, reference(architecture) + end));
          pairs.add(
              Map.entry(row, row.replaceFirst("\\+[^+]*$", "+" + BatchNormTreatment.SPREAD.row())));
        }
      }
    }
    return pairs;
  }

  @Override
  List<Section<?>> sections(List<Findings> pairs) {
    List<Section<?>> sections = new ArrayList<>();
    if (options.points() > 0) {
      sections.add(CcaMergeCharts.paths(pairs));
    }
    sections.add(CcaMergeCharts.spectra(pairs));
    return sections;
  }
}
