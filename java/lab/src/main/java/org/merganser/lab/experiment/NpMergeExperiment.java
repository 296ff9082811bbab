// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.SplittableRandom;
import org.merganser.align.Aligner;
import org.merganser.align.AlignmentProblem;
import org.merganser.align.AlignmentSet;
import org.merganser.align.NormRule;
import org.merganser.compute.Workspace;
import org.merganser.internal.Opened;
import org.merganser.internal.Seeds;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.merge.MergeProblem;
import org.merganser.merge.NpMerger;
import org.merganser.model.Evaluation;
import org.merganser.plan.Doctor;
import org.merganser.repair.BatchNormReset;
import org.merganser.stats.Moments;
import org.merganser.stats.StatisticsRequest;
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
public final class NpMergeExperiment {
  private static final String AVERAGE = "average";
  private static final String NP = "np-merge";
  private static final String ALL_STEPS = "np-merge-all-steps";
  private static final String TUNED = "finetuned-average";
  private static final String JOINT = "np-merge-joint";

  private final NpMergeOptions options;
  private final ExperimentSettings settings;
  private final Workspace ws;
  private final PairRuns runs;
  private final Stopwatch watch;
  private final SideBySide parallel;
  private final LearningCurves curves;
  private final Map<String, List<List<Evaluation>>> sampled = new LinkedHashMap<>();
  private List<Integer> counts = List.of();

  private NpMergeExperiment(NpMergeOptions options, Workspace ws) {
    this.options = options;
    this.settings = options.settings();
    this.ws = ws;
    this.runs = new PairRuns(settings, ws);
    this.watch = runs.watch();
    this.parallel = new SideBySide(ws, options.np().steps());
    this.curves = new LearningCurves(options.np());
  }

  /** Runs everything; what {@code keep} asks for is written pair by pair. */
  public static NpMergeResult run(NpMergeOptions options, Workspace ws) throws IOException {
    return new NpMergeExperiment(options, ws).run();
  }

  private NpMergeResult run() throws IOException {
    runs.each((data, network) -> options.checkSamples(data.train().size()), this::runPair);
    return new NpMergeResult(
        options,
        runs.data(),
        runs.parameters(),
        Summary.rows(runs.rows(), runs.selection()),
        Summary.accuracies(runs.rows()),
        differences(),
        curves.curves(),
        curves.coefficients(),
        samples(),
        runs.training(),
        runs.versions(),
        runs.backend(),
        Doctor.isa(),
        watch.seconds());
  }

  /**
   * What one aligner found.
   *
   * @param models aligned to the first
   */
  private record Aligned(Aligner aligner, List<Checkpoint> models, MemoryCheckpoint average)
      implements AutoCloseable {
    @Override
    public void close() {
      models.forEach(Checkpoint::close);
      average.close();
    }
  }

  private void runPair(PairRuns.Pair pair) throws IOException {
    List<Aligned> all = new ArrayList<>();
    try (Moments moments = runs.statistics(pair, StatisticsRequest.NONE)) {
      AlignmentProblem problem = AlignmentProblem.of(pair.network().architecture(), moments);
      for (List<Aligner> one : runs.aligners().values()) {
        Aligner aligner = one.get(0);
        try (AlignmentSet found = watch.time("align", () -> aligner.align(problem, ws))) {
          all.add(watch.time("merge", () -> average(pair, aligner, found)));
        }
      }
    }
    for (Aligned aligned : all) {
      String id = AVERAGE + "+" + aligned.aligner().id();
      runs.keep(pair, "merged-" + id + ".safetensors", aligned.average());
      pair.rows().put(id, runs.evaluate(pair, aligned.average()));
    }
    try (Examples seen = drawn(pair, options.npTrain())) {
      TorchObjective objective = objective(pair, seen, options.heldOut());
      learn(pair, objective, all);
      if (settings.models() > 2) {
        learnJointly(pair, objective, all);
      }
      fineTune(pair, objective, all);
    }
    learnFromFewer(pair, all);
    all.forEach(Aligned::close);
  }

  /** Running statistics are not averaged but taken anew: dense maps make them meaningless. */
  private Aligned average(PairRuns.Pair pair, Aligner aligner, AlignmentSet found)
      throws IOException {
    TorchNetwork network = pair.network();
    List<Checkpoint> models = runs.aligned(pair.models(), found.alignments(), NormRule.spread());
    MemoryCheckpoint average = runs.average(network, models);
    if (network.batchNorms().isEmpty()) {
      return new Aligned(aligner, models, average);
    }
    try (average) {
      return new Aligned(
          aligner,
          models,
          new BatchNormReset().apply(average, network, runs.batches(pair.sample()), ws));
    }
  }

  private void learn(PairRuns.Pair pair, TorchObjective objective, List<Aligned> all)
      throws IOException {
    List<SideBySide.Job<List<NpMerger.Result>>> jobs = new ArrayList<>();
    NpMerger merger = NpMerger.of(objective, options.np());
    for (Aligned aligned : all) {
      jobs.add(own -> rounds(pair, merger, aligned, own));
    }
    List<List<NpMerger.Result>> found = parallel("np-merge", "np-merge", pair, jobs);
    for (int i = 0; i < all.size(); i++) {
      String id = NP + "+" + all.get(i).aligner().id();
      List<NpMerger.Result> rounds = found.get(i);
      NpMerger.Result last = rounds.get(rounds.size() - 1);
      record(pair, id, last, false);
      for (int round = 0; round + 1 < rounds.size(); round++) {
        keepCoefficients(pair, id + "-round-" + (round + 1), rounds.get(round));
      }
      rounds.forEach(NpMerger.Result::close);
    }
  }

  private List<NpMerger.Result> rounds(
      PairRuns.Pair pair, NpMerger merger, Aligned aligned, Workspace own) throws IOException {
    if (settings.models() == 2) {
      return List.of(merger.learn(problem(pair, aligned.models()), own));
    }
    // Of the first two models everything is known already.
    Checkpoint first = aligned.models().get(0);
    List<Checkpoint> models = new ArrayList<>(pair.models());
    models.set(0, first);
    try (Opened realigned = new Opened()) {
      return merger.successive(
          problem(pair, models),
          (reference, model) ->
              reference == first
                  ? aligned.models().get(1)
                  : realigned.add(align(pair, aligned.aligner(), reference, model, own)),
          own);
    }
  }

  /** A model aligned to what has been merged so far. */
  private Checkpoint align(
      PairRuns.Pair pair, Aligner aligner, Checkpoint reference, Checkpoint model, Workspace own)
      throws IOException {
    TorchNetwork network = pair.network();
    try (Moments moments =
            Moments.collect(
                network,
                List.of(reference, model),
                runs.batches(pair.sample()),
                aligner.request(network.architecture()),
                own);
        AlignmentSet found =
            aligner.align(AlignmentProblem.of(network.architecture(), moments), own)) {
      return MemoryCheckpoint.copyOf(found.of(1).apply(model), own);
    }
  }

  private void learnJointly(PairRuns.Pair pair, TorchObjective objective, List<Aligned> all)
      throws IOException {
    NpMerger merger = NpMerger.of(objective, joint(options.np()));
    List<SideBySide.Job<NpMerger.Result>> jobs = new ArrayList<>();
    for (Aligned aligned : all) {
      jobs.add(own -> merger.learn(problem(pair, aligned.models()), own));
    }
    List<NpMerger.Result> found = parallel("np-merge", "np-merge jointly", pair, jobs);
    for (int i = 0; i < all.size(); i++) {
      try (NpMerger.Result learned = found.get(i)) {
        record(pair, JOINT + "+" + all.get(i).aligner().id(), learned, true);
      }
    }
  }

  private static NpMerger.Options joint(NpMerger.Options np) {
    return np.withForm(NpMerger.Form.SOFTMAX).withInitial();
  }

  private void record(PairRuns.Pair pair, String id, NpMerger.Result learned, boolean joint)
      throws IOException {
    runs.keep(pair, "merged-" + id + ".safetensors", learned.model());
    keepCoefficients(pair, id, learned);
    curves.add(id, learned, joint);
    pair.rows().put(id, runs.evaluate(pair, learned.model()));
  }

  private void keepCoefficients(PairRuns.Pair pair, String id, NpMerger.Result learned)
      throws IOException {
    runs.keep(pair, "coefficients-" + id + ".safetensors", learned.coefficients());
  }

  private void fineTune(PairRuns.Pair pair, TorchObjective objective, List<Aligned> all)
      throws IOException {
    // The one to compare with comes first.
    List<Aligned> ordered = new ArrayList<>(all);
    ordered.sort((a, b) -> Boolean.compare(isFirst(b.aligner().id()), isFirst(a.aligner().id())));
    List<SideBySide.Job<FineTuning>> jobs = new ArrayList<>();
    for (Aligned aligned : ordered) {
      jobs.add(own -> FineTuning.of(objective, aligned.average(), options.fineTuning(), own));
    }
    List<FineTuning> found = parallel("fine-tuning", "fine-tuning", pair, jobs);
    for (int i = 0; i < ordered.size(); i++) {
      String id = tuned(ordered.get(i).aligner().id());
      try (FineTuning tuned = found.get(i)) {
        runs.keep(pair, "merged-" + id + ".safetensors", tuned.model());
        curves.add(id, tuned);
        pair.rows().put(id, runs.evaluate(pair, tuned.model()));
      }
    }
  }

  private boolean isFirst(String aligner) {
    return aligner.equals(options.fineTuned());
  }

  /** Row of the average of an aligner, trained on. */
  private String tuned(String aligner) {
    return isFirst(aligner) ? TUNED : TUNED + "+" + aligner;
  }

  /** NP Merge with and without stopping, and fine-tuning, from few samples. */
  private void learnFromFewer(PairRuns.Pair pair, List<Aligned> all) throws IOException {
    counts = options.sampleCounts(pair.data().train().size());
    if (counts.isEmpty()) {
      return;
    }
    Aligned aligned =
        all.stream()
            .filter(a -> a.aligner().id().equals(options.sampled()))
            .findFirst()
            .orElseThrow();
    List<Evaluation> averages = new ArrayList<>();
    List<SideBySide.Job<MemoryCheckpoint>> jobs = new ArrayList<>();
    Opened draws = new Opened();
    for (int count : counts) {
      averages.add(pair.rows().get(AVERAGE + "+" + options.sampled()));
      Examples few = draws.add(drawn(pair, OptionalInt.of(count)));
      TorchObjective stopping = objective(pair, few, options.heldOut());
      TorchObjective lasting = objective(pair, few, 0);
      jobs.add(own -> model(rounds(pair, NpMerger.of(stopping, options.np()), aligned, own)));
      jobs.add(own -> model(rounds(pair, NpMerger.of(lasting, options.np()), aligned, own)));
      jobs.add(
          own -> FineTuning.of(stopping, aligned.average(), options.fineTuning(), own).model());
    }
    List<MemoryCheckpoint> found;
    try (draws) {
      found = parallel("samples", "samples", pair, jobs);
    }
    String[] methods = {NP, ALL_STEPS, TUNED};
    sampled.computeIfAbsent(AVERAGE, m -> new ArrayList<>()).add(averages);
    for (int m = 0; m < methods.length; m++) {
      List<Evaluation> points = new ArrayList<>();
      for (int i = m; i < found.size(); i += methods.length) {
        try (MemoryCheckpoint model = found.get(i)) {
          points.add(runs.evaluate(pair, model));
        }
      }
      sampled.computeIfAbsent(methods[m], k -> new ArrayList<>()).add(points);
    }
  }

  private static MemoryCheckpoint model(List<NpMerger.Result> rounds) {
    NpMerger.Result last = rounds.get(rounds.size() - 1);
    last.coefficients().close();
    rounds.subList(0, rounds.size() - 1).forEach(NpMerger.Result::close);
    return last.model();
  }

  private <T> List<T> parallel(
      String stage, String what, PairRuns.Pair pair, List<SideBySide.Job<T>> jobs)
      throws IOException {
    String name = what + " pair " + (pair.index() + 1) + "/" + settings.pairs();
    return watch.time(stage, () -> parallel.all(name, seed(pair), jobs));
  }

  private long seed(PairRuns.Pair pair) {
    return settings.seed() + pair.index();
  }

  private MergeProblem problem(PairRuns.Pair pair, List<Checkpoint> models) {
    return MergeProblem.of(pair.network().architecture(), models);
  }

  /** Samples drawn at random with the seed of the pair, or all; fewer are part of more. */
  private Examples drawn(PairRuns.Pair pair, OptionalInt count) {
    Examples all = pair.data().train();
    if (count.isEmpty() || count.getAsInt() == all.size()) {
      return all.first(all.size());
    }
    int[] order = new int[all.size()];
    SplittableRandom random = Seeds.stream(seed(pair), "np-merge/samples");
    for (int i = 0; i < order.length; i++) {
      int j = random.nextInt(i + 1);
      order[i] = order[j];
      order[j] = i;
    }
    int[] first = new int[count.getAsInt()];
    System.arraycopy(order, 0, first, 0, first.length);
    return all.select(first);
  }

  private TorchObjective objective(PairRuns.Pair pair, Examples samples, double heldOut) {
    return TorchObjective.builder(pair.network(), samples)
        .heldOut(heldOut)
        .batchSize(options.batch())
        .augmentation(settings.training().augmentation())
        .build();
  }

  private List<NpMergeResult.Difference> differences() {
    List<NpMergeResult.Difference> found = new ArrayList<>();
    for (String aligner : settings.aligners()) {
      String np = NP + "+" + aligner;
      found.add(difference(np, AVERAGE + "+" + aligner));
      found.add(difference(np, tuned(aligner)));
      found.add(difference(np, "best-base"));
      found.add(difference(np, "ensemble"));
      if (settings.models() > 2) {
        String joint = JOINT + "+" + aligner;
        found.add(difference(joint, AVERAGE + "+" + aligner));
        found.add(difference(joint, tuned(aligner)));
        found.add(difference(joint, np));
      }
    }
    return found;
  }

  private NpMergeResult.Difference difference(String method, String than) {
    return PairedDifferences.of(method, than, runs.rows());
  }

  private Optional<NpMergeResult.Samples> samples() {
    if (sampled.isEmpty()) {
      return Optional.empty();
    }
    Map<String, List<NpMergeResult.SamplePoint>> points = new LinkedHashMap<>();
    sampled.forEach(
        (method, pairs) -> {
          List<NpMergeResult.SamplePoint> own = new ArrayList<>();
          for (int i = 0; i < counts.size(); i++) {
            int at = i;
            own.add(Summary.point(pairs.stream().map(pair -> pair.get(at)).toList()));
          }
          points.put(method, own);
        });
    return Optional.of(new NpMergeResult.Samples(options.sampled(), counts, points));
  }
}
