// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.ToDoubleFunction;
import java.util.stream.Collectors;
import org.merganser.lab.experiment.ExperimentResult.Difference;
import org.merganser.lab.report.Json;
import org.merganser.lab.report.Section;
import org.merganser.model.Evaluation;
import org.merganser.torch.recurrent.SequenceTasks;

/** What {@link AdaptiveActivationExperiment} compares and tells. */
final class AdaptiveActivationTables {
  /** Of rows of the start that is best on validation data. */
  static final String BEST = "-best";

  private AdaptiveActivationTables() {}

  static String start(double n, double s) {
    return Section.format("n=%s s=%s", n, s);
  }

  static String row(SequenceTask task, ShapeLearning mode) {
    return task.id() + "-" + mode.id();
  }

  /** Test accuracy and loss at the end; of a run that diverged those of who guesses. */
  static Evaluation last(Map<String, Object> run) {
    return run.containsKey("diverged")
        ? guess(run)
        : new Evaluation(end(run, "accuracy"), end(run, "loss"));
  }

  /** The same of validation data, which starts are chosen on. */
  static Evaluation validation(Map<String, Object> run) {
    return run.containsKey("diverged")
        ? guess(run)
        : new Evaluation((Double) run.get("validation"), (Double) run.get("validationLoss"));
  }

  /** What {@link #last} takes of a run that diverges. */
  static Map<String, Double> guess(Evaluation guess) {
    return Map.of("guess", guess.accuracy(), "guessLoss", guess.loss());
  }

  private static Evaluation guess(Map<String, Object> run) {
    return new Evaluation((Double) run.get("guess"), (Double) run.get("guessLoss"));
  }

  private static double end(Map<String, Object> run, String what) {
    List<Double> values = list(run, what);
    return values.get(values.size() - 1);
  }

  @SuppressWarnings("unchecked")
  static List<Double> list(Map<String, Object> run, String what) {
    return Json.convert(run.get(what), List.class);
  }

  /** How many sequences a task is scored on. */
  private record Scored(int validation, int test) {}

  /**
   * By task, how many of the validation and test sequences scores are measured on.
   *
   * @param data the images; not read when nothing is made of any
   */
  static Map<String, ?> scored(
      AdaptiveActivationExperiment.Options options, ExperimentResult.Data data) {
    Map<String, Scored> scored = new LinkedHashMap<>();
    for (SequenceTask task : options.tasks()) {
      int most = task.isImages() ? SequenceTask.SCORED : SequenceTask.COPIED;
      Scored images = new Scored(Math.min(most, data.validation()), Math.min(most, data.test()));
      scored.put(task.id(), task.isImages() ? images : new Scored(most, most));
    }
    return scored;
  }

  static String text(
      AdaptiveActivationExperiment.Options options, ExperimentResult.Data data, int seeds) {
    return ("Recurrent networks of %d units h = gamma(U x + V h + b; n, s), V of rotations at the"
            + " start, Adam %s, batches of %d, gradients clipped to %s, constraint %s. From each"
            + " of %d starts (n of %s, s of %s) with the same weights and batches: n and s fixed"
            + " (static), one pair learned (homogeneous), a pair for each unit (heterogeneous), that"
            + " in the second half of training alone (late); here: %s."
            + " Accuracy on %s. A run that diverged counts as a guess."
            + " %d seed%s.")
        .formatted(
            options.hidden(),
            options.lr(),
            options.batch(),
            options.clipNorm(),
            options.constraint().name().toLowerCase(Locale.ROOT),
            options.gains().size() * options.saturations().size(),
            options.gains(),
            options.saturations(),
            options.modes().stream().map(ShapeLearning::id).collect(Collectors.joining(", ")),
            measuredOn(options, data),
            seeds,
            seeds == 1 ? "" : "s, which share no weights");
  }

  private static String measuredOn(
      AdaptiveActivationExperiment.Options options, ExperimentResult.Data data) {
    List<String> parts = new ArrayList<>();
    if (options.tasks().stream().anyMatch(SequenceTask::isImages)) {
      parts.add(
          data.test() > SequenceTask.SCORED
              ? "%d of the %d test images, which each seed draws anew"
                  .formatted(SequenceTask.SCORED, data.test())
              : "all %d test images".formatted(data.test()));
    }
    if (options.tasks().contains(SequenceTask.COPY)) {
      parts.add(SequenceTask.COPIED + " drawn sequences to copy");
    }
    return String.join(", and on ", parts);
  }

  /** Modes against each other, of the typical start and of the best. */
  static List<Difference> differences(
      AdaptiveActivationExperiment.Options options, List<Findings> seeds) {
    List<Difference> all = new ArrayList<>();
    for (SequenceTask task : options.tasks()) {
      for (String start : List.of("", BEST)) {
        for (ShapeLearning mode : adaptive(options)) {
          options.modes().stream()
              .filter(than -> than.compareTo(mode) < 0)
              .map(than -> row(task, than) + start)
              .forEach(
                  than -> all.addAll(Summary.difference(row(task, mode) + start, than, seeds)));
        }
      }
    }
    return all;
  }

  static List<ShapeLearning> adaptive(AdaptiveActivationExperiment.Options options) {
    return options.modes().stream().filter(mode -> mode != ShapeLearning.STATIC).toList();
  }

  /** That adaptation lifts the typical start, the median over all. */
  private static List<Claim> claims(
      AdaptiveActivationExperiment.Options options, List<Findings> seeds) {
    List<Claim> claims = new ArrayList<>();
    for (SequenceTask task : options.tasks()) {
      for (ShapeLearning mode : adaptive(options)) {
        Gain gain = gain(task, mode, "", Summary::median, seeds);
        claims.add(
            Claim.positive(
                task.id() + ": the median start, " + mode.id() + " less static",
                gain.points().pairs()));
      }
    }
    return claims;
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
    sections.add(Claim.section(claims(options, seeds)));
    sections.add(gains(options, seeds));
    for (SequenceTask task : options.tasks()) {
      Section<Start> starts = starts(options, task, seeds);
      AdaptiveActivationCharts.add(options, task, seeds, starts);
      sections.add(starts);
    }
    if (seeds.get(0).data().containsKey("transfer")) {
      sections.add(AdaptiveActivationTransfers.section(options, seeds));
      sections.add(AdaptiveActivationTransfers.differences(seeds));
      sections.add(Section.data("transferDiverged", AdaptiveActivationTransfers.diverged(seeds)));
    }
    return sections;
  }

  /** Test accuracies of all starts of a mode in one seed. */
  private static List<Double> accuracies(SequenceTask task, ShapeLearning mode, Findings seed) {
    String name = mode.id();
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
    Map<String, ToDoubleFunction<List<Double>>> views = new LinkedHashMap<>();
    views.put("mean of starts", Summary::mean);
    views.put("median start", Summary::median);
    views.put("upper quartile", AdaptiveActivationTables::upperQuartile);
    views.put("worst start", Collections::min);
    views.put("best start", Collections::max);
    List<Gain> rows = new ArrayList<>();
    for (SequenceTask task : options.tasks()) {
      for (ShapeLearning mode : adaptive(options)) {
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

  /** What a quarter of the starts reaches. */
  private static double upperQuartile(List<Double> accuracies) {
    List<Double> sorted = accuracies.stream().sorted().toList();
    return sorted.get(sorted.size() - (sorted.size() + 3) / 4);
  }

  private static Gain gain(
      SequenceTask task,
      ShapeLearning mode,
      String name,
      ToDoubleFunction<List<Double>> view,
      List<Findings> seeds) {
    List<Double> points = new ArrayList<>();
    List<Double> shares = new ArrayList<>();
    for (Findings seed : seeds) {
      List<Double> adapted = accuracies(task, mode, seed);
      List<Double> fixed = accuracies(task, ShapeLearning.STATIC, seed);
      points.add(view.applyAsDouble(adapted) - view.applyAsDouble(fixed));
      double better = 0;
      for (int i = 0; i < fixed.size(); i++) {
        better += adapted.get(i) > fixed.get(i) ? 1 : adapted.get(i).equals(fixed.get(i)) ? .5 : 0;
      }
      shares.add(better / fixed.size());
    }
    return new Gain(task.id(), mode.id(), name, Measured.of(points), Measured.of(shares));
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
    for (ShapeLearning mode : options.modes()) {
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
      SequenceTask task, ShapeLearning mode, double n, double s, List<Findings> seeds) {
    List<Map<String, Object>> runs =
        seeds.stream().map(seed -> seed.map("runs", task.id(), mode.id(), start(n, s))).toList();
    List<Evaluation> tests = runs.stream().map(run -> last(run)).toList();
    return new Start(
        mode.id(),
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

  static int diverged(List<Map<String, Object>> runs) {
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
}
