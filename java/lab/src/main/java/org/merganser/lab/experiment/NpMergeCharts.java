// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.merganser.lab.report.Chart;
import org.merganser.lab.report.Section;
import org.merganser.lab.report.Section.Column;

/** What the experiment of NP Merge shows: how learning went, and what came out of it. */
final class NpMergeCharts {
  private static final String METHOD = "method";
  private static final String HELD_OUT = "heldOut";
  private static final String BATCH_LOSS = "batchLoss";
  private static final String STEPS = "steps";
  private static final String ACCURACY = "accuracy";
  private static final String LOSS = "loss";

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
  static List<Section> sections(List<Findings> pairs, String main, int evalEvery) {
    List<Section> sections = new ArrayList<>(List.of(curves(pairs, main, evalEvery)));
    sections.add(coefficients(pairs));
    pairs.get(0).map(LearnedRows.SAMPLES).keySet().forEach(a -> sections.add(samples(pairs, a)));
    return sections;
  }

  /** Means over pairs, a chart for each aligner. */
  static Section curves(List<Findings> pairs, String main, int evalEvery) {
    List<Map<String, Object>> rows = new ArrayList<>();
    Map<String, Chart> charts = new LinkedHashMap<>();
    for (String method : pairs.get(0).map(LearnedRows.CURVES).keySet()) {
      List<Map<String, Object>> runs =
          pairs.stream().map(pair -> pair.map(LearnedRows.CURVES, method)).toList();
      Map<String, Object> row = Section.row(METHOD, method);
      row.putAll(curve(runs, evalEvery));
      row.put("pairs", runs);
      rows.add(row);
      int plus = method.indexOf('+');
      String aligner = plus < 0 ? main : method.substring(plus + 1);
      Chart chart =
          charts.computeIfAbsent(
              aligner,
              a ->
                  new Chart(
                          "curve-" + a,
                          "Loss by step after alignment by " + a,
                          "After " + a,
                          "step",
                          "loss (nats)")
                      .limits(0, null));
      draw(chart, plus < 0 ? method : method.substring(0, plus), row, evalEvery);
    }
    String text =
        "Held-out loss (solid), mean over pairs; a pair that has stopped counts with the loss it"
            + " keeps. Dashed: loss of the batches between two evaluations, mean over the pairs"
            + " still learning. Held-out samples are not seen by the steps, but the models were"
            + " trained on the training samples they are drawn from.";
    return new Section(
        LearnedRows.CURVES, "Learning", text, rows, List.of(), List.copyOf(charts.values()));
  }

  private static Map<String, Object> curve(List<Map<String, Object>> runs, int evalEvery) {
    List<Long> steps = new ArrayList<>();
    List<Double> heldOut = new ArrayList<>();
    long longest =
        runs.stream().mapToLong(run -> Findings.list(run, BATCH_LOSS).size()).max().orElse(0);
    if (!Findings.list(runs.get(0), STEPS).isEmpty()) {
      for (long step = 0; step < longest; step += evalEvery) {
        steps.add(step);
      }
      steps.add(longest);
      for (long step : steps) {
        heldOut.add(Summary.mean(runs.stream().map(run -> lossAt(run, step)).toList()));
      }
    }
    List<Double> batchLoss = new ArrayList<>();
    for (int step = 0; step < longest; step++) {
      int at = step;
      List<Double> made =
          runs.stream()
              .map(run -> Findings.<Double>list(run, BATCH_LOSS))
              .filter(losses -> losses.size() > at)
              .map(losses -> losses.get(at))
              .toList();
      batchLoss.add(Summary.mean(made));
    }
    return Section.row(STEPS, steps, HELD_OUT, heldOut, BATCH_LOSS, batchLoss);
  }

  /** The loss of the evaluation at a step, or of what is kept when the run had stopped before. */
  private static Double lossAt(Map<String, Object> run, long step) {
    boolean made = step <= Findings.list(run, BATCH_LOSS).size();
    Object wanted = made ? (Object) step : run.get("bestStep");
    int at = Findings.list(run, STEPS).indexOf(wanted);
    return Findings.<Double>list(run, HELD_OUT).get(at);
  }

  private static void draw(Chart chart, String name, Map<String, Object> row, int evalEvery) {
    int at = chart.lines() / 2;
    List<Double> batchLoss = Findings.list(row, BATCH_LOSS);
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
    List<Long> steps = Findings.list(row, STEPS);
    if (!steps.isEmpty()) {
      List<Double> places = steps.stream().map(Long::doubleValue).toList();
      chart.line(name, at + 1, places, Findings.list(row, HELD_OUT));
    }
  }

  /** Counts summed over pairs, a chart for each weight tensor. */
  static Section coefficients(List<Findings> pairs) {
    List<Map<String, Object>> rows = new ArrayList<>();
    List<Chart> charts = new ArrayList<>();
    List<Double> centres =
        Chart.places(0.5, LearnedRows.BINS).stream().map(b -> b / LearnedRows.BINS).toList();
    for (String tensor : pairs.get(0).map(LearnedRows.COEFFICIENTS).keySet()) {
      Map<String, List<Long>> counts = new LinkedHashMap<>();
      Chart chart =
          new Chart(
                  "coefficients-" + tensor,
                  "Histogram of the learned coefficients of " + tensor,
                  tensor,
                  "coefficient",
                  "parameters (%)")
              .limits(0, null);
      for (String method : pairs.get(0).map(LearnedRows.COEFFICIENTS, tensor).keySet()) {
        List<Long> sum = new ArrayList<>(Collections.nCopies(LearnedRows.BINS, 0L));
        for (Findings pair : pairs) {
          List<Long> own = Findings.list(pair.map(LearnedRows.COEFFICIENTS, tensor), method);
          for (int bin = 0; bin < sum.size(); bin++) {
            sum.set(bin, sum.get(bin) + own.get(bin));
          }
        }
        double all = sum.stream().mapToLong(Long::longValue).sum();
        chart.line(method, counts.size(), centres, sum.stream().map(n -> 100 * n / all).toList());
        counts.put(method, sum);
      }
      rows.add(Section.row("tensor", tensor, "counts", counts));
      if (tensor.endsWith("weight")) {
        charts.add(chart);
      }
    }
    String text =
        "Coefficient of the first model, or of what was merged before the last of more than two, in"
            + " the parameters of each weight tensor, all pairs together; 0.5 is where all begin."
            + " results.json has the other tensors too.";
    return new Section(
        LearnedRows.COEFFICIENTS, "Learned coefficients", text, rows, List.of(), charts);
  }

  /** Accuracy and loss by number of samples, means over pairs. */
  static Section samples(List<Findings> pairs, String aligner) {
    Map<String, Object> first = pairs.get(0).map(LearnedRows.SAMPLES, aligner);
    List<Long> counts =
        Findings.list(Findings.entries(first.values().iterator().next()), LearnedRows.SAMPLES);
    List<String> names = counts.stream().map(String::valueOf).toList();
    Chart accuracy = chart(aligner, ACCURACY, "test accuracy (%)", names);
    Chart loss = chart(aligner, LOSS, "test loss (nats)", names).limits(0, null);
    List<Double> places = Chart.places(0, counts.size());
    List<Map<String, Object>> rows = new ArrayList<>();
    for (String method : first.keySet()) {
      List<Map<String, Object>> found =
          pairs.stream().map(pair -> pair.map(LearnedRows.SAMPLES, aligner, method)).toList();
      List<List<Double>> accuracies =
          found.stream().map(pair -> Findings.<Double>list(pair, ACCURACY)).toList();
      List<List<Double>> losses =
          found.stream().map(pair -> Findings.<Double>list(pair, LOSS)).toList();
      String name = NAMES.getOrDefault(method, method);
      accuracy.line(name, rows.size(), places, Chart.percent(Summary.means(accuracies)));
      loss.line(name, rows.size(), places, Summary.means(losses));
      rows.add(
          Section.row(
              "aligner",
              aligner,
              METHOD,
              method,
              LearnedRows.SAMPLES,
              counts,
              ACCURACY,
              Summary.means(accuracies),
              "accuracySd",
              Summary.deviations(accuracies),
              LOSS,
              Summary.means(losses),
              "pairs",
              accuracies,
              "losses",
              losses));
    }
    String text =
        "Aligned by "
            + aligner
            + " (with the statistics of the whole run), then learned from this many samples. Without"
            + " stopping all of them are learned from and the last step is kept. Accuracy and loss"
            + " on test data.";
    return new Section(
        LearnedRows.SAMPLES,
        "From fewer samples",
        text,
        rows,
        columns(names),
        List.of(accuracy, loss));
  }

  private static List<Column> columns(List<String> names) {
    List<Column> columns = new ArrayList<>();
    columns.add(
        Column.text(
            "samples, loss",
            19,
            row -> NAMES.getOrDefault(row.get(METHOD).toString(), row.get(METHOD).toString())));
    for (int i = 0; i < names.size(); i++) {
      int at = i;
      columns.add(
          Column.number(
              names.get(i),
              16,
              row ->
                  ResultReport.format("%.2f%% ", 100 * Findings.<Double>list(row, ACCURACY).get(at))
                      + ResultReport.format("%6.3f", Findings.<Double>list(row, LOSS).get(at))));
    }
    return columns;
  }

  private static Chart chart(String aligner, String what, String y, List<String> counts) {
    return new Chart(
            "samples-" + what,
            "Test " + what + " by number of training samples",
            "Aligned by " + aligner,
            "training samples",
            y)
        .named(counts);
  }
}
