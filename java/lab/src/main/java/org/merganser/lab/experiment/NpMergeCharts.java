// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import java.util.stream.IntStream;
import java.util.stream.LongStream;
import org.merganser.lab.experiment.Learned.Run;
import org.merganser.lab.experiment.LearnedRows.Point;
import org.merganser.lab.report.Chart;
import org.merganser.lab.report.Section;

/** What the experiment of NP Merge shows: how learning went, and what came out of it. */
final class NpMergeCharts {
  /** Dashed lines of batches; those before are of other charts. */
  private static final int BATCHES = -3;

  private static final Map<String, String> NAMES =
      Map.of(
          NpMergeExperiment.NP, "np-merge, stopped",
          NpMergeExperiment.ALL_STEPS, "np-merge, all steps",
          NpMergeExperiment.TUNED, "fine-tuned, stopped");

  private NpMergeCharts() {}

  /**
   * @param main the aligner that rows without a name of one are of
   */
  static List<Section<?>> sections(List<Findings> pairs, String main, int evalEvery) {
    List<Section<?>> sections = new ArrayList<>();
    sections.add(curves(pairs, main, evalEvery));
    sections.add(coefficients(pairs));
    pairs.get(0).map(LearnedRows.SAMPLES).keySet().forEach(a -> sections.add(samples(pairs, a)));
    return sections;
  }

  /** How learning went: means over pairs, and each of them. */
  record Curve(
      String method,
      List<Long> steps,
      List<Double> heldOut,
      List<Double> batchLoss,
      List<Run> pairs) {
    static Curve mean(String method, List<Run> runs, int evalEvery) {
      int longest = runs.stream().mapToInt(run -> run.batchLoss().size()).max().orElse(0);
      boolean stopping = !runs.get(0).steps().isEmpty();
      List<Long> steps =
          LongStream.rangeClosed(0, stopping ? longest : -1)
              .filter(step -> step % evalEvery == 0 || step == longest)
              .boxed()
              .toList();
      List<Double> heldOut = new ArrayList<>();
      for (long step : steps) {
        heldOut.add(Summary.mean(runs.stream().map(run -> run.heldOutAt(step)).toList()));
      }
      List<Double> batchLoss = new ArrayList<>();
      for (int step = 0; step < longest; step++) {
        int at = step;
        batchLoss.add(
            Summary.mean(
                runs.stream()
                    .map(Run::batchLoss)
                    .filter(losses -> losses.size() > at)
                    .map(losses -> losses.get(at))
                    .toList()));
      }
      return new Curve(method, steps, heldOut, batchLoss, runs);
    }

    /** Lines of the held-out loss and of the mean loss of the batches between two evaluations. */
    void draw(Chart.Lines chart, String name, int evalEvery) {
      int at = chart.size() / 2;
      List<Double> middles = new ArrayList<>();
      List<Double> losses = new ArrayList<>();
      for (int from = 0; from < batchLoss.size(); from += evalEvery) {
        List<Double> part = batchLoss.subList(from, Math.min(from + evalEvery, batchLoss.size()));
        middles.add(from + part.size() / 2.0);
        losses.add(Summary.mean(part));
      }
      if (!middles.isEmpty()) {
        chart.line(name + ", batches", BATCHES - at % 3, middles, losses);
      }
      if (!steps.isEmpty()) {
        chart.line(name, at + 1, steps.stream().map(Long::doubleValue).toList(), heldOut);
      }
    }
  }

  /** Means over pairs, a chart for each aligner. */
  static Section<Curve> curves(List<Findings> pairs, String main, int evalEvery) {
    List<Curve> rows = new ArrayList<>();
    Map<String, Chart.Lines> charts = new LinkedHashMap<>();
    for (String method : pairs.get(0).map(LearnedRows.CURVES).keySet()) {
      List<Run> runs = Findings.all(pairs, Run.class, LearnedRows.CURVES, method);
      rows.add(Curve.mean(method, runs, evalEvery));
      String[] parts = method.split("\\+", 2);
      String aligner = parts.length > 1 ? parts[1] : main;
      Chart.Lines chart = charts.computeIfAbsent(aligner, NpMergeCharts::curve);
      rows.get(rows.size() - 1).draw(chart, parts[0], evalEvery);
    }
    String about =
        "Held-out loss (solid), mean over pairs; a pair that has stopped counts with the loss it"
            + " keeps. Dashed: loss of the batches between two evaluations, mean over the pairs"
            + " still learning. Held-out samples are not seen by the steps, but the models were"
            + " trained on the training samples they are drawn from.";
    Section<Curve> section = new Section<>(LearnedRows.CURVES, "Learning", about, rows);
    charts.values().forEach(section::chart);
    return section;
  }

  private static Chart.Lines curve(String aligner) {
    return new Chart.Lines(
            "curve-" + aligner,
            "Loss by step after alignment by " + aligner,
            "After " + aligner,
            "step",
            "loss (nats)")
        .limits(0.0, null);
  }

  /** How many parameters of a tensor got which coefficient, by method. */
  record Coefficients(String tensor, Map<String, List<Long>> counts) {}

  /** Counts summed over pairs, a chart for each weight tensor. */
  static Section<Coefficients> coefficients(List<Findings> pairs) {
    List<Coefficients> rows = new ArrayList<>();
    for (String tensor : pairs.get(0).map(LearnedRows.COEFFICIENTS).keySet()) {
      Map<String, List<Long>> counts = new LinkedHashMap<>();
      for (String method : pairs.get(0).map(LearnedRows.COEFFICIENTS, tensor).keySet()) {
        List<long[]> found =
            Findings.all(pairs, long[].class, LearnedRows.COEFFICIENTS, tensor, method);
        counts.put(
            method,
            IntStream.range(0, LearnedRows.BINS)
                .mapToObj(bin -> found.stream().mapToLong(pair -> pair[bin]).sum())
                .toList());
      }
      rows.add(new Coefficients(tensor, counts));
    }
    String about =
        "Coefficient of the first model, or of what was merged before the last of more than two, in"
            + " the parameters of each weight tensor, all pairs together; 0.5 is where all begin."
            + " results.json has the other tensors too.";
    Section<Coefficients> section =
        new Section<>(LearnedRows.COEFFICIENTS, "Learned coefficients", about, rows);
    rows.stream()
        .filter(row -> row.tensor.endsWith("weight"))
        .forEach(row -> section.chart(histogram(row)));
    return section;
  }

  private static Chart histogram(Coefficients row) {
    Chart.Lines chart =
        new Chart.Lines(
                "coefficients-" + row.tensor,
                "Histogram of the learned coefficients of " + row.tensor,
                row.tensor,
                "coefficient",
                "parameters (%)")
            .limits(0.0, null);
    List<Double> centres =
        Chart.places(0.5, LearnedRows.BINS).stream().map(b -> b / LearnedRows.BINS).toList();
    row.counts.forEach(
        (method, counts) -> {
          double all = counts.stream().mapToLong(Long::longValue).sum();
          List<Double> parts = counts.stream().map(n -> 100 * n / all).toList();
          chart.line(method, chart.size(), centres, parts);
        });
    return chart;
  }

  /** A method by number of samples: means and deviations over pairs, and those of each. */
  record Samples(
      String aligner,
      String method,
      List<Long> samples,
      List<Double> accuracy,
      List<Double> accuracySd,
      List<Double> loss,
      List<List<Double>> pairs,
      List<List<Double>> losses) {
    static Samples of(String aligner, String method, List<Point[]> pairs) {
      List<List<Double>> accuracies = each(pairs, Point::accuracy);
      List<List<Double>> losses = each(pairs, Point::loss);
      return new Samples(
          aligner,
          method,
          each(pairs, Point::samples).get(0),
          Summary.means(accuracies),
          Summary.deviations(accuracies),
          Summary.means(losses),
          accuracies,
          losses);
    }

    private static <T> List<List<T>> each(List<Point[]> pairs, Function<Point, T> value) {
      return pairs.stream().map(points -> List.of(points).stream().map(value).toList()).toList();
    }

    String name() {
      return NAMES.getOrDefault(method, method);
    }
  }

  /** Accuracy and loss by number of samples. */
  static Section<Samples> samples(List<Findings> pairs, String aligner) {
    List<Samples> rows = new ArrayList<>();
    for (String method : pairs.get(0).map(LearnedRows.SAMPLES, aligner).keySet()) {
      List<Point[]> found =
          Findings.all(pairs, Point[].class, LearnedRows.SAMPLES, aligner, method);
      rows.add(Samples.of(aligner, method, found));
    }
    List<String> counts = rows.get(0).samples.stream().map(String::valueOf).toList();
    List<Double> places = Chart.places(0, counts.size());
    Chart.Lines accuracy = samples(aligner, "accuracy", "test accuracy (%)").named(counts);
    Chart.Lines loss = samples(aligner, "loss", "test loss (nats)").named(counts);
    loss.limits(0.0, null);
    for (Samples row : rows) {
      accuracy.line(row.name(), accuracy.size(), places, Chart.percent(row.accuracy));
      loss.line(row.name(), loss.size(), places, row.loss);
    }
    String about =
        "Aligned by "
            + aligner
            + " (with the statistics of the whole run), then learned from this many samples. Without"
            + " stopping all of them are learned from and the last step is kept. Accuracy and loss"
            + " on test data.";
    Section<Samples> section =
        new Section<>(LearnedRows.SAMPLES, "From fewer samples", about, rows)
            .text("samples, loss", 19, Samples::name)
            .chart(accuracy)
            .chart(loss);
    for (int i = 0; i < counts.size(); i++) {
      int at = i;
      section.number(
          counts.get(i),
          16,
          row -> Section.format("%.2f%% %6.3f", 100 * row.accuracy.get(at), row.loss.get(at)));
    }
    return section;
  }

  private static Chart.Lines samples(String aligner, String what, String y) {
    return new Chart.Lines(
        "samples-" + what,
        "Test " + what + " by number of training samples",
        "Aligned by " + aligner,
        "training samples",
        y);
  }
}
