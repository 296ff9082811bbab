// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import java.util.ArrayList;
import java.util.List;
import org.merganser.lab.experiment.ExperimentResult.Difference;
import org.merganser.lab.report.Chart;
import org.merganser.lab.report.Section;
import org.merganser.recipe.SkillTransfer;

/** What {@link SkillTransferExperiment} compares and shows. */
final class SkillTransferCharts {
  private SkillTransferCharts() {}

  static String text(SkillTransferExperiment.Options options, long parameters, int seeds) {
    return ("Decoders of %d layers, width %d, %d heads (%d of keys and values), %d hidden units, %d"
            + " parameters. %d steps of %d texts of %d tokens from scratch, %d more on another"
            + " dialect, %d to learn the skill (%s). Accuracy: share of %d questions whose"
            + " whole answer is said; loss: of the tokens of answers. Lambda is the best of 0.1"
            + " to 1 on as many other questions. %d seed%s.")
        .formatted(
            options.layers(),
            options.hidden(),
            options.heads(),
            options.keyValueHeads(),
            options.intermediate(),
            parameters,
            options.steps(),
            options.batch(),
            options.length(),
            options.continuedSteps(),
            options.skillSteps(),
            options.skill().name().toLowerCase(java.util.Locale.ROOT),
            options.questions(),
            seeds,
            seeds == 1 ? "" : "s, which share no model");
  }

  /** Each way against the target as it was, and each aligned one against the naive one. */
  static List<Difference> differences(List<Findings> seeds) {
    List<Difference> all = new ArrayList<>();
    for (String row : seeds.get(0).rows().keySet()) {
      int plus = row.indexOf('+');
      if (plus > 0) {
        String target = row.substring(0, plus);
        all.addAll(Summary.difference(row, target, seeds));
        all.addAll(Summary.difference(row, target + "+" + SkillTransferExperiment.NAIVE, seeds));
      }
    }
    return all;
  }

  static List<Section<?>> sections(
      List<ExperimentResult.Row> rows, List<Difference> differences, List<Findings> seeds) {
    Section<ExperimentResult.Row> table = ResultReport.rows(rows, seeds.size() == 1);
    for (String target : List.of("continued", "apart")) {
      table.chart(curves(target, seeds));
    }
    List<Section<?>> sections = new ArrayList<>();
    sections.add(table);
    sections.add(Section.data("pairs", Summary.accuracies(seeds)));
    sections.add(Section.data("chosen", ResultReport.chosen(seeds)));
    sections.add(ResultReport.differences(differences, seeds.size()));
    sections.add(losses(seeds));
    sections.add(language(seeds));
    sections.add(alignment(seeds));
    sections.add(planted(seeds));
    return sections;
  }

  private static Chart curves(String target, List<Findings> seeds) {
    Chart.Lines lines =
        new Chart.Lines(
            "lambda-" + target,
            "Accuracy by lambda, target " + target,
            target,
            "lambda",
            "accuracy on questions for lambda (%)");
    int colour = 0;
    for (String id : seeds.get(0).map("curves").keySet()) {
      if (id.startsWith(target + "+")) {
        List<Double> scores =
            SkillTransfer.LAMBDAS.stream()
                .map(lambda -> 100 * Measured.of(seeds, "curves", id, "" + lambda).mean())
                .toList();
        lines.line(id.substring(target.length() + 1), colour++, SkillTransfer.LAMBDAS, scores);
      }
    }
    return lines;
  }

  /** How much less likely answers are than with another row, seed by seed. */
  private record Loss(String method, String than, Measured nats) {
    static Loss of(String method, String than, List<Findings> seeds) {
      return new Loss(
          method,
          than,
          Measured.of(
              seeds.stream()
                  .map(seed -> seed.row(method).test().loss() - seed.row(than).test().loss())
                  .toList()));
    }
  }

  private static Section<Loss> losses(List<Findings> seeds) {
    List<Loss> rows = new ArrayList<>();
    for (String row : seeds.get(0).rows().keySet()) {
      int plus = row.indexOf('+');
      if (plus > 0) {
        String target = row.substring(0, plus);
        String naive = target + "+" + SkillTransferExperiment.NAIVE;
        rows.add(Loss.of(row, target, seeds));
        if (!row.equals(naive)) {
          rows.add(Loss.of(row, naive, seeds));
        }
      }
    }
    return new Section<>(
            "losses",
            "Differences of the loss of answers",
            "Nats a token, seed by seed, with the 95 % interval; less is better. Where no answer is"
                + " right as a whole, some may have come nearer.",
            rows)
        .text("difference", 1, row -> row.method() + " - " + row.than())
        .number("nats", 1, row -> row.nats().text("%+.2f"));
  }

  /**
   * What else changed.
   *
   * @param lambda that was taken; null where nothing was added
   */
  private record Language(String method, Measured loss, Measured lambda) {}

  private static Section<Language> language(List<Findings> seeds) {
    List<Language> rows =
        seeds.get(0).map("language").keySet().stream()
            .map(
                id ->
                    new Language(
                        id,
                        Measured.of(seeds, "language", id),
                        seeds.get(0).map("lambdas").containsKey(id)
                            ? Measured.of(seeds, "lambdas", id)
                            : null))
            .toList();
    return new Section<>(
            "language",
            "Loss on the language that each model was trained on last",
            "Nats a token, on texts that no training saw.",
            rows)
        .text("method", 18, Language::method)
        .number("language loss", 1, row -> row.loss().text("%.3f"))
        .number("lambda", 1, row -> row.lambda() == null ? "" : row.lambda().text("%.2f"));
  }

  /** How near a source came to its target. */
  private record Alignment(
      String method, Measured distance, Measured movedUnits, Measured movedHeads, Measured cosine) {
    static Alignment of(String id, List<Findings> seeds) {
      List<Double> distances = new ArrayList<>();
      for (Findings seed : seeds) {
        double before = Measured.of(List.of(seed), "alignment", id, "before").mean();
        double after = Measured.of(List.of(seed), "alignment", id, "after").mean();
        distances.add(after / before);
      }
      return new Alignment(
          id,
          Measured.of(distances),
          Measured.of(seeds, "alignment", id, "movedUnits"),
          Measured.of(seeds, "alignment", id, "movedHeads"),
          Measured.of(seeds, "alignment", id, "unitCosine"));
    }
  }

  private static Section<Alignment> alignment(List<Findings> seeds) {
    List<Alignment> rows =
        seeds.get(0).map("alignment").keySet().stream().map(id -> Alignment.of(id, seeds)).toList();
    return new Section<>(
            "alignment",
            "How near the base came to the target",
            "Squared distance of all weights relative to that before; hidden units and heads that"
                + " others become; mean cosine of matched hidden units.",
            rows)
        .text("method", 18, Alignment::method)
        .number("distance", 1, row -> row.distance().text("%.3f"))
        .number("units moved", 1, row -> row.movedUnits().text("%.2f"))
        .number("heads moved", 1, row -> row.movedHeads().text("%.2f"))
        .number("cosine", 1, row -> row.cosine().text("%.2f"));
  }

  /** A transfer whose right result is known. */
  private record Planted(
      String model,
      Measured parameters,
      Measured distance,
      Measured nothing,
      Measured naive,
      Measured aligned) {}

  private static Section<Planted> planted(List<Findings> seeds) {
    List<Planted> rows =
        seeds.get(0).map("planted").keySet().stream()
            .map(
                name ->
                    new Planted(
                        name,
                        Measured.of(seeds, "planted", name, "parameters"),
                        Measured.of(
                            seeds.stream()
                                .map(
                                    seed ->
                                        Measured.of(List.of(seed), "planted", name, "after").mean()
                                            / Measured.of(List.of(seed), "planted", name, "before")
                                                .mean())
                                .toList()),
                        Measured.of(seeds, "planted", name, "nothing"),
                        Measured.of(seeds, "planted", name, "naive"),
                        Measured.of(seeds, "planted", name, "aligned")))
            .toList();
    return new Section<>(
            "planted",
            "Source models moved by a planted symmetry",
            "Error of outputs in F64, relative to those of the right result: with nothing added,"
                + " with the difference as it is, and aligned by weights; lambda is 1.",
            rows)
        .text("model", 18, Planted::model)
        .number("parameters", 1, "%.0f", row -> row.parameters().mean())
        .number("distance left", 1, "%.2g", row -> row.distance().mean())
        .number("nothing", 1, row -> row.nothing().text("%.3f"))
        .number("naive", 1, row -> row.naive().text("%.3f"))
        .number("aligned", 1, "%.2g", row -> row.aligned().mean());
  }
}
