// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import org.merganser.lab.data.ImageTasks;
import org.merganser.lab.report.Section;
import org.merganser.method.Setting;
import org.merganser.method.Settings;
import org.merganser.model.EarlyStopping;
import org.merganser.torch.experts.LoraOptions;

/**
 * How long to train experts that are to be merged. A network is trained on the mixture of several
 * tasks, each with a last layer of its own, which stay as they are from then on; it is fine-tuned
 * on each task for a range of lengths, in whole and by adapters; experts of each length are merged
 * by each of the methods asked for, adapters also become mixtures of experts; beside them, experts
 * that a policy ended early. Told are accuracies, interference, and of which examples they come, by
 * difficulty.
 *
 * <p>After Horoi et al. 2025, "Less is More: Undertraining Experts Improves Model Upcycling" (arXiv
 * 2506.14126), at the scale of minutes. Of several settings of a method, those are taken that are
 * best on held-out examples; test examples choose none. They do say which length is best in claim
 * (a) and in tables.
 */
public final class UndertrainingExperiment extends Experiment {
  static final String ID = "undertraining";

  /** The tasks that need no file. */
  static final String SYNTHETIC = "synthetic";

  /** How experts are made of the base, in the order of tables. */
  public enum Form {
    FULL,
    LORA,
    MOE;

    @Override
    public String toString() {
      return name().toLowerCase(Locale.ROOT);
    }
  }

  /** Settings. */
  public record Options(
      Runs runs,
      @Setting(
              "synthetic, fashion-mnist-subset (the embedded images), or a folder of images as for"
                  + " cca-merge")
          String data,
      @Setting("what is done to images, or asked of them; rotations unless set")
          Optional<ImageTasks> tasks,
      @Setting(
              value =
                  "training examples of a task; 1000 synthetic ones, as many images as the kind"
                      + " of tasks has unless set",
              min = 10)
          OptionalInt train,
      @Setting(
              value = "examples of a task that lengths and lambda are chosen by, likewise",
              min = 0)
          OptionalInt heldOut,
      @Setting(value = "test examples of a task, likewise", min = 1) OptionalInt test,
      @Setting(value = "parts of the training labels that are wrong", min = 0, max = 1)
          List<Double> noise,
      @Setting("what is trained") ExpertArchitecture network,
      @Setting(
              value =
                  "hidden units of the layers of mlp; 192,192 for synthetic tasks, 256,128"
                      + " unless set",
              min = 1)
          List<Integer> hidden,
      @Setting(value = "steps of training in common", min = 1) int baseSteps,
      @Setting(value = "numbers of steps of experts", min = 1) List<Integer> steps,
      @Setting("how experts are trained: in whole, or adapters; moe: mixtures of adapters")
          List<Form> experts,
      @Setting(value = "peak rate of Adam, in common and of full experts", above = 0) double lr,
      @Setting(value = "the same of adapters", above = 0) double loraLr,
      @Setting(value = "rank of adapters", min = 1) int rank,
      @Setting(value = "examples of a step", min = 1) int batch,
      @Setting(
              "how experts are merged, with settings; of several, divided by slashes, those best on"
                  + " held-out examples")
          String methods,
      @Setting(
              "those of them whose weights of tasks are chosen on held-out examples too; unless set"
                  + " the first of several lambdas")
          Optional<String> weights,
      @Setting("what decides which adapters of a mixture an input goes to")
          List<ExpertRouter> routers,
      @Setting(value = "adapters that an input goes to", min = 1) int topK,
      @Setting(value = "steps of training mixtures on all tasks; 0 for none", min = 0) int moeSteps,
      @Setting(value = "steps between two evaluations of early stopping", min = 1) int evalEvery,
      @Setting(value = "evaluations without improvement that lower the rate", min = 1) int patience,
      @Setting(value = "reductions of the rate to a half, the last of which ends it", min = 1)
          int reductions,
      @Setting("whether early stopping looks at the base too, and may keep it: 0 steps as a length")
          boolean stopAtBase,
      @Setting(
              "trained experts by the hash of their recipe: what is there is not trained again;"
                  + " models in the folder of --out unless set")
          Optional<Path> cache) {
    public Options {
      noise = List.copyOf(noise);
      hidden = List.copyOf(hidden);
      steps = List.copyOf(steps);
      experts = List.copyOf(experts);
      routers = List.copyOf(routers);
      ExpertOptionsCheck.lists(noise, steps, experts, routers);
    }

    /** Six synthetic tasks and a perceptron, as in the study. */
    public static Options defaults() {
      return new Options(
          Runs.defaults(),
          SYNTHETIC,
          Optional.empty(),
          OptionalInt.empty(),
          OptionalInt.empty(),
          OptionalInt.empty(),
          List.of(0.0, 0.2),
          ExpertArchitecture.MLP,
          List.of(),
          150,
          List.of(4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048),
          List.of(Form.FULL, Form.LORA, Form.MOE),
          1e-3,
          3e-3,
          4,
          64,
          ExpertMethods.USUAL,
          Optional.empty(),
          List.of(ExpertRouter.values()),
          2,
          50,
          5,
          3,
          3,
          false,
          Optional.empty());
    }

    /** One setting changed. */
    public Options with(String name, Object value) {
      return Settings.of(this).with(name, value);
    }

    boolean isSynthetic() {
      return data.equals(SYNTHETIC);
    }

    int longest() {
      return steps.get(steps.size() - 1);
    }

    EarlyStopping.Policy stopping() {
      return EarlyStopping.Policy.plateau(longest())
          .every(evalEvery, patience, reductions)
          .fromStart(stopAtBase);
    }

    ExpertMixtures.Mixing mixing() {
      return new ExpertMixtures.Mixing(routers, topK, moeSteps, loraLr, rank);
    }

    /** The scale is 1. */
    LoraOptions adapters() {
      return LoraOptions.all(rank, rank);
    }

    List<Integer> widths() {
      return !hidden.isEmpty() ? hidden : isSynthetic() ? List.of(192, 192) : List.of(256, 128);
    }
  }

  private final Options options;

  public UndertrainingExperiment(Options options) {
    super(ID, options, options.runs());
    ExpertOptionsCheck.used(options);
    this.options = options;
  }

  @Override
  String title() {
    return "How long to train experts that are to be merged";
  }

  @Override
  Groups groups() {
    return new SeedGroups();
  }

  private final class SeedGroups implements Groups {
    private UndertrainingSeed one;

    /** Tasks differ from seed to seed. */
    @Override
    public void open(Runner run) {}

    @Override
    public Findings find(int index, Runner run) throws IOException {
      try (UndertrainingSeed seed = new UndertrainingSeed(options, index, run)) {
        one = seed;
        return seed.run();
      }
    }

    @Override
    public Told told(List<Findings> seeds, Runner run) {
      List<ExpertCurves> curves = ExpertCurves.of(seeds, one.methods());
      List<ExperimentResult.Row> rows = UndertrainingRows.rows(curves);
      List<Map<String, Double>> accuracies = UndertrainingRows.accuracies(curves);
      List<ExperimentResult.Difference> differences = UndertrainingRows.differences(curves);
      List<Section<?>> sections = new ArrayList<>();
      sections.add(Section.data("rows", rows));
      sections.add(Section.data("pairs", accuracies));
      sections.addAll(UndertrainingCharts.sections(curves, differences));
      sections.add(Section.data("found", seeds.stream().map(Findings::data).toList()));
      return new Told(one.data(), one.parameters(), one.text(), rows, differences, sections)
          .withAccuracies(accuracies);
    }
  }
}
