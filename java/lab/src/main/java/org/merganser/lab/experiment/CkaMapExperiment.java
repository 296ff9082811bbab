// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.merganser.cka.CkaTargets;
import org.merganser.compute.Workspace;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.lab.data.DataSet;
import org.merganser.lab.report.Section;
import org.merganser.linalg.Tensor;
import org.merganser.method.Setting;
import org.merganser.method.Settings;
import org.merganser.model.Architecture;
import org.merganser.model.Evaluation;
import org.merganser.model.PairedActivations;
import org.merganser.torch.Examples;
import org.merganser.torch.TorchNetwork;
import org.merganser.torch.internal.session.SideBySide;
import org.merganser.torch.similarity.CkaMapOptimizer;

/**
 * Moves the CKA map of a trained network to chosen ones while it goes on saying what it said, and
 * measures on test data what became of its accuracy and of the map (Davari et al. 2023).
 *
 * <p>The first model of a group is moved; the second one gives a target.
 */
public final class CkaMapExperiment extends NetworkExperiment {
  static final String ID = "cka-map";
  static final String TEACHER = "teacher";

  /** Settings. */
  public record Options(
      ExperimentOptions common,
      @Setting("what the map is moved to; tree is for eight layers") List<CkaTarget> targets,
      @Setting(value = "epochs of moving the map", min = 1) int mapEpochs,
      @Setting(value = "weight of the map at the start", min = 0) double alpha,
      @Setting(value = "temperature at which the teacher is followed", above = 0)
          double temperature,
      @Setting(value = "test samples that maps are measured on", min = 128) int mapSamples) {
    public Options {
      targets = targets.stream().distinct().toList();
      optimisation(mapEpochs, alpha, temperature);
    }

    /** A perceptron of eight layers of 64, all targets, optimised as published. */
    public static Options defaults() {
      CkaMapOptimizer.Options usual = CkaMapOptimizer.Options.defaults();
      ExperimentOptions common =
          Settings.of(ExperimentOptions.defaults())
              .parse("", Map.of("layers", "8", "hidden", "64"));
      return new Options(
          common,
          List.of(CkaTarget.values()),
          usual.epochs(),
          usual.alpha(),
          usual.temperature(),
          2048);
    }

    private static CkaMapOptimizer.Options optimisation(
        int epochs, double alpha, double temperature) {
      return CkaMapOptimizer.Options.defaults()
          .with("epochs", epochs)
          .with("alpha", alpha)
          .with("temperature", temperature);
    }

    CkaMapOptimizer.Options optimisation() {
      return optimisation(mapEpochs, alpha, temperature);
    }
  }

  private final Options options;

  public CkaMapExperiment(Options options) {
    super(ID, options, options.common());
    this.options = options;
  }

  @Override
  String title() {
    return "CKA maps made to measure";
  }

  @Override
  void check(DataSet data, TorchNetwork network) {
    int layers = CkaMapOptimizer.layers(network).size();
    int tree = CkaTargets.tree().length;
    if (options.targets().contains(CkaTarget.TREE) && layers != tree) {
      throw new IllegalArgumentException(
          ("target tree is a map of %d layers, the network has %d; choose other targets, such as"
                  + " ones,identity, or a network of %d layers")
              .formatted(tree, layers, tree));
    }
  }

  @Override
  void run(Pair pair) throws IOException {
    MemoryCheckpoint teacher = pair.models().get(0);
    pair.take(row(TEACHER, "the model whose map is moved", teacher, pair.ws())).close();
    List<CkaTarget> targets = options.targets();
    List<double[][]> wanted = new ArrayList<>();
    double[][] before = map(pair, teacher);
    pair.findings().data().put("before", before);
    for (CkaTarget target : targets) {
      wanted.add(wanted(target, pair, before));
    }
    List<SideBySide.Job<CkaMapOptimizer.Result>> jobs = new ArrayList<>();
    for (double[][] target : wanted) {
      List<String> layers = CkaMapOptimizer.layers(pair.network());
      CkaMapOptimizer mover =
          new CkaMapOptimizer(pair.network(), layers, target, options.optimisation());
      jobs.add(own -> moved(mover, teacher, pair.data(), own));
    }
    List<Long> seeds = IntStream.range(0, jobs.size()).mapToObj(i -> pair.seed()).toList();
    List<CkaMapOptimizer.Result> moved =
        pair.watch()
            .time(
                "move",
                () ->
                    new SideBySide(pair.ws(), options.mapEpochs())
                        .all(pair.stage("move maps"), seeds, jobs));
    try (Tensor said = logits(pair, teacher)) {
      for (int t = 0; t < targets.size(); t++) {
        try (CkaMapOptimizer.Result result = moved.get(t)) {
          record(pair, targets.get(t), wanted.get(t), before, result, said);
        }
      }
    }
  }

  /** Alpha follows samples that no model was trained on, where there are such. */
  private static CkaMapOptimizer.Result moved(
      CkaMapOptimizer mover, Checkpoint teacher, DataSet data, Workspace own) throws IOException {
    return data.validation().isPresent()
        ? mover.run(teacher, data.train(), data.validation().get(), own)
        : mover.run(teacher, data.train(), own);
  }

  private static Row row(String id, String meaning, Checkpoint model, Workspace ws)
      throws IOException {
    return Row.of(id, meaning, MemoryCheckpoint.copyOf(model, ws));
  }

  private void record(
      Pair pair,
      CkaTarget target,
      double[][] wanted,
      double[][] before,
      CkaMapOptimizer.Result result,
      Tensor said)
      throws IOException {
    String id = target.id();
    pair.take(row(id, "its map moved: " + id, result.model(), pair.ws())).close();
    double[][] after = map(pair, result.model());
    Map<String, Object> found = pair.findings().map("targets", id);
    found.put("errorBefore", CkaMapFigures.error(before, wanted));
    found.put("errorAfter", CkaMapFigures.error(after, wanted));
    try (Tensor says = logits(pair, result.model())) {
      found.put("agreement", CkaMapFigures.agreement(said, says));
    }
    int last = after.length - 1;
    found.put("farBefore", before[0][last]);
    found.put("farAfter", after[0][last]);
    found.put("alpha", result.alphas().get(result.alphas().size() - 1));
    found.put("dead", (double) result.dead());
    found.put("wanted", wanted);
    found.put("after", after);
  }

  private double[][] wanted(CkaTarget target, Pair pair, double[][] own) throws IOException {
    int last = own.length - 1;
    return switch (target) {
      case ONES -> CkaTargets.ones(own.length);
      case IDENTITY -> CkaTargets.identity(own.length);
      case FAR_PAIR -> CkaTargets.withPair(own, 0, last, 1);
      case TREE -> CkaTargets.tree();
      case OTHER -> map(pair, pair.models().get(1));
      case UNTRAINED -> {
        try (MemoryCheckpoint random = pair.network().initialise(pair.untrainedSeed())) {
          yield map(pair, random);
        }
      }
    };
  }

  private double[][] map(Pair pair, Checkpoint model) throws IOException {
    Examples test = pair.data().test();
    Examples some = test.first(Math.min(test.size(), options.mapSamples()));
    TorchNetwork network = pair.network();
    List<PairedActivations.Model> models = PairedActivations.Model.of(network, List.of(model));
    int batch = options.optimisation().batch();
    return pair.watch()
        .time(
            "maps",
            () ->
                CkaMapOptimizer.map(
                    models, CkaMapOptimizer.layers(network), some, batch, pair.ws()));
  }

  private static Tensor logits(Pair pair, Checkpoint model) throws IOException {
    return Evaluation.logits(pair.network(), model, pair.data().test(), pair.ws());
  }

  @Override
  List<Map.Entry<String, String>> comparisons(Architecture architecture, Findings first) {
    return options.targets().stream().map(t -> Map.entry(t.id(), TEACHER)).toList();
  }

  @Override
  List<Section<?>> sections(List<Findings> pairs) {
    Map<String, CkaMapCharts.Moved> rows = new LinkedHashMap<>();
    options.targets().forEach(t -> rows.put(t.id(), CkaMapCharts.Moved.of(t.id(), pairs)));
    return List.of(CkaMapCharts.moved(List.copyOf(rows.values()), pairs.get(0)));
  }
}
