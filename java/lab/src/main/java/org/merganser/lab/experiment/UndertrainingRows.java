// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Function;
import java.util.function.ToDoubleFunction;

/** Experts and what was merged of them as rows: every number with its values seed by seed. */
final class UndertrainingRows {
  private UndertrainingRows() {}

  /**
   * Experts after a length of training, or the base itself, of which nothing is merged.
   *
   * @param length steps, {@code base}, or {@code stopped}
   * @param steps mean over tasks
   * @param accuracy of experts on test examples, each on its own task
   * @param relative to that of the experts of the length best on held-out examples
   * @param memorised wrong labels of training examples that are said; null where all are right
   * @param cosine null of the base, as are sign conflict and what is kept
   */
  record Experts(
      String length,
      Measured steps,
      Measured accuracy,
      Measured relative,
      Measured hard,
      Measured memorised,
      Measured distance,
      Measured cosine,
      Measured signConflict,
      Measured kept,
      List<Merged> merged) {
    boolean isBase() {
      return length.equals(ExpertCurves.BASE);
    }

    boolean isStopped() {
      return length.equals(ExpertCurves.STOPPED);
    }

    Merged by(String method) {
      return merged.stream().filter(m -> m.method().equals(method)).findFirst().orElseThrow();
    }
  }

  /**
   * One model for all tasks.
   *
   * @param accuracy on test examples, mean over tasks
   * @param relativeToExperts mean over tasks of the accuracy by that of the expert of this length
   * @param relativeToBest the same by that of the experts of the length best on held-out examples,
   *     which is one for all lengths
   * @param lambda that was taken of several; null where there was no choice
   * @param easy accuracy on the easiest fifth of the training examples
   * @param hard on the hardest
   * @param forgotten part of the training examples that the expert is right on and this is not
   */
  record Merged(
      String method,
      Measured accuracy,
      Measured relativeToExperts,
      Measured relativeToBest,
      Measured lambda,
      Measured easy,
      Measured hard,
      Measured forgotten,
      Measured memorised) {}

  /** The base, experts of every length, those that ended early last. */
  static List<Experts> of(ExpertCurves curves) {
    List<Experts> rows = new ArrayList<>();
    rows.add(base(curves));
    for (int length = 0; length < curves.steps().size(); length++) {
      rows.add(row(curves, "" + curves.steps().get(length), curves.points().get(length)));
    }
    if (!curves.stopped().isEmpty()) {
      rows.add(row(curves, ExpertCurves.STOPPED, curves.stopped()));
    }
    return rows;
  }

  private static Experts base(ExpertCurves curves) {
    return new Experts(
        ExpertCurves.BASE,
        Measured.of(curves.each(seed -> 0.0)),
        Measured.of(curves.each(seed -> curves.base().get(seed).meanTest())),
        Measured.known(
            curves.each(seed -> curves.base().get(seed).relativeTo(curves.reference(seed)))),
        Measured.of(curves.each(seed -> curves.base().get(seed).hard())),
        curves.base().get(0).memorised().isEmpty()
            ? null
            : Measured.of(curves.each(seed -> Summary.mean(curves.base().get(seed).memorised()))),
        Measured.of(curves.each(seed -> 0.0)),
        null,
        null,
        null,
        List.of());
  }

  private static Experts row(ExpertCurves curves, String length, List<ExpertPoint> points) {
    List<Merged> merged = new ArrayList<>();
    for (String method : curves.methods()) {
      merged.add(merged(curves, method, points));
    }
    return new Experts(
        length,
        each(points, p -> p.steps().stream().mapToLong(s -> s).average().orElseThrow()),
        each(points, p -> p.experts().meanTest()),
        Measured.known(
            curves.each(seed -> points.get(seed).experts().relativeTo(curves.reference(seed)))),
        each(points, p -> p.experts().hard()),
        memorised(points, ExpertPoint::experts),
        each(points, p -> Summary.mean(p.distance())),
        known(points, ExpertPoint::cosine),
        known(points, ExpertPoint::signConflict),
        known(points, ExpertPoint::kept),
        merged);
  }

  private static Merged merged(ExpertCurves curves, String method, List<ExpertPoint> points) {
    return new Merged(
        method,
        each(points, p -> p.merged(method).scores().meanTest()),
        known(points, p -> p.merged(method).scores().relativeTo(p.experts())),
        Measured.known(
            curves.each(
                seed ->
                    points.get(seed).merged(method).scores().relativeTo(curves.reference(seed)))),
        curves.choosesLambda(method) ? each(points, p -> p.merged(method).lambda()) : null,
        each(points, p -> p.merged(method).scores().easy()),
        each(points, p -> p.merged(method).scores().hard()),
        each(points, p -> Summary.mean(p.merged(method).forgotten())),
        memorised(points, p -> p.merged(method).scores()));
  }

  private static Measured memorised(
      List<ExpertPoint> points, Function<ExpertPoint, TaskScores> scores) {
    return scores.apply(points.get(0)).memorised().isEmpty()
        ? null
        : each(points, p -> Summary.mean(scores.apply(p).memorised()));
  }

  /** Of the seeds that have the number. */
  private static Measured known(List<ExpertPoint> points, Function<ExpertPoint, Double> value) {
    return Measured.known(points.stream().map(value).toList());
  }

  private static Measured each(List<ExpertPoint> points, ToDoubleFunction<ExpertPoint> value) {
    return Measured.of(points.stream().mapToDouble(value).boxed().toList());
  }

  // What every experiment has.

  /** Test accuracy of every row, seed by seed. */
  static List<Map<String, Double>> accuracies(List<ExpertCurves> all) {
    List<Map<String, Double>> seeds = new ArrayList<>();
    for (int seed = 0; seed < all.get(0).seeds(); seed++) {
      Map<String, Double> accuracies = new LinkedHashMap<>();
      for (ExpertCurves curves : all) {
        for (Experts row : of(curves)) {
          String id = row.isBase() ? base(curves.noise()) : id(curves, row.length());
          accuracies.put(id, row.accuracy().pairs().get(seed));
          for (Merged merged : row.merged()) {
            accuracies.put(id + "+" + merged.method(), merged.accuracy().pairs().get(seed));
          }
        }
      }
      seeds.add(accuracies);
    }
    return seeds;
  }

  /** The same for all forms of experts. */
  private static String base(double noise) {
    return "noise-" + noise + "-" + ExpertCurves.BASE;
  }

  static String id(ExpertCurves curves, String length) {
    return curves.id() + "-" + length;
  }

  /** Means of all seeds. */
  static List<ExperimentResult.Row> rows(List<ExpertCurves> all) {
    List<ExperimentResult.Row> rows = new ArrayList<>();
    Set<Double> noises = new HashSet<>();
    for (ExpertCurves curves : all) {
      if (noises.add(curves.noise())) {
        rows.add(row(base(curves.noise()), "what experts begin with", curves.base()));
      }
      for (int length = 0; length <= curves.steps().size(); length++) {
        boolean last = length == curves.steps().size();
        List<ExpertPoint> points = last ? curves.stopped() : curves.points().get(length);
        if (!points.isEmpty()) {
          String id = id(curves, last ? ExpertCurves.STOPPED : "" + curves.steps().get(length));
          rows.add(row(id, "experts, each on its task", scores(points, ExpertPoint::experts)));
          for (String method : curves.methods()) {
            List<TaskScores> merged = scores(points, p -> p.merged(method).scores());
            rows.add(row(id + "+" + method, "merged", merged));
          }
        }
      }
    }
    return rows;
  }

  private static List<TaskScores> scores(
      List<ExpertPoint> points, Function<ExpertPoint, TaskScores> scores) {
    return points.stream().map(scores).toList();
  }

  private static ExperimentResult.Row row(String id, String meaning, List<TaskScores> seeds) {
    List<Double> test = seeds.stream().map(TaskScores::meanTest).toList();
    List<Double> heldOut = seeds.stream().map(TaskScores::meanHeldOut).toList();
    return new ExperimentResult.Row(
        id,
        meaning,
        Summary.mean(test),
        Summary.deviation(test),
        Double.NaN,
        Summary.mean(heldOut));
  }

  /** Merged experts that ended early less the longest ones merged, and the same of experts. */
  static List<ExperimentResult.Difference> differences(List<ExpertCurves> all) {
    List<ExperimentResult.Difference> differences = new ArrayList<>();
    for (ExpertCurves curves : all) {
      if (!curves.stopped().isEmpty()) {
        differences.add(difference(curves, "", p -> p.experts().meanTest()));
        for (String method : curves.methods()) {
          differences.add(
              difference(curves, "+" + method, p -> p.merged(method).scores().meanTest()));
        }
      }
    }
    return differences;
  }

  private static ExperimentResult.Difference difference(
      ExpertCurves curves, String end, ToDoubleFunction<ExpertPoint> accuracy) {
    Measured value =
        Measured.of(
            curves.each(
                seed ->
                    accuracy.applyAsDouble(curves.stopped().get(seed))
                        - accuracy.applyAsDouble(curves.last(seed))));
    String longest = "" + curves.steps().get(curves.steps().size() - 1);
    return new ExperimentResult.Difference(
        id(curves, ExpertCurves.STOPPED) + end,
        id(curves, longest) + end,
        value.mean(),
        value.low(),
        value.high(),
        value.pairs());
  }
}
