// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.function.Function;
import java.util.function.ToDoubleFunction;
import java.util.stream.IntStream;
import org.merganser.lab.experiment.UndertrainingClaims.Claim;
import org.merganser.lab.experiment.UndertrainingRows.Experts;
import org.merganser.lab.experiment.UndertrainingRows.Merged;
import org.merganser.lab.report.Chart;
import org.merganser.lab.report.Section;
import org.merganser.model.ExampleDifficulty;

/** What {@link UndertrainingExperiment} shows. */
final class UndertrainingCharts {
  private static final int DECILES = 10;

  /** Dashed, and no other's. */
  private static final int BASE_COLOUR = -5;

  private UndertrainingCharts() {}

  static String text(
      UndertrainingExperiment.Options options, ExperimentResult.Data data, long parameters) {
    return ("%s: %d training, %d held-out and %d test examples of all tasks. Network %s (%d"
            + " parameters), %d steps in common, then the last layer of each task as it is;"
            + " experts of %s steps by Adam, peak rate %s (adapters of rank %d: %s), half a cosine"
            + " over the greatest number, batches of %d; states after the smaller numbers are"
            + " those of the same run. Early stopping: held-out accuracy every %d steps%s, half the"
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
            options.stopAtBase() ? " and before the first, so that it may keep the base" : "",
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
                    + " that is best on held-out examples. 'base': what experts begin with,"
                    + " 'stopped': ended early by the policy, each task at a length of its own.",
                UndertrainingRows.of(curves))
            .text("steps", 1, UndertrainingCharts::length)
            .number("expert", 1, row -> percent(row.accuracy()));
    for (String method : curves.methods()) {
      section.number(method, 1, row -> percent(row, method, Merged::accuracy));
    }
    for (String method : curves.methods()) {
      section
          .number(
              method + " by its experts", 0, row -> percent(row, method, Merged::relativeToExperts))
          .number(method + " by the best", 0, row -> percent(row, method, Merged::relativeToBest));
      if (curves.choosesLambda(method)) {
        section.number(
            method + " lambda", 0, row -> row.isBase() ? "" : lambda(row.by(method).lambda()));
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
    return row.isStopped()
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
            .number("cosine", 0, row -> part(row.cosine()))
            .number("sign conflict", 0, row -> part(row.signConflict()))
            .number("kept", 0, row -> part(row.kept()))
            .number("hard, expert", 0, row -> percent(row.hard()))
            .number("hard, merged", 0, row -> percent(row, method, Merged::hard))
            .number("easy, merged", 0, row -> percent(row, method, Merged::easy))
            .number("forgotten", 0, row -> percent(row, method, Merged::forgotten));
    if (section.rows().get(0).memorised() != null) {
      section
          .number("wrong labels said, expert", 0, row -> percent(row.memorised()))
          .number("merged", 0, row -> percent(row, method, Merged::memorised));
    }
    section.chart(distance(curves)).chart(interference(curves)).chart(deciles(curves, method));
    section.chart(forgotten(curves, method));
    return section;
  }

  private static String percent(Measured part) {
    return part.percent().text("%.1f");
  }

  /** Nothing is merged of the base. */
  private static String percent(Experts row, String method, Function<Merged, Measured> part) {
    return row.isBase() ? "" : percent(part.apply(row.by(method)));
  }

  private static String part(Measured value) {
    return value == null ? "" : value.text("%.3f");
  }

  private static Chart.Lines bySteps(ExpertCurves curves, String file, String what, String y) {
    List<String> names = new ArrayList<>(curves.steps().stream().map(String::valueOf).toList());
    names.add(ExpertCurves.STOPPED);
    return new Chart.Lines(
            file + curves.id(), curves.title() + ": " + what, curves.title(), "steps", y)
        .named(names);
  }

  /** Adds a line over the lengths, and a point behind them of those that ended early. */
  private static void line(
      Chart.Lines lines,
      String name,
      int colour,
      ExpertCurves curves,
      ToDoubleFunction<Experts> value) {
    int lengths = curves.steps().size();
    List<Experts> rows = UndertrainingRows.of(curves);
    List<Double> values = rows.subList(1, 1 + lengths).stream().mapToDouble(value).boxed().toList();
    lines.line(name, colour, Chart.places(0, lengths), values);
    rows.stream()
        .filter(Experts::isStopped)
        .mapToDouble(value)
        .filter(Double::isFinite)
        .forEach(one -> lines.point(name + ", " + ExpertCurves.STOPPED, colour, lengths, one));
  }

  /** Adds a line at the height of the base. */
  private static void base(
      Chart.Lines lines, ExpertCurves curves, ToDoubleFunction<Experts> value) {
    int places = UndertrainingRows.of(curves).size() - 1;
    double height = value.applyAsDouble(UndertrainingRows.of(curves).get(0));
    lines.line(
        ExpertCurves.BASE,
        BASE_COLOUR,
        Chart.places(0, places),
        Collections.nCopies(places, height));
  }

  private static Chart absolute(ExpertCurves curves) {
    Chart.Lines lines = bySteps(curves, "accuracy-", "test accuracy", "test accuracy (%)");
    base(lines, curves, row -> 100 * row.accuracy().mean());
    line(lines, "expert", -1, curves, row -> 100 * row.accuracy().mean());
    int colour = 0;
    for (String method : curves.methods()) {
      line(lines, method, colour++, curves, row -> 100 * row.by(method).accuracy().mean());
    }
    return lines;
  }

  private static Chart relative(ExpertCurves curves, String file, String what, boolean best) {
    Chart.Lines lines = bySteps(curves, file, "merged accuracy " + what, "merged / expert (%)");
    Function<Merged, Measured> value = best ? Merged::relativeToBest : Merged::relativeToExperts;
    if (best) {
      base(lines, curves, row -> 100 * row.relative().mean());
    }
    int colour = 0;
    for (String method : curves.methods()) {
      line(lines, method, colour++, curves, row -> 100 * value.apply(row.by(method)).mean());
    }
    return lines;
  }

  private static Chart distance(ExpertCurves curves) {
    Chart.Lines lines =
        bySteps(curves, "distance-", "distance from the base", "norm of the task vector");
    line(lines, "experts", 0, curves, row -> row.distance().mean());
    return lines;
  }

  private static Chart interference(ExpertCurves curves) {
    Chart.Lines lines = bySteps(curves, "interference-", "interference of task vectors", "");
    line(lines, "cosine", 0, curves, row -> row.cosine().mean());
    line(lines, "sign conflict", 1, curves, row -> row.signConflict().mean());
    line(lines, "kept", 2, curves, row -> row.kept().mean());
    return lines.limits(0, 1.0);
  }

  /** Some experts as the pictures by difficulty show them. */
  private record Shown(String name, int colour, List<ExpertPoint> points) {}

  /** Those of some lengths, and those that ended early. */
  private static List<Shown> shown(ExpertCurves curves, int... lengths) {
    List<Shown> shown = new ArrayList<>();
    int last = curves.steps().size() - 1;
    for (int length : IntStream.of(lengths).distinct().toArray()) {
      int colour = length == last ? 2 : length == 0 ? 1 : 3;
      String name = curves.steps().get(length) + " steps";
      shown.add(new Shown(name, colour, curves.points().get(length)));
    }
    if (!curves.stopped().isEmpty()) {
      shown.add(new Shown(ExpertCurves.STOPPED, 4, curves.stopped()));
    }
    return shown;
  }

  /** At the greatest length, at the shortest, ended early, and of the base. */
  private static Chart deciles(ExpertCurves curves, String method) {
    Chart.Lines lines =
        byDecile(curves, "deciles-", "accuracy by difficulty", "accuracy on training examples (%)");
    List<Double> at = Chart.places(0, DECILES);
    lines.line(
        ExpertCurves.BASE,
        BASE_COLOUR,
        at,
        byDecile(curves.base(), (base, d) -> base.deciles().get(d)));
    for (Shown one : shown(curves, 0, curves.steps().size() - 1)) {
      lines.line(
          "experts, " + one.name(),
          -one.colour(),
          at,
          byDecile(one.points(), (p, d) -> p.experts().deciles().get(d)));
      lines.line(
          "merged, " + one.name(),
          one.colour(),
          at,
          byDecile(one.points(), (p, d) -> p.merged(method).scores().deciles().get(d)));
    }
    return lines;
  }

  private static Chart forgotten(ExpertCurves curves, String method) {
    Chart.Lines lines =
        byDecile(curves, "forgotten-", "forgotten by merging", "forgotten by merging (%)");
    int last = curves.steps().size() - 1;
    for (Shown one : shown(curves, 0, last / 2, last)) {
      lines.line(
          one.name(),
          one.colour(),
          Chart.places(0, DECILES),
          byDecile(one.points(), (p, d) -> p.merged(method).forgotten().get(d)));
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

  private interface OfDecile<T> {
    double of(T seed, int decile);
  }

  /** Means over seeds, in percent. */
  private static <T> List<Double> byDecile(List<T> seeds, OfDecile<T> value) {
    return IntStream.range(0, DECILES)
        .mapToObj(d -> 100 * Summary.mean(seeds.stream().map(one -> value.of(one, d)).toList()))
        .toList();
  }
}
