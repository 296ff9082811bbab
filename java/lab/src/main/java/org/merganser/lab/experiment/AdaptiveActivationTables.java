// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.function.ToDoubleFunction;
import org.merganser.lab.experiment.ExperimentResult.Difference;
import org.merganser.lab.report.Json;
import org.merganser.lab.report.Section;
import org.merganser.model.Evaluation;
import org.merganser.torch.recurrent.RecurrentUnit.Mode;
import org.merganser.torch.recurrent.SequenceTasks;

/** What {@link AdaptiveActivationExperiment} compares and tells. */
final class AdaptiveActivationTables {
  /** Of rows of the start that is best on validation data. */
  static final String BEST = "-best";

  private AdaptiveActivationTables() {}

  static String start(double n, double s) {
    return Section.format("n=%s s=%s", n, s);
  }

  static String row(SequenceTask task, Mode mode) {
    return task.id() + "-" + ActivationSeed.id(mode);
  }

  /** Test accuracy and loss at the end; of a run that diverged those of who guesses. */
  static Evaluation last(Map<String, Object> run) {
    if (!run.containsKey("diverged")) {
      return new Evaluation(end(run, "accuracy"), end(run, "loss"));
    }
    double classes = (Double) run.get("classes");
    return new Evaluation(1.0 / classes, Math.log(classes));
  }

  private static double end(Map<String, Object> run, String what) {
    List<Double> values = list(run, what);
    return values.get(values.size() - 1);
  }

  /** Test accuracy before the first step; that of a guess where none could be measured. */
  private static double first(Map<String, Object> run) {
    List<Double> values = list(run, "accuracy");
    return values.isEmpty() ? last(run).accuracy() : values.get(0);
  }

  @SuppressWarnings("unchecked")
  static List<Double> list(Map<String, Object> run, String what) {
    return Json.convert(run.get(what), List.class);
  }

  static String text(AdaptiveActivationExperiment.Options options, int seeds) {
    return ("Recurrent networks of %d units h = gamma(U x + V h + b; n, s), V of rotations at the"
            + " start, Adam %s, batches of %d, gradients clipped to %s, constraint %s. From each"
            + " of %d starts (n of %s, s of %s) with the same weights and batches: n and s fixed"
            + " (static), one pair learned (homogeneous), a pair for each unit (heterogeneous)."
            + " Accuracy on at most 1000 test sequences. A run that diverged counts as a guess."
            + " %d seed%s.")
        .formatted(
            options.hidden(),
            options.lr(),
            options.batch(),
            options.clipNorm(),
            options.constraint().name().toLowerCase(java.util.Locale.ROOT),
            options.gains().size() * options.saturations().size(),
            options.gains(),
            options.saturations(),
            seeds,
            seeds == 1 ? "" : "s, which share no weights");
  }

  /** Modes against each other, of the typical start and of the best. */
  static List<Difference> differences(
      AdaptiveActivationExperiment.Options options, List<Findings> seeds) {
    List<Difference> all = new ArrayList<>();
    for (SequenceTask task : options.tasks()) {
      for (String start : List.of("", BEST)) {
        String fixed = row(task, Mode.STATIC) + start;
        String shared = row(task, Mode.HOMOGENEOUS) + start;
        String own = row(task, Mode.HETEROGENEOUS) + start;
        all.addAll(Summary.difference(shared, fixed, seeds));
        all.addAll(Summary.difference(own, fixed, seeds));
        all.addAll(Summary.difference(own, shared, seeds));
      }
    }
    return all;
  }

  static List<Section<?>> sections(
      AdaptiveActivationExperiment.Options options,
      List<ExperimentResult.Row> rows,
      List<Difference> differences,
      List<Findings> seeds) {
    List<Section<?>> sections = new ArrayList<>();
    sections.add(ResultReport.rows(rows, seeds.size() == 1));
    sections.add(Section.data("pairs", Summary.accuracies(seeds)));
    sections.add(Section.data("chosen", ResultReport.chosen(seeds)));
    sections.add(ResultReport.differences(differences, seeds.size()));
    sections.add(gains(options, seeds));
    for (SequenceTask task : options.tasks()) {
      Section<Start> starts = starts(options, task, seeds);
      AdaptiveActivationCharts.add(options, task, seeds, starts);
      sections.add(starts);
    }
    if (seeds.get(0).data().containsKey("transfer")) {
      sections.add(transfers(options, seeds));
      sections.add(Section.data("transferDiverged", notTransferred(seeds)));
    }
    return sections;
  }

  /** Test accuracies of all starts of a mode in one seed. */
  private static List<Double> accuracies(SequenceTask task, Mode mode, Findings seed) {
    String name = ActivationSeed.id(mode);
    return seed.map("runs", task.id(), name).keySet().stream()
        .map(start -> last(seed.map("runs", task.id(), name, start)).accuracy())
        .toList();
  }

  /**
   * How much better a mode is than static in some view of all starts.
   *
   * @param points accuracy in [0, 1] less that of static, seed by seed
   * @param share of starts that are better than the same start with n and s fixed
   */
  private record Gain(String task, String mode, String over, Measured points, Measured share) {}

  private static Section<Gain> gains(
      AdaptiveActivationExperiment.Options options, List<Findings> seeds) {
    Map<String, ToDoubleFunction<List<Double>>> views = new java.util.LinkedHashMap<>();
    views.put("mean of starts", Summary::mean);
    views.put("median start", ActivationSeed::median);
    views.put("worst start", Collections::min);
    views.put("best start", Collections::max);
    List<Gain> rows = new ArrayList<>();
    for (SequenceTask task : options.tasks()) {
      for (Mode mode : List.of(Mode.HOMOGENEOUS, Mode.HETEROGENEOUS)) {
        views.forEach((name, view) -> rows.add(gain(task, mode, name, view, seeds)));
      }
    }
    return new Section<>(
            "gains",
            "What adaptation adds",
            "Points of test accuracy over the same starts with n and s fixed, seed by seed, with"
                + " the 95 % interval; share of starts that adaptation makes better. The best and"
                + " the worst start are those of the test data: they flatter.",
            rows)
        .text("task", 4, Gain::task)
        .text("mode", 10, Gain::mode)
        .text("over", 10, Gain::over)
        .number("points", 1, row -> hundred(row.points()).text("%+.2f"))
        .number("better starts", 1, row -> row.share().text("%.2f"));
  }

  private static Gain gain(
      SequenceTask task,
      Mode mode,
      String name,
      ToDoubleFunction<List<Double>> view,
      List<Findings> seeds) {
    List<Double> points = new ArrayList<>();
    List<Double> shares = new ArrayList<>();
    for (Findings seed : seeds) {
      List<Double> adapted = accuracies(task, mode, seed);
      List<Double> fixed = accuracies(task, Mode.STATIC, seed);
      points.add(view.applyAsDouble(adapted) - view.applyAsDouble(fixed));
      double better = 0;
      for (int i = 0; i < fixed.size(); i++) {
        better += adapted.get(i) > fixed.get(i) ? 1 : adapted.get(i).equals(fixed.get(i)) ? .5 : 0;
      }
      shares.add(better / fixed.size());
    }
    return new Gain(
        task.id(), ActivationSeed.id(mode), name, Measured.of(points), Measured.of(shares));
  }

  static Measured hundred(Measured fraction) {
    return Measured.of(fraction.pairs().stream().map(value -> 100 * value).toList());
  }

  /**
   * One start in one mode.
   *
   * @param endN mean of n over units at the end, likewise s, of the seeds that did not diverge;
   *     null when all did
   * @param spreadN standard deviation over units, likewise
   * @param diverged in how many seeds
   */
  private record Start(
      String mode,
      double n,
      double s,
      Measured accuracy,
      Measured loss,
      Measured endN,
      Measured endS,
      Measured spreadN,
      Measured spreadS,
      int diverged) {}

  private static Section<Start> starts(
      AdaptiveActivationExperiment.Options options, SequenceTask task, List<Findings> seeds) {
    List<Start> rows = new ArrayList<>();
    for (Mode mode : Mode.values()) {
      for (double s : options.saturations()) {
        options.gains().forEach(n -> rows.add(start(task, mode, n, s, seeds)));
      }
    }
    String about =
        task == SequenceTask.COPY
            ? Section.format(
                "Who forgets has the loss %.4f.",
                SequenceTasks.Copy.of(options.copyDelay()).memorylessLoss())
            : "";
    return new Section<>(
            "starts-" + task.id(),
            "Starts: " + task.id(),
            "Means over seeds with the 95 % interval; n and s at the end are means over units, of"
                + " runs that did not diverge. "
                + about,
            rows)
        .text("mode", 0, Start::mode)
        .number("n", 0, "%.3g", Start::n)
        .number("s", 0, "%.3g", Start::s)
        .number("accuracy", 0, row -> hundred(row.accuracy()).text("%.2f"))
        .number("loss", 0, row -> row.loss().text("%.4f"))
        .number("n at the end", 0, row -> told(row.endN()))
        .number("s at the end", 0, row -> told(row.endS()))
        .number("sd of n", 0, row -> mean(row.spreadN()))
        .number("sd of s", 0, row -> mean(row.spreadS()))
        .number("diverged", 0, row -> "" + row.diverged());
  }

  private static Start start(
      SequenceTask task, Mode mode, double n, double s, List<Findings> seeds) {
    List<Map<String, Object>> runs =
        seeds.stream()
            .map(seed -> seed.map("runs", task.id(), ActivationSeed.id(mode), start(n, s)))
            .toList();
    List<Evaluation> tests = runs.stream().map(run -> last(run)).toList();
    return new Start(
        ActivationSeed.id(mode),
        n,
        s,
        Measured.of(tests.stream().map(Evaluation::accuracy).toList()),
        Measured.of(tests.stream().map(Evaluation::loss).toList()),
        ended(runs, run -> end(run, "n")),
        ended(runs, run -> end(run, "s")),
        ended(runs, run -> (Double) run.get("spreadN")),
        ended(runs, run -> (Double) run.get("spreadS")),
        diverged(runs));
  }

  private static int diverged(List<Map<String, Object>> runs) {
    return (int) runs.stream().filter(run -> run.containsKey("diverged")).count();
  }

  /** Of runs that did not diverge; null when all did. */
  private static Measured ended(
      List<Map<String, Object>> runs, ToDoubleFunction<Map<String, Object>> what) {
    List<Double> values =
        runs.stream()
            .filter(run -> !run.containsKey("diverged"))
            .map(run -> what.applyAsDouble(run))
            .toList();
    return values.isEmpty() ? null : Measured.of(values);
  }

  private static String mean(Measured measured) {
    return measured == null ? "-" : Section.format("%.2f", measured.mean());
  }

  private static String told(Measured measured) {
    return measured == null ? "-" : measured.text("%.2f");
  }

  /**
   * What a network makes of other inputs.
   *
   * @param trained parameters that follow
   * @param first accuracy on them before any step
   * @param last after all steps; of a run that diverged that of a guess
   * @param diverged in how many seeds
   */
  private record Transfer(
      String inputs, String adapts, double trained, Measured first, Measured last, int diverged) {}

  /** Why the networks of some seeds were not transferred. */
  private static List<String> notTransferred(List<Findings> seeds) {
    List<String> why = new ArrayList<>();
    for (int i = 0; i < seeds.size(); i++) {
      Object diverged = seeds.get(i).map("transfer").get("diverged");
      if (diverged != null) {
        why.add("seed " + (i + 1) + ": " + diverged);
      }
    }
    return why;
  }

  private static Section<Transfer> transfers(
      AdaptiveActivationExperiment.Options options, List<Findings> all) {
    List<Findings> seeds =
        all.stream().filter(seed -> !seed.map("transfer").containsKey("diverged")).toList();
    List<Transfer> rows = new ArrayList<>();
    List<InputShift> shifts = seeds.isEmpty() ? List.of() : List.of(InputShift.values());
    for (InputShift shift : shifts) {
      for (Adaptation how : Adaptation.values()) {
        List<Map<String, Object>> runs =
            seeds.stream().map(seed -> seed.map("transfer", shift.id(), how.id())).toList();
        rows.add(
            new Transfer(
                shift.id(),
                how.id(),
                (Double) runs.get(0).get("trained"),
                Measured.of(runs.stream().map(run -> first(run)).toList()),
                Measured.of(runs.stream().map(run -> last(run).accuracy()).toList()),
                diverged(runs)));
      }
    }
    Section<Transfer> section =
        new Section<>(
                "transfer",
                "Inputs of other statistics",
                Section.format(
                    "A static network of n = %s, s = %s; accuracy in %% on inputs as it knows them"
                        + " %s, on others before and after %d steps. A run that diverged counts as"
                        + " a guess. Left out, as the network itself diverged: %d of %d seeds.",
                    options.transferGain(),
                    options.transferSaturation(),
                    seeds.isEmpty()
                        ? "-"
                        : hundred(Measured.of(seeds, "transfer", "before")).text("%.2f"),
                    options.transferSteps(),
                    all.size() - seeds.size(),
                    all.size()),
                rows)
            .text("inputs", 8, Transfer::inputs)
            .text("adapts", 10, Transfer::adapts)
            .number("parameters", 1, "%.0f", Transfer::trained)
            .number("before", 1, row -> hundred(row.first()).text("%.2f"))
            .number("after", 1, row -> hundred(row.last()).text("%.2f"))
            .number("diverged", 1, row -> "" + row.diverged());
    for (InputShift shift : shifts) {
      AdaptiveActivationCharts.adaptation(shift, seeds).ifPresent(section::chart);
    }
    return section;
  }
}
