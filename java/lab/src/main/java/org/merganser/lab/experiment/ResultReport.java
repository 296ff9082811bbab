// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.merganser.align.Aligner;
import org.merganser.compute.Workspace;
import org.merganser.lab.report.Chart;
import org.merganser.lab.report.Report;
import org.merganser.lab.report.Section;
import org.merganser.lab.report.Section.Column;
import org.merganser.method.Settings;
import org.merganser.plan.Doctor;
import org.merganser.torch.Augmentation;
import org.merganser.torch.TorchNatives;
import org.merganser.torch.TorchNetwork;

/** Puts the findings of all pairs together: what every experiment reports, and its own sections. */
final class ResultReport {
  private static final String METHOD = "method";

  private final Experiment experiment;
  private final ExperimentOptions options;
  private final ExperimentResult.Data data;
  private final TorchNetwork network;
  private final List<Findings> pairs;

  ResultReport(
      Experiment experiment,
      ExperimentResult.Data data,
      TorchNetwork network,
      List<Findings> pairs) {
    this.experiment = experiment;
    this.options = experiment.options();
    this.data = data;
    this.network = network;
    this.pairs = pairs;
  }

  ExperimentResult result(Map<String, Double> seconds, Workspace ws) {
    List<ExperimentResult.Row> rows = Summary.rows(pairs);
    List<ExperimentResult.Difference> differences = new ArrayList<>();
    experiment
        .comparisons(network.architecture(), pairs.get(0))
        .forEach(c -> differences.addAll(Summary.difference(c.getKey(), c.getValue(), pairs)));
    List<Map<String, Double>> accuracies = Summary.accuracies(pairs);
    ExperimentResult.Training training =
        pairs.stream()
            .map(Findings::training)
            .reduce(new ExperimentResult.Training(0, 0), ExperimentResult.Training::plus);
    List<Section> sections = new ArrayList<>();
    sections.add(rows(rows));
    sections.add(
        Section.data(
            "pairs", accuracies.stream().<Map<String, Object>>map(LinkedHashMap::new).toList()));
    sections.add(Section.data("chosen", chosen()));
    sections.add(differences(differences));
    sections.addAll(experiment.sections(pairs));
    Map<String, Object> versions = new LinkedHashMap<>(Doctor.versions());
    versions.put("torch", TorchNatives.version());
    String backend = ws.backend().name().toLowerCase(Locale.ROOT);
    Map<String, Object> made =
        Section.row("backend", backend, "isa", Doctor.isa(), "versions", versions);
    String text = text(training);
    String title = experiment.title() + ": " + data.name();
    Report report = new Report(title, text, facts(), sections, made, seconds);
    return new ExperimentResult(
        data, network.size(), rows, accuracies, differences, training, report);
  }

  /** Settings but for where things go, which changes no figure. */
  static Map<String, Object> settings(Experiment experiment) {
    Map<String, Object> values = Settings.values(experiment.settings());
    Settings.of(experiment.settings()).entries().stream()
        .filter(entry -> entry.type().equals("path"))
        .forEach(entry -> values.remove(entry.name()));
    return values;
  }

  private Map<String, Object> facts() {
    Map<String, Object> aligners = new LinkedHashMap<>();
    for (Choice<Aligner> aligner : experiment.aligners()) {
      aligners.put(
          aligner.name(),
          aligner.methods().stream().map(method -> Settings.values(method.options())).toList());
    }
    Augmentation augmentation = options.training().augmentation();
    Map<String, Object> model = options.choice().facts();
    model.put("parameters", network.size());
    return Section.row(
        "experiment", experiment.id(),
        "seed", options.seed(),
        "seeds", options.seeds(),
        "models", options.models(),
        "epochs", options.training().epochs(),
        "training", options.training().toString(),
        "split", options.split().id(),
        "augmentation", Section.row("flip", augmentation.flip(), "padding", augmentation.padding()),
        "data",
            Section.row(
                "name", data.name(),
                "train", data.train(),
                "validation", data.validation(),
                "test", data.test(),
                "mean", data.pixels().map(pixels -> one(pixels.mean())).orElse(null),
                "sd", data.pixels().map(pixels -> one(pixels.sd())).orElse(null)),
        "model", model,
        "aligners", aligners,
        "settings", settings(experiment));
  }

  /** A single number as it is, several (one for each channel) as a list. */
  private static Object one(List<Double> values) {
    return values.size() == 1 ? values.get(0) : values;
  }

  private String text(ExperimentResult.Training training) {
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
        chosen().isEmpty()
            ? ""
            : " Of several settings each group took those that were best on "
                + (data.validation() > 0
                    ? data.validation() + " samples that no model was trained on."
                    : "the training samples."));
  }

  private Section rows(List<ExperimentResult.Row> rows) {
    List<Map<String, Object>> values = new ArrayList<>();
    Map<Object, String> meanings = new LinkedHashMap<>();
    for (ExperimentResult.Row row : rows) {
      values.add(
          row.isRefused()
              ? Section.row(METHOD, row.method(), "refused", true)
              : Section.row(
                  METHOD,
                  row.method(),
                  "accuracy",
                  row.accuracy(),
                  "accuracySd",
                  row.accuracySd(),
                  "loss",
                  row.loss(),
                  "selection",
                  row.selection()));
      meanings.put(row.method(), row.meaning());
    }
    boolean one = pairs.size() == 1;
    return new Section("rows", "Test accuracy", "", values, List.of(), List.of(bars(rows)))
        .with(
            Column.text(METHOD, 18, row -> row.get(METHOD).toString()),
            Column.number(
                "accuracy",
                9,
                row -> row.containsKey("refused") ? "refused" : percent(row, "accuracy") + "%"),
            Column.number(
                "sd",
                7,
                row -> row.containsKey("refused") ? "" : one ? "-" : percent(row, "accuracySd")),
            Column.number(
                "loss", 8, row -> row.containsKey("refused") ? "" : format("%.3f", row, "loss")),
            Column.text("what it is", 0, row -> meanings.get(row.get(METHOD))));
  }

  private Chart bars(List<ExperimentResult.Row> all) {
    List<ExperimentResult.Row> rows = all.stream().filter(row -> !row.isRefused()).toList();
    List<Double> deviations =
        pairs.size() == 1
            ? List.of()
            : Chart.percent(rows.stream().map(ExperimentResult.Row::accuracySd).toList());
    return new Chart("accuracy", "Test accuracy of each method", "", "", "test accuracy (%)")
        .bars(
            "accuracy",
            Chart.percent(rows.stream().map(ExperimentResult.Row::accuracy).toList()),
            deviations)
        .named(rows.stream().map(ExperimentResult.Row::method).toList())
        .limits(0, 100.0);
  }

  /** Of each pair, the settings taken by each row that was tried with several. */
  private List<Map<String, Object>> chosen() {
    List<Map<String, Object>> all = new ArrayList<>();
    for (Findings pair : pairs) {
      Map<String, Object> chosen = new LinkedHashMap<>();
      pair.rows()
          .forEach(
              (id, row) -> {
                if (!row.chosen().isEmpty()) {
                  chosen.put(id, row.chosen());
                }
              });
      all.add(chosen);
    }
    return all.get(0).isEmpty() ? List.of() : all;
  }

  private Section differences(List<ExperimentResult.Difference> differences) {
    List<Map<String, Object>> values = new ArrayList<>();
    for (ExperimentResult.Difference d : differences) {
      Double half = d.halfWidth().isPresent() ? d.halfWidth().getAsDouble() : null;
      values.add(
          Section.row(
              METHOD,
              d.method(),
              "than",
              d.than(),
              "mean",
              d.mean(),
              "low",
              half == null ? null : (Object) (d.mean() - half),
              "high",
              half == null ? null : (Object) (d.mean() + half),
              "pairs",
              d.pairs()));
    }
    boolean one = pairs.size() == 1;
    String text =
        "Of test accuracies, in points, pair by pair"
            + (one
                ? ". One pair: there is no interval."
                : "; the mean lies in the interval with 95 % confidence (Student t over "
                    + pairs.size()
                    + " pairs).");
    Section section = Section.data("differences", values);
    return differences.isEmpty()
        ? section
        : new Section("differences", "Differences", text, values, List.of(), List.of())
            .with(
                Column.text("difference", 1, row -> row.get(METHOD) + " - " + row.get("than")),
                Column.number("points", 9, row -> format("%+.2f", 100 * (double) row.get("mean"))),
                Column.text(
                    one ? "95 % interval (none: one pair)" : "95 % interval",
                    1,
                    row ->
                        one
                            ? "-"
                            : format("[%+.2f, ", 100 * (double) row.get("low"))
                                + format("%+.2f]", 100 * (double) row.get("high"))));
  }

  static String format(String format, double value) {
    return String.format(Locale.ROOT, format, value);
  }

  private static String format(String format, Map<String, Object> row, String name) {
    return format(format, (double) row.get(name));
  }

  private static String percent(Map<String, Object> row, String name) {
    return format("%.2f", 100 * (double) row.get(name));
  }
}
