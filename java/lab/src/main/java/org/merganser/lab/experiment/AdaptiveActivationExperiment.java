// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import java.io.IOException;
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.stream.Collectors;
import org.merganser.internal.Opened;
import org.merganser.lab.data.DataSet;
import org.merganser.method.Setting;
import org.merganser.torch.recurrent.RecurrentUnit;
import org.merganser.torch.recurrent.RecurrentUnit.Gamma;
import org.merganser.torch.recurrent.RecurrentUnit.Mode;

/**
 * Recurrent networks whose units learn their own shape, against units that keep the one they start
 * with. From every start (n, s) of a grid a network is trained with both fixed, one pair learned
 * for all units, a pair for each, and a pair for each late: the same weights at the start, the same
 * batches. Then a trained network meets inputs of other statistics, and adapts nothing, n and s
 * alone, or all it has.
 *
 * <p>After Geadah et al. 2020 (arXiv 2006.12253), at the scale of minutes.
 */
public final class AdaptiveActivationExperiment extends Experiment {
  static final String ID = "adaptive-activation";

  /** Settings. */
  public record Options(
      Runs runs,
      @Setting("a folder of grey images: the IDX files of MNIST and its relatives, or .npy arrays")
          String data,
      @Setting("what is learned: rows of images, permuted pixels, symbols to copy")
          List<SequenceTask> tasks,
      @Setting("how n and s are learned: static, which the others are compared with, and others")
          List<ShapeLearning> modes,
      @Setting(value = "training images, from the first", min = 2) int train,
      @Setting(value = "gains n to start with, increasing", min = Gamma.LEAST_GAIN)
          List<Double> gains,
      @Setting(value = "saturations s to start with, increasing", min = 0, max = 1)
          List<Double> saturations,
      @Setting("what keeps learned n and s in their range") RecurrentUnit.Constraint constraint,
      @Setting(value = "hidden units", min = 1) int hidden,
      @Setting(value = "epochs of training on images", min = 1) int epochs,
      @Setting(value = "sequences of a step", min = 1) int batch,
      @Setting(value = "rate of Adam", above = 0) double lr,
      @Setting(value = "largest norm of the gradient", above = 0) double clipNorm,
      @Setting(value = "delay of the copy task", min = 1) int copyDelay,
      @Setting(value = "steps of training on the copy task", min = 1) int copySteps,
      @Setting(value = "gain n of the network that meets other inputs", min = Gamma.LEAST_GAIN)
          double transferGain,
      @Setting(value = "saturation s of it", min = 0, max = 1) double transferSaturation,
      @Setting(value = "epochs that it is trained for before", min = 1) int transferEpochs,
      @Setting(value = "steps of adapting to other inputs; 0 for none", min = 0)
          int transferSteps) {
    public Options {
      tasks = tasks.stream().distinct().toList();
      modes = modes.stream().distinct().sorted().toList();
      if (!modes.contains(ShapeLearning.STATIC)) {
        throw new IllegalArgumentException(
            "modes must have static, which others are compared with, not only " + modes);
      }
      gains = List.copyOf(gains);
      saturations = List.copyOf(saturations);
      requireIncreasing("gains", gains);
      requireIncreasing("saturations", saturations);
    }

    private static void requireIncreasing(String what, List<Double> values) {
      for (int i = 1; i < values.size(); i++) {
        if (!(values.get(i) > values.get(i - 1))) {
          throw new IllegalArgumentException(what + " must increase, not " + values);
        }
      }
      if (values.isEmpty()) {
        throw new IllegalArgumentException(what + " must be one at least");
      }
    }

    /**
     * Rows of the embedded images, 64 units, the authors' 45 starts, all modes but the late one.
     */
    public static Options defaults() {
      return new Options(
          Runs.defaults(),
          ExperimentOptions.EMBEDDED,
          List.of(SequenceTask.ROWS),
          List.of(ShapeLearning.STATIC, ShapeLearning.HOMOGENEOUS, ShapeLearning.HETEROGENEOUS),
          4000,
          List.of(1.0, 2.5, 5.0, 7.5, 10.0, 12.5, 15.0, 17.5, 20.0),
          List.of(0.0, 0.25, 0.5, 0.75, 1.0),
          RecurrentUnit.Constraint.NONE,
          64,
          6,
          100,
          1e-3,
          1,
          30,
          2000,
          5,
          0.25,
          40,
          100);
    }

    /** The task whose network meets other inputs: rows of images before pixels; none without. */
    Optional<SequenceTask> transferred() {
      return tasks.stream()
          .filter(task -> transferSteps > 0 && task.isImages())
          .sorted()
          .findFirst();
    }

    /** The units of a start. */
    Gamma unit(Mode mode, double n, double s) {
      return Gamma.of(mode, n, s).withConstraint(constraint);
    }
  }

  private final Options options;

  public AdaptiveActivationExperiment(Options options) {
    super(ID, options, options.runs());
    this.options = options;
    // A start that the constraint does not know is refused before any work.
    for (double n : options.gains()) {
      options.saturations().forEach(s -> options.unit(Mode.HOMOGENEOUS, n, s));
    }
    if (options.transferSteps() > 0) {
      options.unit(Mode.HETEROGENEOUS, options.transferGain(), options.transferSaturation());
    }
  }

  Options options() {
    return options;
  }

  @Override
  String title() {
    return "Recurrent units that learn their own shape";
  }

  @Override
  Groups groups() {
    return new SeedGroups();
  }

  private final class SeedGroups implements Groups {
    private final Opened opened = new Opened();
    private final Map<SequenceTask, DataSet> images = new EnumMap<>(SequenceTask.class);

    @Override
    public void open(Runner run) throws IOException {
      for (SequenceTask task : options.tasks()) {
        if (task.isImages()) {
          OptionalInt train = OptionalInt.of(options.train());
          DataSet found = run.watch().time("data", () -> task.images(options.data(), train));
          images.put(task, opened.add(found));
          SequenceTask.require(found);
        }
      }
    }

    @Override
    public Findings find(int index, Runner run) throws IOException {
      String data = images.values().stream().map(Journal::digest).collect(Collectors.joining(" "));
      return run.journal()
          .found(index, data, () -> new ActivationSeed(options, images, index, run).run());
    }

    @Override
    public Told told(List<Findings> seeds, Runner run) {
      ExperimentResult.Data data =
          images.isEmpty() ? copied() : ExperimentResult.Data.of(images.values().iterator().next());
      List<ExperimentResult.Row> rows = Summary.rows(seeds);
      List<ExperimentResult.Difference> differences =
          AdaptiveActivationTables.differences(options, seeds);
      Map<String, Object> facts = new LinkedHashMap<>();
      facts.put("data", data);
      facts.put("scored", AdaptiveActivationTables.scored(options, data));
      facts.put("settings", facts());
      options.transferred().ifPresent(task -> facts.put("transferred", task.id()));
      return new Told(
              data,
              parameters(seeds.get(0)),
              AdaptiveActivationTables.text(options, data, seeds.size()),
              rows,
              differences,
              AdaptiveActivationTables.sections(options, rows, differences, seeds))
          .withFacts(facts);
    }

    @Override
    public void close() {
      opened.close();
    }
  }

  private ExperimentResult.Data copied() {
    int most = SequenceTask.COPIED;
    int train = ActivationSeed.copied(options);
    return new ExperimentResult.Data("symbols to copy", train, most, most, null, null);
  }

  /** Learned by the first network of the last mode. */
  private long parameters(Findings seed) {
    String task = options.tasks().get(0).id();
    String start =
        AdaptiveActivationTables.start(options.gains().get(0), options.saturations().get(0));
    String mode = options.modes().get(options.modes().size() - 1).id();
    return ((Double) seed.map("runs", task, mode, start).get("parameters")).longValue();
  }
}
