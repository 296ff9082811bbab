// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import java.util.ArrayList;
import java.util.List;
import java.util.function.Function;
import java.util.function.ToDoubleFunction;
import java.util.stream.IntStream;
import org.merganser.lab.experiment.UndertrainingClaims.Claim;
import org.merganser.lab.experiment.UndertrainingRows.Experts;
import org.merganser.lab.report.Chart;
import org.merganser.lab.report.Section;
import org.merganser.model.ExampleDifficulty;

/** What {@link UndertrainingExperiment} shows. */
final class UndertrainingCharts {
  private static final int DECILES = 10;

  private UndertrainingCharts() {}

  static String text(
      UndertrainingExperiment.Options options, ExperimentResult.Data data, long parameters) {
    return ("%s: %d training, %d held-out and %d test examples of all tasks. Network %s (%d"
            + " parameters), %d steps in common, then the last layer of each task as it is;"
            + " experts of %s steps by Adam, peak rate %s (adapters of rank %d: %s), half a cosine"
            + " over the greatest number, batches of %d; states after the smaller numbers are"
            + " those of the same run. Early stopping: held-out accuracy every %d steps, half the"
            + " rate after %d without improvement, the end at the reduction %d. Difficulty: EL2N"
            + " after %d steps, mean of %d runs. %d seed%s, each with tasks of its own.")
        .formatted(
            data.name(),
            data.train(),
            data.validation(),
            data.test(),
            options.network().id(),
            parameters,
            options.baseSteps(),
            options.steps(),
            options.lr(),
            options.rank(),
            options.loraLr(),
            options.batch(),
            options.evalEvery(),
            options.patience(),
            options.reductions(),
            ExampleDifficulty.EL2N_STEPS,
            ExpertRuns.DIFFICULTY_RUNS,
            options.runs().seeds(),
            options.runs().seeds() == 1 ? "" : "s");
  }

  static List<Section<?>> sections(
      List<ExpertCurves> all, List<ExperimentResult.Difference> differences) {
    List<Section<?>> sections = new ArrayList<>();
    sections.add(claims(UndertrainingClaims.of(all)));
    for (ExpertCurves curves : all) {
      sections.add(accuracy(curves));
      sections.add(causes(curves));
    }
    sections.add(ResultReport.differences(differences, all.get(0).seeds()));
    return sections;
  }

  private static Section<Claim> claims(List<Claim> claims) {
    return new Section<>(
            "claims",
            "Claims",
            "Each is a number of every seed; it is held where the 95 % interval of its mean"
                + " (Student t over seeds) is where the claim puts it. Below three seeds, and where"
                + " all have the same number, there is no verdict. Best lengths of merged"
                + " models are taken by held-out examples in (b), by test examples in (a). Of"
                + " (a), (b) and (e) the primary row is that of task arithmetic with lambda 0.3,"
                + " the second that of TIES with lambda chosen, each for its experts and wrong"
                + " labels; all others are secondary.",
            claims)
        .text("claim", 1, Claim::claim)
        .number("wrong labels", 1, "%.0f%%", claim -> 100 * claim.noise())
        .text("experts", 1, Claim::experts)
        .text("method", 1, Claim::method)
        .text("row", 1, Claim::standing)
        .text("what", 0, Claim::text)
        .number("value", 1, claim -> claim.value().text("%.3f"))
        .text("required", 1, Claim::required)
        .text("", 1, Claim::verdict);
  }

  private static Section<Experts> accuracy(ExpertCurves curves) {
    Section<Experts> section =
        new Section<>(
                "curves-" + curves.id(),
                curves.title() + ": accuracy by steps",
                "Test accuracy in percent, mean over tasks and seeds, with the 95 % interval over"
                    + " seeds. Relative: mean over tasks of the merged accuracy by that of the"
                    + " experts of the same length, and by that of the experts of the one length"
                    + " that is best on held-out examples. 'stopped': ended early by the policy,"
                    + " each task at a length of its own.",
                UndertrainingRows.of(curves))
            .text("steps", 1, UndertrainingCharts::length)
            .number("expert", 1, row -> percent(row.accuracy()));
    for (String method : curves.methods()) {
      section.number(method, 1, row -> percent(row.by(method).accuracy()));
    }
    for (String method : curves.methods()) {
      section
          .number(method + " by its experts", 0, row -> percent(row.by(method).relativeToExperts()))
          .number(method + " by the best", 0, row -> percent(row.by(method).relativeToBest()));
      if (section.rows().get(0).by(method).lambda() != null) {
        section.number(method + " lambda", 0, row -> lambda(row.by(method).lambda()));
      }
    }
    section.chart(absolute(curves));
    section.chart(relative(curves, "relative-", "by experts of the same length", false));
    section.chart(relative(curves, "relative-best-", "by the best experts", true));
    return section;
  }

  private static String lambda(Measured chosen) {
    return chosen == null ? "" : chosen.text("%.2f");
  }

  private static String length(Experts row) {
    return row.length().equals(ExpertCurves.STOPPED)
        ? row.length() + Section.format(" (%.0f)", row.steps().mean())
        : row.length();
  }

  private static Section<Experts> causes(ExpertCurves curves) {
    String method = curves.difficultyMethod();
    Section<Experts> section =
        new Section<>(
                "causes-" + curves.id(),
                curves.title() + ": what is learned late, and what merging forgets",
                "Distance of experts from the base; mean cosine of pairs of task vectors, part of"
                    + " the parameters with other signs, part of the absolute sum that survives"
                    + " the election of signs. Hard and easy: the hardest and easiest fifth of the"
                    + " training examples by EL2N early in training, by the labels trained on."
                    + " Merged by "
                    + method
                    + ". Forgotten: the expert is right, the merged model is not. Wrong labels"
                    + " said: of the training examples that have one.",
                UndertrainingRows.of(curves))
            .text("steps", 0, UndertrainingCharts::length)
            .number("distance", 0, row -> row.distance().text("%.2f"))
            .number("cosine", 0, row -> row.cosine().text("%.3f"))
            .number("sign conflict", 0, row -> row.signConflict().text("%.3f"))
            .number("kept", 0, row -> row.kept().text("%.3f"))
            .number("hard, expert", 0, row -> percent(row.hard()))
            .number("hard, merged", 0, row -> percent(row.by(method).hard()))
            .number("easy, merged", 0, row -> percent(row.by(method).easy()))
            .number("forgotten", 0, row -> percent(row.by(method).forgotten()));
    if (section.rows().get(0).memorised() != null) {
      section
          .number("wrong labels said, expert", 0, row -> percent(row.memorised()))
          .number("merged", 0, row -> percent(row.by(method).memorised()));
    }
    section.chart(distance(curves)).chart(interference(curves)).chart(deciles(curves, method));
    section.chart(forgotten(curves, method));
    return section;
  }

  private static String percent(Measured part) {
    return part.percent().text("%.1f");
  }

  private static Chart.Lines bySteps(ExpertCurves curves, String file, String what, String y) {
    return new Chart.Lines(
            file + curves.id(), curves.title() + ": " + what, curves.title(), "steps", y)
        .named(curves.steps().stream().map(String::valueOf).toList());
  }

  private static Chart absolute(ExpertCurves curves) {
    Chart.Lines lines = bySteps(curves, "accuracy-", "test accuracy", "test accuracy (%)");
    List<Double> at = Chart.places(0, curves.steps().size());
    lines.line("expert", -1, at, curves.means(100, p -> p.experts().meanTest()));
    int colour = 0;
    for (String method : curves.methods()) {
      lines.line(
          method, colour++, at, curves.means(100, p -> p.merged(method).scores().meanTest()));
    }
    return lines;
  }

  private static Chart relative(ExpertCurves curves, String file, String what, boolean best) {
    Chart.Lines lines = bySteps(curves, file, "merged accuracy " + what, "merged / expert (%)");
    List<Experts> rows = UndertrainingRows.of(curves).subList(0, curves.steps().size());
    int colour = 0;
    for (String method : curves.methods()) {
      List<Double> values =
          rows.stream()
              .map(row -> row.by(method))
              .map(m -> 100 * (best ? m.relativeToBest() : m.relativeToExperts()).mean())
              .toList();
      lines.line(method, colour++, Chart.places(0, values.size()), values);
    }
    return lines;
  }

  private static Chart distance(ExpertCurves curves) {
    return bySteps(curves, "distance-", "distance from the base", "norm of the task vector")
        .line(
            "experts",
            0,
            Chart.places(0, curves.steps().size()),
            curves.means(1, p -> Summary.mean(p.distance())));
  }

  private static Chart interference(ExpertCurves curves) {
    List<Double> at = Chart.places(0, curves.steps().size());
    List<Experts> rows = UndertrainingRows.of(curves).subList(0, curves.steps().size());
    return bySteps(curves, "interference-", "interference of task vectors", "")
        .line("cosine", 0, at, means(rows, Experts::cosine))
        .line("sign conflict", 1, at, means(rows, Experts::signConflict))
        .line("kept", 2, at, means(rows, Experts::kept))
        .limits(0, 1.0);
  }

  private static List<Double> means(List<Experts> rows, Function<Experts, Measured> value) {
    return rows.stream().map(row -> value.apply(row).mean()).toList();
  }

  /** At the greatest length, and at the shortest. */
  private static Chart deciles(ExpertCurves curves, String method) {
    int last = curves.steps().size() - 1;
    Chart.Lines lines =
        byDecile(curves, "deciles-", "accuracy by difficulty", "accuracy on training examples (%)");
    for (int length : new int[] {0, last}) {
      String steps = curves.steps().get(length) + " steps";
      int colour = length == 0 ? 1 : 2;
      if (length == 0 && last == 0) {
        continue;
      }
      lines.line(
          "experts, " + steps,
          -colour,
          Chart.places(0, DECILES),
          byDecile(curves, length, (p, d) -> p.experts().deciles().get(d)));
      lines.line(
          "merged, " + steps,
          colour,
          Chart.places(0, DECILES),
          byDecile(curves, length, (p, d) -> p.merged(method).scores().deciles().get(d)));
    }
    return lines;
  }

  private static Chart forgotten(ExpertCurves curves, String method) {
    Chart.Lines lines =
        byDecile(curves, "forgotten-", "forgotten by merging", "forgotten by merging (%)");
    int last = curves.steps().size() - 1;
    for (int length : IntStream.of(0, last / 2, last).distinct().toArray()) {
      lines.line(
          curves.steps().get(length) + " steps",
          length == 0 ? 1 : length == last ? 2 : 3,
          Chart.places(0, DECILES),
          byDecile(curves, length, (p, d) -> p.merged(method).forgotten().get(d)));
    }
    return lines;
  }

  private static Chart.Lines byDecile(ExpertCurves curves, String file, String what, String y) {
    return new Chart.Lines(
            file + curves.id(),
            curves.title() + ": " + what,
            curves.title(),
            "tenth of the examples, from the easiest",
            y)
        .named(IntStream.rangeClosed(1, DECILES).mapToObj(String::valueOf).toList());
  }

  private interface OfDecile {
    double of(ExpertPoint point, int decile);
  }

  private static List<Double> byDecile(ExpertCurves curves, int length, OfDecile value) {
    List<Double> values = new ArrayList<>();
    for (int decile = 0; decile < DECILES; decile++) {
      int at = decile;
      ToDoubleFunction<ExpertPoint> one = p -> value.of(p, at);
      values.add(100 * curves.at(length, one).mean());
    }
    return values;
  }
}
