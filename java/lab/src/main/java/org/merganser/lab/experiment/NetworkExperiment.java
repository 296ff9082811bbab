// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import java.io.IOException;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.merganser.align.Aligner;
import org.merganser.lab.data.DataSet;
import org.merganser.lab.report.Section;
import org.merganser.model.Architecture;
import org.merganser.plan.Catalogue;
import org.merganser.stats.StatisticsRequest;
import org.merganser.torch.TorchNetwork;

/**
 * A comparison on groups of networks trained from different seeds: what it does with one of them,
 * and what it shows of all. Training, the models themselves and their ensemble, evaluation, files,
 * going on after an interruption, tables and reports are the same for every one.
 */
public abstract class NetworkExperiment extends Experiment {
  private final ExperimentOptions options;
  private final List<Choice<Aligner>> aligners;

  /**
   * @param settings its own record
   * @param options those of it that all have
   */
  NetworkExperiment(String id, Record settings, ExperimentOptions options) {
    this(id, settings, options, Optional.empty());
  }

  /** The same of one that aligns models. */
  NetworkExperiment(
      String id, Record settings, ExperimentOptions options, Optional<AlignerOptions> align) {
    super(id, settings, options.runs());
    this.options = options;
    this.aligners =
        align.map(of -> Choice.of(Catalogue.aligners(), of.aligned())).orElse(List.of());
  }

  /** Settings that all have. */
  public final ExperimentOptions options() {
    return options;
  }

  /** Throws before anything is trained when data and network do not fit the settings. */
  void check(DataSet data, TorchNetwork network) {}

  /** Evaluates the rows of one group of models, and puts what else is found into its findings. */
  abstract void run(Pair pair) throws IOException;

  /** Pairs of rows to be compared: a row and the one that it is less. */
  abstract List<Map.Entry<String, String>> comparisons(Architecture architecture, Findings first);

  /** Its own parts of the report. */
  abstract List<Section<?>> sections(List<Findings> pairs);

  @Override
  final Groups groups() {
    return new NetworkGroups(this);
  }

  final List<Choice<Aligner>> aligners() {
    return aligners;
  }

  /** What all aligners ask for. */
  final StatisticsRequest request(Architecture architecture) {
    return aligners.stream()
        .map(aligner -> aligner.methods().get(0).request(architecture))
        .reduce(StatisticsRequest.NONE, StatisticsRequest::and);
  }

  /** The first aligner that looks at activations, else the first: others are compared with it. */
  final String reference(Architecture architecture) {
    return aligners.stream()
        .filter(a -> !a.methods().get(0).request(architecture).equals(StatisticsRequest.NONE))
        .findFirst()
        .orElse(aligners.get(0))
        .name();
  }
}
