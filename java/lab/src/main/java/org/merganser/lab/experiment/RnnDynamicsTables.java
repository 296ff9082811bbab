// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import java.util.ArrayList;
import java.util.List;
import java.util.function.ToDoubleFunction;
import java.util.stream.IntStream;
import org.merganser.analysis.recurrent.FixedPoint;
import org.merganser.analysis.recurrent.StepReport;
import org.merganser.lab.experiment.ExperimentResult.Difference;
import org.merganser.lab.report.Json;
import org.merganser.lab.report.Section;

/** What {@link RnnDynamicsExperiment} finds, compares and tells. */
final class RnnDynamicsTables {
  /** A probe that loses less accuracy than this in a few steps of drift is said to hold. */
  private static final double HELD = 0.03;

  private RnnDynamicsTables() {}

  /**
   * A map without input.
   *
   * @param radius largest modulus of the eigenvalues of V
   * @param norm its largest singular value
   * @param real parts of the eigenvalues
   * @param exponents of Lyapunov, nats a step, the median over orbits of each
   * @param halfRun how far they are off at half of the run, likewise
   * @param lost starts that led to no slow point
   * @param stable points without an unstable direction
   * @param unstable mean of the unstable directions of a point
   * @param back whether orbits come back
   * @param points the stillest
   */
  record Dynamics(
      double radius,
      double norm,
      List<Double> real,
      List<Double> imaginary,
      List<Double> exponents,
      List<Double> halfRun,
      int fixed,
      int slow,
      int lost,
      long stable,
      double unstable,
      Return back,
      List<Point> points) {}

  /**
   * Orbits that come back.
   *
   * @param steps after which they do, the median over those; null when none does
   * @param strength autocorrelation there, likewise
   * @param returning how many do
   * @param orbits of how many
   */
  record Return(Double steps, Double strength, int returning, int orbits) {}

  /**
   * A fixed or slow point.
   *
   * @param speed half of the squared length of the next step
   * @param norm distance from 0
   * @param unstable directions
   * @param radius largest modulus of the eigenvalues there
   * @param period of the complex pair of largest modulus in steps; 0 without such
   * @param starts that led to it
   */
  record Point(
      boolean fixed,
      double speed,
      double norm,
      int unstable,
      double radius,
      double period,
      int starts) {
    static Point of(FixedPoint point) {
      double[] periods = point.periods();
      return new Point(
          point.isFixed(),
          point.speed(),
          point.norm(),
          point.unstableDirections(),
          point.spectrum().radius(),
          periods.length == 0 ? 0 : periods[0],
          point.starts());
    }
  }

  /**
   * Accuracy of images with other rows.
   *
   * @param k how many
   * @param late after k blank rows
   * @param held before k blank rows
   * @param cut without their last k rows
   * @param down moved down by k rows: the last ones are lost
   * @param up moved up by k rows, blank rows at the end
   */
  record Length(int k, double late, double held, double cut, double down, double up) {}

  /** What a step is like, over seeds. */
  record Step(
      int step,
      Measured readout,
      Measured probe,
      Measured participationRatio,
      Measured components,
      Measured ratio,
      Measured fisher,
      Measured distanceWithin,
      Measured distanceBetween,
      Measured silhouette,
      Measured adjustedRand,
      Measured information,
      Measured radius,
      Measured dimension,
      Measured centreCorrelation) {}

  static StepReport[] reports(Findings seed) {
    return Json.convert(seed.data().get("steps"), StepReport[].class);
  }

  static Dynamics dynamics(Findings seed, String when) {
    return Json.convert(seed.map("dynamics").get(when), Dynamics.class);
  }

  static List<Step> steps(List<Findings> seeds) {
    List<StepReport[]> all = seeds.stream().map(RnnDynamicsTables::reports).toList();
    return IntStream.range(0, all.get(0).length)
        .mapToObj(t -> step(all.stream().map(seed -> seed[t]).toList()))
        .toList();
  }

  private static Step step(List<StepReport> seeds) {
    return new Step(
        seeds.get(0).step(),
        each(seeds, StepReport::readout),
        each(seeds, StepReport::probe),
        each(seeds, StepReport::participationRatio),
        each(seeds, StepReport::components),
        each(seeds, StepReport::ratio),
        each(seeds, StepReport::fisher),
        each(seeds, StepReport::distanceWithin),
        each(seeds, StepReport::distanceBetween),
        each(seeds, StepReport::silhouette),
        each(seeds, StepReport::adjustedRand),
        each(seeds, StepReport::information),
        each(seeds, StepReport::radius),
        each(seeds, StepReport::dimension),
        each(seeds, StepReport::centreCorrelation));
  }

  private static <T> Measured each(List<T> seeds, ToDoubleFunction<T> value) {
    return Measured.of(seeds.stream().map(value::applyAsDouble).toList());
  }

  static List<Difference> differences(List<Findings> seeds) {
    List<Difference> all = new ArrayList<>();
    all.addAll(Summary.difference("probe-half", "readout-half", seeds));
    all.addAll(Summary.difference("probe-end", "readout-end", seeds));
    all.addAll(Summary.difference("readout-drift", "readout-end", seeds));
    all.addAll(Summary.difference("probe-drift", "probe-end", seeds));
    return all;
  }

  static List<Claim> claims(List<Findings> seeds) {
    String soon = "in %d steps of drift".formatted(RnnDynamicsExperiment.SOON);
    return List.of(
        Claim.positive(
            "probe less readout at half of the rows",
            seeds.stream()
                .map(s -> accuracy(s, "probe-half") - accuracy(s, "readout-half"))
                .toList()),
        Claim.positive(
            "what the readout loses " + soon, seeds.stream().map(s -> lost(s, "readout")).toList()),
        Claim.positive(
            "what it loses beyond what the probe does",
            seeds.stream().map(s -> lost(s, "readout") - lost(s, "probe")).toList()),
        Claim.above(
            "what the probe gains " + soon + " (it holds)",
            seeds.stream().map(s -> -lost(s, "probe")).toList(),
            -HELD));
  }

  private static double lost(Findings seed, String by) {
    return accuracy(seed, by + "-end") - accuracy(seed, by + "-drift");
  }

  private static double accuracy(Findings seed, String row) {
    return seed.row(row).test().accuracy();
  }

  static String text(
      RnnDynamicsExperiment.Options options,
      RowImages rows,
      ExperimentResult.Data data,
      long parameters,
      int seeds) {
    return ("%d tanh units without biases read images row by row (%d rows of %d pixels in [0, 1]),"
            + " a linear layer reads them at the last row: %d parameters, %d epochs on %d"
            + " images, measured on %d others, then %d steps without input. %d seed%s;"
            + " film.html beside this page shows the first one move.")
        .formatted(
            options.hidden(),
            rows.steps(),
            rows.width(),
            parameters,
            options.epochs(),
            data.train(),
            data.test(),
            options.drift(),
            seeds,
            seeds == 1 ? "" : "s, which share no network");
  }

  static List<Section<?>> sections(
      int trained,
      List<ExperimentResult.Row> rows,
      List<Difference> differences,
      List<Findings> seeds) {
    List<Section<?>> sections = new ArrayList<>();
    sections.add(
        new Section<>("rows", "Test accuracy", "", rows)
            .text("row", 14, ExperimentResult.Row::method)
            .number("accuracy", 9, "%.2f%%", row -> 100 * row.accuracy())
            .number("sd", 7, row -> seeds.size() == 1 ? "-" : percent(row.accuracySd()))
            .text("what it is", 0, ExperimentResult.Row::meaning));
    sections.add(Section.data("pairs", Summary.accuracies(seeds)));
    sections.add(ResultReport.differences(differences, seeds.size()));
    sections.add(Claim.section(claims(seeds)));
    sections.add(RnnDynamicsCharts.steps(trained, steps(seeds), seeds));
    sections.add(RnnDynamicsCharts.dynamics(seeds));
    sections.add(RnnDynamicsCharts.points(seeds.get(0)));
    sections.add(RnnDynamicsCharts.lengths(seeds));
    return sections;
  }

  private static String percent(double part) {
    return Section.format("%.2f", 100 * part);
  }
}
