// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.function.Function;
import java.util.function.ToDoubleFunction;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.merganser.lab.experiment.RnnDynamicsTables.Dynamics;
import org.merganser.lab.experiment.RnnDynamicsTables.Length;
import org.merganser.lab.experiment.RnnDynamicsTables.Point;
import org.merganser.lab.experiment.RnnDynamicsTables.Return;
import org.merganser.lab.experiment.RnnDynamicsTables.Step;
import org.merganser.lab.report.Chart;
import org.merganser.lab.report.Json;
import org.merganser.lab.report.Section;

/** What {@link RnnDynamicsExperiment} shows. */
final class RnnDynamicsCharts {
  private static final List<String> WHEN = List.of("before", "after");

  private RnnDynamicsCharts() {}

  static Section<Step> steps(int trained, List<Step> steps, List<Findings> seeds) {
    Section<Step> section =
        new Section<>(
                "steps",
                "Step by step",
                "Means over seeds with 95 % intervals, on test images; after step "
                    + trained
                    + ", where the network was trained to be read, there is no input. Clusters are"
                    + " those of k-means, compared with the classes.",
                steps)
            .number("step", 0, step -> "" + step.step())
            .number("readout", 0, step -> step.readout().text("%.3f"))
            .number("probe", 0, step -> step.probe().text("%.3f"))
            .number("PR", 0, step -> step.participationRatio().text("%.1f"))
            .number("90 %", 0, step -> step.components().text("%.1f"))
            .number("Sb/Sw", 0, step -> step.ratio().text("%.2f"))
            .number("Fisher", 0, step -> step.fisher().text("%.2f"))
            .number("silhouette", 0, step -> step.silhouette().text("%.3f"))
            .number("ARI", 0, step -> step.adjustedRand().text("%.3f"))
            .number("NMI", 0, step -> step.information().text("%.3f"))
            .number("radius", 0, step -> step.radius().text("%.2f"))
            .number("dimension", 0, step -> step.dimension().text("%.1f"))
            .number("centres", 0, step -> step.centreCorrelation().text("%.2f"));
    List<Double> at = Chart.places(1, steps.size());
    section.chart(
        lines("accuracy", "Accuracy of the output layer and of fresh probes", "accuracy (%)")
            .line("readout", 6, at, all(steps, s -> 100 * s.readout().mean()))
            .line("probe", 2, at, all(steps, s -> 100 * s.probe().mean()))
            .limits(0, 100.0));
    section.chart(
        lines("scatter", "Scatter between classes over that within", "Sb / Sw")
            .line("Sb/Sw", 2, at, all(steps, s -> s.ratio().mean())));
    section.chart(
        lines("dimension", "Effective dimension of states and of class manifolds", "dimension")
            .line("states (PR)", 2, at, all(steps, s -> s.participationRatio().mean()))
            .line("90 % of variance", 5, at, all(steps, s -> s.components().mean()))
            .line("a class (PR)", 1, at, all(steps, s -> s.dimension().mean())));
    section.chart(
        lines("clusters", "Clusters without labels, and silhouettes of classes", "agreement")
            .line("ARI", 2, at, all(steps, s -> s.adjustedRand().mean()))
            .line("NMI", 3, at, all(steps, s -> s.information().mean()))
            .line("silhouette", 1, at, all(steps, s -> s.silhouette().mean())));
    section.chart(similarity(seeds));
    return section;
  }

  private static Chart.Lines lines(String file, String title, String y) {
    return new Chart.Lines(file, title, title, "step", y);
  }

  /** What is infinite, as Sb/Sw of classes that are points, is a gap. */
  private static <T> List<Double> all(List<T> rows, ToDoubleFunction<T> value) {
    return rows.stream()
        .map(value::applyAsDouble)
        .map(each -> Double.isFinite(each) ? each : Double.NaN)
        .toList();
  }

  /** Mean over seeds; a step that has no variance is like none. */
  private static Chart similarity(List<Findings> seeds) {
    List<double[][]> maps =
        seeds.stream()
            .map(seed -> Json.convert(seed.data().get("similarity"), double[][].class))
            .toList();
    List<String> names =
        IntStream.rangeClosed(1, maps.get(0).length).mapToObj(t -> "" + t).toList();
    String title = "Similarity of steps (CKA)";
    return Chart.heatMap("similarity", title, title, names, names, mean(maps));
  }

  static double[][] mean(List<double[][]> maps) {
    int steps = maps.get(0).length;
    double[][] mean = new double[steps][steps];
    for (double[][] map : maps) {
      for (int at = 0; at < steps * steps; at++) {
        double value = map[at / steps][at % steps];
        mean[at / steps][at % steps] += Double.isNaN(value) ? 0 : value / maps.size();
      }
    }
    return mean;
  }

  /** A map without input, over seeds. */
  private record Map(
      String when,
      Measured radius,
      Measured norm,
      Measured exponent,
      Measured second,
      Measured halfRun,
      Measured secondHalfRun,
      Measured fixed,
      Measured slow,
      Measured lost,
      Measured stable,
      Measured unstable,
      Measured recurrence,
      Measured strength,
      List<Return> back,
      List<List<Double>> exponents) {
    static Map of(String when, List<Findings> seeds) {
      List<Dynamics> all =
          seeds.stream().map(seed -> RnnDynamicsTables.dynamics(seed, when)).toList();
      return new Map(
          when,
          each(all, Dynamics::radius),
          each(all, Dynamics::norm),
          each(all, d -> d.exponents().get(0)),
          second(all, Dynamics::exponents),
          each(all, d -> d.halfRun().get(0)),
          second(all, Dynamics::halfRun),
          each(all, d -> (double) d.fixed()),
          each(all, d -> (double) d.slow()),
          each(all, d -> (double) d.lost()),
          each(all, d -> (double) d.stable()),
          each(all, Dynamics::unstable),
          Measured.known(all.stream().map(d -> d.back().steps()).toList()),
          Measured.known(all.stream().map(d -> d.back().strength()).toList()),
          all.stream().map(Dynamics::back).toList(),
          all.stream().map(Dynamics::exponents).toList());
    }

    boolean hasFiniteExponents() {
      return exponents.stream().flatMap(List::stream).allMatch(Double::isFinite);
    }

    /** Seed by seed: steps, the autocorrelation after them, and how many orbits come back. */
    String comesBack() {
      return back.stream()
          .map(
              seed ->
                  seed.returning() == 0
                      ? "-"
                      : format(
                          "%.1f (%.2f; %d of %d)",
                          seed.steps(), seed.strength(), seed.returning(), seed.orbits()))
          .collect(Collectors.joining(", "));
    }

    private static Measured each(List<Dynamics> all, Function<Dynamics, Double> value) {
      return Measured.of(all.stream().map(value).toList());
    }

    /** Null when there is only a first one. */
    private static Measured second(List<Dynamics> all, Function<Dynamics, List<Double>> values) {
      return values.apply(all.get(0)).size() < 2 ? null : each(all, d -> values.apply(d).get(1));
    }

    private static String told(Measured measured, String format) {
      return measured == null ? "-" : measured.text(format);
    }
  }

  static Section<?> dynamics(List<Findings> seeds) {
    Section<Map> section =
        new Section<>(
                "dynamics",
                "The map without input",
                "h <- tanh(V h) before and after training: largest modulus of the eigenvalues of V"
                    + " and its largest singular value, two Lyapunov exponents in nats a step"
                    + " (medians over orbits from the ends of test images) and by how much each is"
                    + " off at half of the run (how far from converged),"
                    + " fixed and slow points found from states that test images led to, their"
                    + " unstable directions, and for each seed the steps after which orbits come"
                    + " back and their autocorrelation there, medians over those that do, with"
                    + " how many do (-: none).",
                WHEN.stream().map(when -> Map.of(when, seeds)).toList())
            .text("training", 8, Map::when)
            .number("radius", 1, map -> map.radius().text("%.2f"))
            .number("norm", 0, map -> map.norm().text("%.2f"))
            .number("exponent 1", 1, map -> map.exponent().text("%+.4f"))
            .number("off at half", 1, map -> map.halfRun().text("%.4f"))
            .number("exponent 2", 0, map -> Map.told(map.second(), "%+.4f"))
            .number("2 off at half", 0, map -> Map.told(map.secondHalfRun(), "%.4f"))
            .number("fixed", 1, map -> map.fixed().text("%.1f"))
            .number("slow", 1, map -> map.slow().text("%.1f"))
            .number("starts lost", 0, map -> map.lost().text("%.1f"))
            .number("stable", 0, map -> map.stable().text("%.1f"))
            .number("unstable directions", 0, map -> map.unstable().text("%.1f"))
            .number("comes back after", 0, Map::comesBack);
    section.chart(spectra(seeds.get(0)));
    exponents(section.rows()).ifPresent(section::chart);
    return section;
  }

  /** Of the maps whose exponents are finite; none where no map's are. */
  private static Optional<Chart> exponents(List<Map> maps) {
    String without =
        maps.stream()
            .filter(map -> !map.hasFiniteExponents())
            .map(map -> " (" + map.when() + ": not all are finite, left out)")
            .collect(Collectors.joining());
    Chart.Lines lines =
        new Chart.Lines(
            "exponents",
            "Lyapunov exponents of the map without input, means over seeds" + without,
            "Lyapunov exponents" + without,
            "number",
            "nats a step");
    for (int w = 0; w < maps.size(); w++) {
      if (maps.get(w).hasFiniteExponents()) {
        List<Double> means = Summary.means(maps.get(w).exponents());
        lines.line(maps.get(w).when(), 2 * w, Chart.places(1, means.size()), means);
      }
    }
    return lines.size() > 0 ? Optional.of(lines) : Optional.empty();
  }

  /** Eigenvalues of V in the plane, with the unit circle. */
  private static Chart spectra(Findings seed) {
    List<Dynamics> both = WHEN.stream().map(w -> RnnDynamicsTables.dynamics(seed, w)).toList();
    double most = Math.max(1, Math.max(both.get(0).radius(), both.get(1).radius())) * 1.08;
    double scale = 210 / most;
    StringBuilder svg = new StringBuilder();
    svg.append(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"560\" height=\"460\""
            + " font-family=\"sans-serif\" font-size=\"12\">"
            + "<rect width=\"100%\" height=\"100%\" fill=\"white\"/>"
            + "<text x=\"20\" y=\"20\" font-weight=\"bold\">Eigenvalues of V</text>");
    svg.append(
        format(
            "<g stroke=\"#999\" fill=\"none\"><circle cx=\"230\" cy=\"240\" r=\"%.1f\"/>", scale));
    svg.append("<path d=\"M20 240H440M230 30V450\" stroke-dasharray=\"3 4\"/></g>");
    String[] colours = {"#7f7f7f", "#0072b2"};
    for (int w = 0; w < both.size(); w++) {
      Dynamics dynamics = both.get(w);
      svg.append(format("<g fill=\"%s\" fill-opacity=\"0.75\">", colours[w]));
      for (int i = 0; i < dynamics.real().size(); i++) {
        svg.append(
            format(
                "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"2.6\"/>",
                230 + scale * dynamics.real().get(i), 240 - scale * dynamics.imaginary().get(i)));
      }
      svg.append(format("<circle cx=\"462\" cy=\"%d\" r=\"4\"/></g>", 56 + 22 * w));
      svg.append(format("<text x=\"472\" y=\"%d\">%s</text>", 60 + 22 * w, WHEN.get(w)));
    }
    svg.append("</svg>\n");
    return Chart.svg(
        "spectrum",
        "Eigenvalues of the recurrent weights before and after training, and the unit circle",
        svg.toString());
  }

  private static String format(String format, Object... values) {
    return String.format(Locale.ROOT, format, values);
  }

  static Section<Point> points(Findings first) {
    return new Section<>(
            "points",
            "The stillest points after training",
            "Of the first seed: q is half of the squared length of the next step, the period that"
                + " of the complex pair of eigenvalues of largest modulus.",
            RnnDynamicsTables.dynamics(first, "after").points())
        .text("kind", 0, point -> point.fixed() ? "fixed" : "slow")
        .number("q", 0, "%.1e", Point::speed)
        .number("distance from 0", 0, "%.3f", Point::norm)
        .number("unstable", 0, point -> "" + point.unstable())
        .number("largest eigenvalue", 0, "%.3f", Point::radius)
        .number("period", 0, "%.1f", Point::period)
        .number("starts", 0, point -> "" + point.starts());
  }

  /** A number of rows, over seeds. */
  private record Change(
      int k, Measured late, Measured held, Measured cut, Measured down, Measured up) {}

  static Section<?> lengths(List<Findings> seeds) {
    List<Length[]> all =
        seeds.stream()
            .map(seed -> Json.convert(seed.data().get("lengths"), Length[].class))
            .toList();
    List<Change> rows = new ArrayList<>();
    for (int k = 0; k < all.get(0).length; k++) {
      int at = k;
      List<Length> each = all.stream().map(seed -> seed[at]).toList();
      rows.add(
          new Change(
              k,
              Measured.of(all(each, Length::late)),
              Measured.of(all(each, Length::held)),
              Measured.of(all(each, Length::cut)),
              Measured.of(all(each, Length::down)),
              Measured.of(all(each, Length::up))));
    }
    Section<Change> section =
        new Section<>(
                "lengths",
                "Images that come late, early, or not to their end",
                "Accuracy at the last step, means over seeds with 95 % intervals: k blank rows"
                    + " before or after the image, its last k rows dropped, all rows moved by k.",
                rows)
            .number("k", 0, row -> "" + row.k())
            .number("before", 0, row -> row.late().text("%.3f"))
            .number("after", 0, row -> row.held().text("%.3f"))
            .number("dropped", 0, row -> row.cut().text("%.3f"))
            .number("moved down", 0, row -> row.down().text("%.3f"))
            .number("moved up", 0, row -> row.up().text("%.3f"));
    List<Double> places = Chart.places(0, rows.size());
    Chart.Lines lines =
        new Chart.Lines(
            "lengths", "Accuracy of images with other rows", "Other rows", "k", "accuracy (%)");
    lines.line("blank before", 2, places, all(rows, row -> 100 * row.late().mean()));
    lines.line("blank after", 6, places, all(rows, row -> 100 * row.held().mean()));
    lines.line("dropped", 1, places, all(rows, row -> 100 * row.cut().mean()));
    lines.line("moved down", 3, places, all(rows, row -> 100 * row.down().mean()));
    lines.line("moved up", 4, places, all(rows, row -> 100 * row.up().mean()));
    return section.chart(lines.limits(0, 100.0));
  }
}
