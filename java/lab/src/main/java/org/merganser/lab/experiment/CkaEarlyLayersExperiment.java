// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.merganser.internal.Seeds;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.lab.report.Chart;
import org.merganser.lab.report.Json;
import org.merganser.lab.report.Section;
import org.merganser.linalg.Tensor;
import org.merganser.method.Setting;
import org.merganser.method.Settings;
import org.merganser.model.Architecture;
import org.merganser.model.Evaluation;
import org.merganser.model.Network;
import org.merganser.model.PairedActivations;
import org.merganser.torch.Examples;
import org.merganser.torch.similarity.CkaMapOptimizer;
import org.merganser.torch.training.ModelTraining;
import org.merganser.torch.training.Trainer;

/**
 * CKA, layer by layer, between a trained network and three others: one trained from another seed,
 * one that memorised the same samples under shuffled labels, and one that was not trained. Where
 * these are alike in early layers, CKA there says nothing about what was learned (Davari et al.
 * 2023).
 */
public final class CkaEarlyLayersExperiment extends NetworkExperiment {
  static final String ID = "cka-early-layers";
  private static final String MEMORISED = "memorised";
  private static final String UNTRAINED = "untrained";
  private static final List<String> OTHERS = List.of("trained", MEMORISED, UNTRAINED);
  private static final int BATCH = 128;

  /** Settings. */
  public record Options(
      ExperimentOptions common,
      @Setting(value = "epochs of training on shuffled labels", min = 1) int memoriseEpochs,
      @Setting(value = "test samples that CKA is measured on", min = BATCH) int mapSamples) {

    /** A perceptron of eight layers of 64. */
    public static Options defaults() {
      ExperimentOptions common =
          Settings.of(ExperimentOptions.defaults())
              .parse("", Map.of("layers", "8", "hidden", "64"));
      return new Options(common, 100, 2048);
    }
  }

  private final Options options;

  public CkaEarlyLayersExperiment(Options options) {
    super(ID, options, options.common());
    this.options = options;
  }

  @Override
  String title() {
    return "Early layers of trained, memorising and untrained networks";
  }

  @Override
  void run(Pair pair) throws IOException {
    List<Checkpoint> models = new ArrayList<>(pair.models().subList(0, 2));
    try (MemoryCheckpoint memorised = pair.watch().time("train", () -> memorised(pair));
        MemoryCheckpoint untrained = pair.network().initialise(pair.untrainedSeed())) {
      models.add(memorised);
      models.add(untrained);
      String of = "trained on the same samples under shuffled labels";
      pair.take(Row.of(MEMORISED, of, MemoryCheckpoint.copyOf(memorised, pair.ws()))).close();
      of = "not trained";
      pair.take(Row.of(UNTRAINED, of, MemoryCheckpoint.copyOf(untrained, pair.ws()))).close();
      compare(pair, models);
    }
  }

  private MemoryCheckpoint memorised(Pair pair) throws IOException {
    Examples train = pair.data().train();
    int[] labels = train.labels();
    int[] order = Seeds.order(labels.length, pair.seed(), MEMORISED);
    int[] shuffled = IntStream.of(order).map(i -> labels[i]).toArray();
    Tensor inputs = train.inputs();
    Examples data = new Examples(inputs.rows(0, inputs.dim(0)), shuffled, train.classes());
    String part = pair.data().name() + ", labels shuffled by seed " + pair.seed();
    MemoryCheckpoint model =
        new ModelTraining(pair.network(), longer(), options().cache(), pair.ws())
            .train(
                List.of(new ModelTraining.Job(pair.untrainedSeed(), data, part)),
                pair.stage("memorise"))
            .models()
            .get(0);
    double learned = Evaluation.of(pair.network(), model, data, pair.ws()).accuracy();
    pair.findings().data().put("memorisedAccuracy", learned);
    return model;
  }

  /** Labels that say nothing are learned one by one. */
  private Trainer.Options longer() {
    Trainer.Options usual = options().training();
    return new Trainer.Options(
        usual.optimizer(),
        usual.schedule(),
        options.memoriseEpochs(),
        usual.batchSize(),
        usual.clipNorm(),
        usual.threads(),
        usual.augmentation());
  }

  private void compare(Pair pair, List<Checkpoint> models) throws IOException {
    Examples test = pair.data().test();
    Examples some = test.first(Math.min(test.size(), options.mapSamples()));
    List<String> layers = CkaMapOptimizer.layers(pair.network());
    Network network = pair.network();
    double[][] all =
        pair.watch()
            .time(
                "cka",
                () ->
                    CkaMapOptimizer.map(
                        PairedActivations.Model.of(network, models),
                        layers,
                        some,
                        BATCH,
                        pair.ws()));
    int count = layers.size();
    for (int other = 0; other < OTHERS.size(); other++) {
      double[][] map = new double[count][];
      for (int layer = 0; layer < count; layer++) {
        int from = (other + 1) * count;
        map[layer] = java.util.Arrays.copyOfRange(all[layer], from, from + count);
      }
      pair.findings().map("maps").put(OTHERS.get(other), map);
    }
    pair.findings().data().put("layers", layers);
  }

  @Override
  List<Map.Entry<String, String>> comparisons(Architecture architecture, Findings first) {
    return List.of();
  }

  /**
   * CKA of a layer in a trained network with the same layer in each of the others.
   *
   * @param cka by the other network
   */
  private record Layer(String layer, Map<String, Measured> cka) {}

  @Override
  List<Section<?>> sections(List<Findings> pairs) {
    List<double[][]> first =
        OTHERS.stream()
            .map(other -> Json.convert(pairs.get(0).map("maps").get(other), double[][].class))
            .toList();
    List<?> names = Json.convert(pairs.get(0).data().get("layers"), List.class);
    List<Layer> rows = new ArrayList<>();
    for (int l = 0; l < names.size(); l++) {
      int at = l;
      Map<String, Measured> cka = new LinkedHashMap<>();
      for (String other : OTHERS) {
        List<Double> values =
            Findings.all(pairs, double[][].class, "maps", other).stream()
                .map(map -> map[at][at])
                .toList();
        cka.put(other, Measured.of(values));
      }
      rows.add(new Layer(names.get(l).toString(), cka));
    }
    Section<Layer> section =
        new Section<>(
                "layers",
                "Layer by layer",
                "Minibatch debiased CKA of a layer in a trained network with the same layer in"
                    + " another one, on test samples; maps are of the first group.",
                rows)
            .text("layer", 8, Layer::layer);
    Chart.Lines lines = new Chart.Lines("layers", "CKA with a trained network", "", "layer", "CKA");
    for (String other : OTHERS) {
      section.number(other, 22, row -> row.cka().get(other).text("%.3f"));
      List<Double> means = rows.stream().map(row -> row.cka().get(other).mean()).toList();
      lines.line(other, lines.size() + 1, Chart.places(1, rows.size()), means);
    }
    section.chart(lines.limits(Math.min(0, least(rows)), 1.0));
    List<String> places = IntStream.rangeClosed(1, rows.size()).mapToObj(l -> "" + l).toList();
    for (int k = 0; k < OTHERS.size(); k++) {
      String title = "trained (rows) and " + OTHERS.get(k) + " (columns)";
      section.chart(
          Chart.heatMap("map-" + OTHERS.get(k), title, title, places, places, first.get(k)));
    }
    Measured learned = Measured.of(pairs, "memorisedAccuracy");
    return List.of(section, Section.data("memorised", List.of(Map.of("training", learned))));
  }

  private static double least(List<Layer> rows) {
    return rows.stream()
        .flatMap(row -> row.cka().values().stream())
        .mapToDouble(Measured::mean)
        .min()
        .orElseThrow();
  }
}
