// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.merganser.lab.experiment.ExperimentResult.Difference;
import org.merganser.lab.experiment.ExperimentResult.Row;
import org.merganser.lab.experiment.ExperimentResult.Training;
import org.merganser.lab.report.Chart;
import org.merganser.lab.report.Section;
import org.merganser.method.Settings;
import org.merganser.torch.TorchNetwork;

/** Puts the findings of all pairs together: what every experiment reports, and its own sections. */
record ResultReport(
    NetworkExperiment experiment,
    ExperimentResult.Data data,
    TorchNetwork network,
    List<Findings> pairs) {

  Told told() {
    List<Row> rows = Summary.rows(pairs);
    List<Difference> differences =
        experiment.comparisons(network.architecture(), pairs.get(0)).stream()
            .flatMap(c -> Summary.difference(c.getKey(), c.getValue(), pairs).stream())
            .toList();
    List<Section<?>> sections = new ArrayList<>();
    sections.add(rows(rows, pairs.size() == 1));
    sections.add(Section.data("pairs", Summary.accuracies(pairs)));
    sections.add(Section.data("chosen", chosen(pairs)));
    sections.add(differences(differences, pairs.size()));
    sections.addAll(experiment.sections(pairs));
    return new Told(data, network.size(), text(), rows, differences, sections).withFacts(facts());
  }

  private Map<String, Object> facts() {
    ExperimentOptions options = experiment.options();
    Map<String, Object> model = options.choice().facts();
    model.put("parameters", network.size());
    Map<String, Object> aligners = new LinkedHashMap<>();
    experiment
        .aligners()
        .forEach(
            aligner ->
                aligners.put(
                    aligner.name(),
                    aligner.methods().stream().map(m -> Settings.values(m.options())).toList()));
    Map<String, Object> facts = new LinkedHashMap<>();
    facts.put("models", options.models());
    facts.put("epochs", options.training().epochs());
    facts.put("training", options.training().toString());
    facts.put("split", options.split().toString());
    facts.put("augmentation", options.training().augmentation());
    facts.put("data", data);
    facts.put("model", model);
    if (!aligners.isEmpty()) {
      facts.put("aligners", aligners);
    }
    return facts;
  }

  private String text() {
    Training training =
        pairs.stream().map(Findings::training).reduce(Training.NONE, Training::plus);
    ExperimentOptions options = experiment.options();
    String groups =
        options.seeds() == 1 ? "One group" : "Means over " + options.seeds() + " groups";
    String seen =
        switch (options.split()) {
          case NONE -> "";
          case EIGHTY_TWENTY -> ", each on 20% of half of the classes and 80% of the other half";
          case DIRICHLET -> ", each on a random share of every class";
          case CLASSES -> ", each on classes of its own";
        };
    String text =
        "%d training and %d test samples. %d models from different seeds, %s (%d parameters), %d"
            + " epochs%s%s. %s of models, first seed %d (%d models trained, %d read from the cache"
            + " of an earlier run).%s";
    return text.formatted(
        data.train(),
        data.test(),
        options.models(),
        options.choice().facts().toString().replaceAll("[{}]|kind=", ""),
        network.size(),
        options.training().epochs(),
        seen,
        options.augment() ? ", images flipped and cropped at random" : "",
        groups,
        options.seed(),
        training.trained(),
        training.cached(),
        chosen(pairs).isEmpty()
            ? ""
            : " Of several settings each group took those that were best on "
                + (data.validation() > 0
                    ? data.validation() + " samples that no model was trained on."
                    : "the training samples."));
  }

  static Section<Row> rows(List<Row> rows, boolean one) {
    List<Row> shown = rows.stream().filter(row -> !row.isRefused()).toList();
    Chart bars =
        Chart.bars(
            "accuracy",
            "Test accuracy of each method",
            "test accuracy (%)",
            shown.stream().map(Row::method).toList(),
            Chart.percent(shown.stream().map(Row::accuracy).toList()),
            one ? List.of() : Chart.percent(shown.stream().map(Row::accuracySd).toList()));
    return new Section<>("rows", "Test accuracy", "", rows)
        .text("method", 18, Row::method)
        .number("accuracy", 9, row -> figure(row, "%.2f%%", 100 * row.accuracy(), "refused"))
        .number(
            "sd",
            7,
            row -> one && !row.isRefused() ? "-" : figure(row, "%.2f", 100 * row.accuracySd(), ""))
        .number("loss", 8, row -> figure(row, "%.3f", row.loss(), ""))
        .text("what it is", 0, Row::meaning)
        .chart(bars);
  }

  private static String figure(Row row, String format, double value, String refused) {
    return row.isRefused() ? refused : Section.format(format, value);
  }

  /** Of each pair, the settings taken by each row that was tried with several. */
  static List<Map<String, String>> chosen(List<Findings> pairs) {
    List<Map<String, String>> all = new ArrayList<>();
    for (Findings pair : pairs) {
      Map<String, String> chosen = new LinkedHashMap<>();
      pair.rows().forEach((id, row) -> chosen.put(id, row.chosen()));
      chosen.values().removeIf(String::isEmpty);
      all.add(chosen);
    }
    return all.get(0).isEmpty() ? List.of() : all;
  }

  static Section<Difference> differences(List<Difference> differences, int groups) {
    if (differences.isEmpty()) {
      return Section.data("differences", differences);
    }
    boolean one = groups == 1;
    String about =
        "Of test accuracies, in points, pair by pair"
            + (one
                ? ". One pair: there is no interval."
                : "; the mean lies in the interval with 95 % confidence (Student t over "
                    + groups
                    + " pairs).");
    return new Section<>("differences", "Differences", about, differences)
        .text("difference", 1, d -> d.method() + " - " + d.than())
        .number("points", 9, "%+.2f", d -> 100 * d.mean())
        .text(
            one ? "95 % interval (none: one pair)" : "95 % interval",
            1,
            d -> one ? "-" : Section.format("[%+.2f, %+.2f]", 100 * d.low(), 100 * d.high()));
  }
}
