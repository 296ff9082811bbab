// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.merganser.lab.report.Chart;
import org.merganser.lab.report.Section;
import org.merganser.lab.report.ShapePlane;

/** Pictures of {@link AdaptiveActivationExperiment}. */
final class AdaptiveActivationCharts {
  private AdaptiveActivationCharts() {}

  /** Scores over starts for each mode, where learned shapes went, and accuracy while they learn. */
  static void add(
      AdaptiveActivationExperiment.Options options,
      SequenceTask task,
      List<Findings> seeds,
      Section<?> to) {
    options.modes().forEach(mode -> to.chart(contours(options, task, mode, seeds)));
    AdaptiveActivationTables.adaptive(options)
        .forEach(mode -> to.chart(arrows(options, task, mode, seeds)));
    to.chart(curves(options, task, seeds));
  }

  private static List<Map<String, Object>> runs(
      SequenceTask task, ShapeLearning mode, double n, double s, List<Findings> seeds) {
    String start = AdaptiveActivationTables.start(n, s);
    return seeds.stream().map(seed -> seed.map("runs", task.id(), mode.id(), start)).toList();
  }

  /** Of all starts of a mode. */
  private static List<Map<String, Object>> runs(
      AdaptiveActivationExperiment.Options options,
      SequenceTask task,
      ShapeLearning mode,
      List<Findings> seeds) {
    List<Map<String, Object>> all = new ArrayList<>();
    for (double s : options.saturations()) {
      options.gains().forEach(n -> all.addAll(runs(task, mode, n, s, seeds)));
    }
    return all;
  }

  /** What a picture makes of runs that diverged, and of how many; nothing when none did. */
  private static String diverged(List<Map<String, Object>> runs, String what) {
    int diverged = AdaptiveActivationTables.diverged(runs);
    return diverged == 0
        ? ""
        : " (%d of %d runs diverged: %s)".formatted(diverged, runs.size(), what);
  }

  private static Chart contours(
      AdaptiveActivationExperiment.Options options,
      SequenceTask task,
      ShapeLearning mode,
      List<Findings> seeds) {
    double[][] values = new double[options.saturations().size()][options.gains().size()];
    for (int i = 0; i < values.length; i++) {
      for (int j = 0; j < values[i].length; j++) {
        values[i][j] =
            runs(task, mode, options.gains().get(j), options.saturations().get(i), seeds).stream()
                .mapToDouble(run -> AdaptiveActivationTables.last(run).accuracy())
                .average()
                .orElseThrow();
      }
    }
    String name = mode.id();
    String guesses = diverged(runs(options, task, mode, seeds), "guesses");
    return ShapePlane.contours(
        task.id() + "-" + name,
        "Test accuracy by the start (n, s), " + task.id() + ", " + name + guesses,
        task.id() + ", " + name + ": test accuracy by start" + guesses,
        options.gains(),
        options.saturations(),
        values);
  }

  private static Chart arrows(
      AdaptiveActivationExperiment.Options options,
      SequenceTask task,
      ShapeLearning mode,
      List<Findings> seeds) {
    List<ShapePlane.Arrow> arrows = new ArrayList<>();
    for (double s : options.saturations()) {
      for (double n : options.gains()) {
        List<Map<String, Object>> runs =
            runs(task, mode, n, s, seeds).stream()
                .filter(run -> !run.containsKey("diverged"))
                .toList();
        if (runs.isEmpty()) {
          continue;
        }
        arrows.add(new ShapePlane.Arrow(n, s, end(runs, "n"), end(runs, "s")));
      }
    }
    String name = mode.id();
    String without = diverged(runs(options, task, mode, seeds), "left out");
    return ShapePlane.arrows(
        task.id() + "-" + name + "-arrows",
        "Where learned shapes came, " + task.id() + ", " + name + without,
        task.id() + ", " + name + ": from the start to the end" + without,
        arrows);
  }

  private static double end(List<Map<String, Object>> runs, String what) {
    return runs.stream()
        .map(run -> AdaptiveActivationTables.list(run, what))
        .mapToDouble(values -> values.get(values.size() - 1))
        .average()
        .orElseThrow();
  }

  /** Median over starts, mean over seeds; runs that diverged are left out where they have ended. */
  private static Chart curves(
      AdaptiveActivationExperiment.Options options, SequenceTask task, List<Findings> seeds) {
    List<Map<String, Object>> all = new ArrayList<>();
    options.modes().forEach(mode -> all.addAll(runs(options, task, mode, seeds)));
    String without = diverged(all, "left out from there on");
    Chart.Lines lines =
        new Chart.Lines(
            task.id() + "-curves",
            "Test accuracy of the median start while networks learn, " + task.id() + without,
            task.id() + ": median start" + without,
            "step",
            "test accuracy (%)");
    int colour = 0;
    for (ShapeLearning mode : options.modes()) {
      List<Double> at = List.of();
      List<List<Double>> each = new ArrayList<>();
      for (Findings seed : seeds) {
        Map<String, Object> starts = seed.map("runs", task.id(), mode.id());
        List<Map<String, Object>> runs =
            starts.keySet().stream()
                .map(start -> seed.map("runs", task.id(), mode.id(), start))
                .toList();
        for (Map<String, Object> run : runs) {
          List<Double> steps = AdaptiveActivationTables.list(run, "steps");
          at = steps.size() > at.size() ? steps : at;
        }
        each.add(medians(runs, at.size()));
      }
      int shortest = each.stream().mapToInt(List::size).min().orElseThrow();
      List<Double> means =
          Summary.means(each.stream().map(list -> list.subList(0, shortest)).toList());
      lines.line(mode.id(), colour++, at.subList(0, shortest), Chart.percent(means));
    }
    return lines;
  }

  private static List<Double> medians(List<Map<String, Object>> runs, int count) {
    List<Double> medians = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      int at = i;
      List<Double> there =
          runs.stream()
              .map(run -> AdaptiveActivationTables.list(run, "accuracy"))
              .filter(values -> values.size() > at)
              .map(values -> values.get(at))
              .toList();
      if (there.isEmpty()) {
        break;
      }
      medians.add(Summary.median(there));
    }
    return medians;
  }

  /** Accuracy on other inputs, by steps of adapting to them; none where all diverged at once. */
  static Optional<Chart> adaptation(InputShift shift, List<Findings> seeds) {
    List<Map<String, Object>> all = new ArrayList<>();
    for (Adaptation how : Adaptation.values()) {
      seeds.forEach(seed -> all.add(seed.map("transfer", shift.id(), how.id())));
    }
    String ended = diverged(all, "a line ends with its first");
    Chart.Lines lines =
        new Chart.Lines(
            "transfer-" + shift.id(),
            "Accuracy while a network adapts to inputs that are " + shift.id() + ended,
            "inputs: " + shift.id() + ended,
            "step",
            "test accuracy (%)");
    int colour = 0;
    for (Adaptation how : Adaptation.values()) {
      if (how != Adaptation.NOTHING) {
        List<List<Double>> each =
            Findings.all(seeds, Map.class, "transfer", shift.id(), how.id()).stream()
                .map(run -> accuracies(run))
                .filter(accuracies -> !accuracies.isEmpty())
                .toList();
        if (each.isEmpty()) {
          continue;
        }
        int shortest = each.stream().mapToInt(List::size).min().orElseThrow();
        List<Double> at =
            seeds.stream()
                .map(seed -> seed.map("transfer", shift.id(), how.id()))
                .map(run -> AdaptiveActivationTables.list(run, "steps"))
                .filter(steps -> steps.size() >= shortest)
                .findFirst()
                .orElseThrow()
                .subList(0, shortest);
        List<Double> means =
            Summary.means(each.stream().map(list -> list.subList(0, shortest)).toList());
        lines.line(how.id(), colour++, at, Chart.percent(means));
      }
    }
    return colour == 0 ? Optional.empty() : Optional.of(lines);
  }

  @SuppressWarnings("unchecked")
  private static List<Double> accuracies(Map<?, ?> run) {
    return AdaptiveActivationTables.list((Map<String, Object>) run, "accuracy");
  }
}
