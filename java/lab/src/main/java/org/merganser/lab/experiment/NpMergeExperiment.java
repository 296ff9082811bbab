// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import org.merganser.align.Aligner;
import org.merganser.compute.Workspace;
import org.merganser.internal.Opened;
import org.merganser.io.Checkpoint;
import org.merganser.lab.data.DataSet;
import org.merganser.lab.report.Section;
import org.merganser.merge.MergeProblem;
import org.merganser.merge.NpMerger;
import org.merganser.method.Settings;
import org.merganser.model.Architecture;
import org.merganser.torch.Examples;
import org.merganser.torch.TorchNetwork;
import org.merganser.torch.objective.FineTuning;
import org.merganser.torch.objective.TorchObjective;

/**
 * Trains independent models, aligns them with every aligner, learns each parameter's coefficient
 * (NP Merge) and compares with the plain average, with the average trained on for as many steps,
 * with the models and with their ensemble.
 *
 * <p>After arXiv 2412.15467, at the scale of minutes. Batches, held-out samples and the samples of
 * the curve depend on the seed of the pair only: they are the same for all methods.
 *
 * <p>More than two models are merged one after the other, each aligned to what has been merged so
 * far with statistics taken anew, and jointly, all aligned to the first.
 */
public final class NpMergeExperiment extends NetworkExperiment {
  static final String ID = "np-merge";
  static final String AVERAGE = "average";
  static final String NP = "np-merge";
  static final String ALL_STEPS = "np-merge-all-steps";
  static final String TUNED = "finetuned-average";
  private static final String JOINT = "np-merge-joint";
  private static final String DRAW = "np-merge/samples";
  private static final int MOST_MODELS = 8;

  /** Settings. */
  public record Options(
      ExperimentOptions common,
      AlignerOptions align,
      LearningOptions learning,
      NpMerger.Options np) {
    public Options {
      if (np.state().isPresent()) {
        throw new IllegalArgumentException(
            "state is the file of one run, and an experiment makes many; drop it");
      }
      if (np.initUniform() && common.models() == 2) {
        throw new IllegalArgumentException(
            "init-uniform says where later rounds begin, and two models have one; drop it, or give"
                + " --models");
      }
      if (!np.initial().isEmpty() && np.initial().size() != 2) {
        throw new IllegalArgumentException(
            "initial must have 2 coefficients, since two models are merged at a time, not "
                + np.initial());
      }
      if (common.models() > MOST_MODELS) {
        throw new IllegalArgumentException(
            "models must be at most 8 to be merged jointly, not " + common.models());
      }
    }

    /** Identity, permutation and CCA. */
    public static Options defaults() {
      return new Options(
          ExperimentOptions.defaults(),
          AlignerOptions.defaults("identity,permutation,cca"),
          LearningOptions.defaults(),
          NpMerger.Options.defaults());
    }

    /** One setting changed. */
    public Options with(String name, Object value) {
      return Settings.of(this).with(name, value);
    }
  }

  private final Options options;

  public NpMergeExperiment(Options options) {
    super(ID, options, options.common(), Optional.of(options.align()));
    this.options = options;
  }

  @Override
  String title() {
    return "Merging " + options().models() + " networks parameter by parameter";
  }

  @Override
  void check(DataSet data, TorchNetwork network) {
    options.learning().check(data);
  }

  @Override
  void run(Pair pair) throws IOException {
    LearnedRows rows = new LearnedRows(pair, options.np().steps());
    try (Opened open = new Opened();
        Examples seen = pair.drawn(options.learning().npTrain(), DRAW)) {
      List<Aligned> all = Aligned.all(pair, this, open);
      TorchObjective objective =
          options.learning().objective(pair, seen, options.learning().heldOut());
      rows.add(
          NP,
          all,
          a -> NP + "+" + a.choice().name(),
          "a coefficient for each parameter, learned",
          np(pair, objective));
      if (options().models() > 2) {
        NpMerger joint =
            NpMerger.of(objective, options.np().withForm(NpMerger.Form.SOFTMAX).withInitial());
        rows.add(
            "np-merge jointly",
            all,
            a -> JOINT + "+" + a.choice().name(),
            "coefficients of all models learned at once",
            (a, own) -> Learned.of(List.of(joint.learn(a.problem(pair), own)), true));
      }
      // The average of the last aligner comes first: it is the one to compare with.
      List<Aligned> ordered = new ArrayList<>(all);
      ordered.add(0, ordered.remove(all.size() - 1));
      rows.add(
          "fine-tuning",
          ordered,
          a -> tuned(a.choice()),
          "the average trained on, as many steps and batches as NP Merge",
          tuning(objective));
      learnFromFewer(pair, rows, all);
    }
  }

  /** As many steps, and stopped as NP Merge is. */
  private LearnedRows.Method tuning(TorchObjective objective) {
    NpMerger.Options np = options.np();
    FineTuning.Options how = FineTuning.Options.adam(np.steps(), np.evalEvery(), np.patience());
    return (a, own) -> Learned.of(FineTuning.of(objective, a.average(), how, own));
  }

  /** Of more than two models one after the other. */
  private LearnedRows.Method np(Pair pair, TorchObjective objective) {
    NpMerger merger = NpMerger.of(objective, options.np());
    boolean planes = options.np().form() == NpMerger.Form.SOFTMAX;
    return (a, own) ->
        options().models() == 2
            ? Learned.of(List.of(merger.learn(a.problem(pair), own)), planes)
            : successive(pair, merger, a, own, planes);
  }

  private static Learned successive(
      Pair pair, NpMerger merger, Aligned aligned, Workspace own, boolean planes)
      throws IOException {
    // Of the first two models everything is known already.
    Checkpoint first = aligned.models().get(0);
    List<Checkpoint> models = new ArrayList<>(pair.models());
    models.set(0, first);
    try (Opened realigned = new Opened()) {
      return Learned.of(
          merger.successive(
              MergeProblem.of(pair.network().architecture(), models),
              (reference, model) ->
                  reference == first
                      ? aligned.models().get(1)
                      : realigned.add(aligned.realign(pair, reference, model, own)),
              own),
          planes);
    }
  }

  /** Row of the average of an aligner, trained on. */
  private String tuned(Choice<Aligner> aligner) {
    boolean main = aligner.equals(aligners().get(aligners().size() - 1));
    return main ? TUNED : TUNED + "+" + aligner.name();
  }

  /** NP Merge with and without stopping, and fine-tuning, from few samples. */
  private void learnFromFewer(Pair pair, LearnedRows rows, List<Aligned> all) throws IOException {
    LearningOptions learning = options.learning();
    String reference = reference(pair.network().architecture());
    Aligned aligned =
        all.stream().filter(a -> a.choice().name().equals(reference)).findFirst().orElseThrow();
    for (int count : learning.counts(options(), pair.data().train().size())) {
      rows.sample(reference, AVERAGE, count, pair.findings().row(AVERAGE + "+" + reference).test());
      try (Examples few = pair.drawn(OptionalInt.of(count), DRAW)) {
        TorchObjective stopping = learning.objective(pair, few, learning.heldOut());
        Map<String, LearnedRows.Method> methods = new LinkedHashMap<>();
        methods.put(NP, np(pair, stopping));
        methods.put(ALL_STEPS, np(pair, learning.objective(pair, few, 0)));
        methods.put(TUNED, tuning(stopping));
        rows.samples(aligned, count, methods);
      }
    }
  }

  @Override
  List<Map.Entry<String, String>> comparisons(Architecture architecture, Findings first) {
    List<Map.Entry<String, String>> pairs = new ArrayList<>();
    for (Choice<Aligner> aligner : aligners()) {
      String average = AVERAGE + "+" + aligner.name();
      String np = NP + "+" + aligner.name();
      for (String than : List.of(average, tuned(aligner), "best-base", "ensemble")) {
        pairs.add(Map.entry(np, than));
      }
      for (String than : List.of(average, tuned(aligner), np)) {
        pairs.add(Map.entry(JOINT + "+" + aligner.name(), than));
      }
    }
    return pairs;
  }

  @Override
  List<Section<?>> sections(List<Findings> pairs) {
    String main = aligners().get(aligners().size() - 1).name();
    return NpMergeCharts.sections(pairs, main, options.np().evalEvery());
  }
}
