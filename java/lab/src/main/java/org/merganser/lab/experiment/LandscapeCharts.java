// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.TreeSet;
import java.util.function.ToDoubleFunction;
import java.util.stream.DoubleStream;
import java.util.stream.IntStream;
import org.merganser.lab.experiment.Landscape.Samples;
import org.merganser.lab.experiment.Landscape.Valleys;
import org.merganser.lab.report.Chart;
import org.merganser.lab.report.Panels;
import org.merganser.lab.report.Panels.Axis;
import org.merganser.lab.report.Panels.Panel;
import org.merganser.lab.report.Section;

/** Pictures of {@link LandscapeExperiment}, of the first seed where they are of one. */
record LandscapeCharts(LandscapeExperiment.Options options, LandscapeFound found) {
  private static final int COLUMNS = 3;
  private static final String TEST_LOSS = "test loss";

  /** The mean of a loss over the directions. */
  static double mean(Landscape landscape, String loss, double alpha, int epoch) {
    return Summary.mean(values(landscape.samples(), loss, alpha, epoch));
  }

  /** Of one step and epoch, direction by direction. */
  private static List<Double> values(Samples samples, String loss, double alpha, int epoch) {
    return IntStream.range(0, samples.size())
        .filter(i -> samples.alpha().get(i) == alpha && samples.epoch().get(i) == epoch)
        .mapToObj(samples.loss(loss)::get)
        .toList();
  }

  private DoubleStream firstLosses() {
    return found.minima().stream()
        .flatMapToDouble(m -> found.first(m).samples().testLoss().stream().mapToDouble(v -> v));
  }

  // Samples in the plane.

  Section<?> pictures(Section<?> section) {
    LandscapeScatter scatter = new LandscapeScatter(options, found);
    section.chart(scatter.moving());
    section.chart(scatter.byLoss(LandscapeScatter.Plane.PHATE));
    section.chart(scatter.byDirection(LandscapeScatter.Plane.PHATE));
    section.chart(scatter.byLoss(LandscapeScatter.Plane.PCA));
    return section.chart(entropy());
  }

  /** H(t) of the walks, with what was taken for its knee. */
  private Chart entropy() {
    List<Double> times =
        Chart.places(0, found.first(found.minima().get(0)).phate().entropy().size());
    DoubleStream all =
        found.minima().stream()
            .flatMap(m -> found.first(m).phate().entropy().stream())
            .mapToDouble(v -> v);
    Panels panels = new Panels(1);
    Axis y = Axis.of("entropy H(t)", all);
    Panel panel = panels.panel("Entropy of the walk, and its knee", Axis.of("t", times(times)), y);
    int colour = 0;
    for (LandscapeMinimum m : found.minima()) {
      Landscape.Walk walk = found.first(m).phate();
      String of = Panels.colour(colour++);
      panel.line(of, 1.6, times, walk.entropy());
      // The code of the paper takes the index of the knee for t.
      panel.point(of, 4, true, walk.t(), walk.entropy().get(walk.t()));
      panels.legend(m.id() + " (t = " + walk.t() + ")", of);
    }
    return panels.chart("entropy", "Entropy of the walk of PHATE by its length, and the knee");
  }

  private static DoubleStream times(List<Double> values) {
    return values.stream().mapToDouble(v -> v);
  }

  // After the jumps.

  /** A fan for each minimum: a line and a band for each step. */
  Section<?> curves(Section<?> section) {
    Panels panels = new Panels(COLUMNS);
    Axis y = Axis.log(TEST_LOSS, firstLosses());
    List<Double> epochs = Chart.places(0, options.epochs());
    for (LandscapeMinimum m : found.minima()) {
      Samples samples = found.first(m).samples();
      Panel panel = panels.panel(m.id(), Axis.of("epoch", times(epochs)), y);
      for (int s = 0; s < options.steps().size(); s++) {
        double alpha = options.steps().get(s);
        List<List<Double>> each =
            IntStream.range(0, options.epochs())
                .mapToObj(epoch -> values(samples, "test", alpha, epoch))
                .toList();
        String colour = Panels.colour(s);
        panel.band(
            colour,
            epochs,
            each.stream().map(Collections::min).toList(),
            each.stream().map(Collections::max).toList());
        panel.line(colour, 1.8, epochs, each.stream().map(Summary::mean).toList());
      }
    }
    for (int s = 0; s < options.steps().size(); s++) {
      panels.legend("step " + options.steps().get(s), Panels.colour(s));
    }
    return section.chart(
        panels.chart("fans", "Test loss by epoch after jumps of each length, by minimum"));
  }

  // Persistence.

  Section<?> diagrams(Section<?> section) {
    section.chart(totals());
    section.chart(diagrams(LandscapeTopology.NEAREST));
    return section.chart(diagrams(LandscapeTopology.FARTHEST));
  }

  /** A point for each network. */
  private Chart totals() {
    Panels panels = new Panels(2);
    for (String rule : LandscapeTopology.RULES) {
      for (boolean byRange : List.of(false, true)) {
        ToDoubleFunction<Landscape> total =
            LandscapeClaims.total(LandscapeSampling.RETRAINED, rule, "test", byRange);
        DoubleStream all =
            found.minima().stream()
                .flatMapToDouble(m -> found.each(m, total).stream().mapToDouble(v -> v));
        DoubleStream gaps =
            found.minima().stream()
                .flatMapToDouble(m -> found.each(m, Landscape::gap).stream().mapToDouble(v -> v));
        Panel panel =
            panels.panel(
                LandscapeClaims.by(rule, "test", byRange),
                Axis.log("total persistence", all),
                Axis.of("test gap", gaps));
        for (int m = 0; m < found.minima().size(); m++) {
          List<Double> x = found.each(found.minima().get(m), total);
          List<Double> y = found.each(found.minima().get(m), Landscape::gap);
          for (int seed = 0; seed < x.size(); seed++) {
            panel.point(Panels.colour(m), 4, false, x.get(seed), y.get(seed));
          }
        }
      }
    }
    for (int m = 0; m < found.minima().size(); m++) {
      panels.legend(found.minima().get(m).id(), Panels.colour(m));
    }
    return panels.chart(
        "persistence-gap", "Total persistence of every network and its test gap, by minimum");
  }

  /** Degree 0 above degree 1, a column for each minimum. */
  private Chart diagrams(String rule) {
    Panels panels = new Panels(found.minima().size());
    for (int degree = 0; degree < 2; degree++) {
      for (LandscapeMinimum m : found.minima()) {
        Valleys valleys = found.first(m).valleys(LandscapeSampling.RETRAINED, rule, "test");
        double low = valleys.lowest();
        double high = valleys.highest();
        Axis x = new Axis("birth (" + TEST_LOSS + ")", low, high, false);
        Axis y = new Axis("death", low, high, false);
        Panel panel = panels.panel(m.id() + ", degree " + degree, x, y);
        panel.line("#999999", 1, List.of(low, high), List.of(low, high));
        for (List<Double> point : degree == 0 ? components(valleys) : loops(valleys)) {
          panel.point(Panels.colour(degree == 0 ? 0 : 4), 2.5, false, point.get(0), point.get(1));
        }
      }
    }
    return panels.chart(
        "diagrams-" + rule,
        "Diagrams of degree 0 and 1 of the test loss, neighbours " + rule + ", by minimum");
  }

  /** What never dies does so at the highest loss. */
  private static List<List<Double>> components(Valleys valleys) {
    List<List<Double>> points = new ArrayList<>(valleys.pairs());
    points.add(List.of(valleys.lowest(), valleys.highest()));
    return points;
  }

  /** Loops stay, so all lie on one line; of those that are one in print, one. */
  private static List<List<Double>> loops(Valleys valleys) {
    double cell = valleys.range() / 400;
    TreeSet<Double> births = new TreeSet<>();
    for (double birth : valleys.births()) {
      births.add(cell > 0 ? Math.rint(birth / cell) * cell : birth);
    }
    return births.stream().map(birth -> List.of(birth, valleys.highest())).toList();
  }

  // Lines and planes.

  /** The rise of the loss along lines, and both kinds of pictures. */
  Section<?> surfaces() {
    record Rise(String minimum, Measured test, Measured train) {}

    List<Rise> rows = new ArrayList<>();
    for (LandscapeMinimum m : found.minima()) {
      rows.add(
          new Rise(
              m.id(),
              found.measured(m, l -> ends(l.probes().testLines()) - l.test().loss()),
              found.measured(m, l -> ends(l.probes().trainLines()) - l.train().loss())));
    }
    return new Section<>(
            "surfaces",
            "Lines and planes",
            "Losses along the directions of the jumps without training: at the ends of the lines"
                + " (step %s, both sides, all directions), less that of the minimum."
                    .formatted(options.longestStep()),
            rows)
        .text("minimum", 0, Rise::minimum)
        .number("rise of the test loss", 0, row -> row.test().text("%.3f"))
        .number("of the training loss", 0, row -> row.train().text("%.3f"))
        .chart(lines())
        .chart(planes());
  }

  private static double ends(List<List<Double>> lines) {
    return Summary.mean(
        lines.stream()
            .flatMap(line -> List.of(line.get(0), line.get(line.size() - 1)).stream())
            .toList());
  }

  private Chart lines() {
    Panels panels = new Panels(COLUMNS);
    Axis y =
        Axis.log(
            TEST_LOSS,
            found.minima().stream()
                .flatMapToDouble(
                    m ->
                        DoubleStream.of(
                            LandscapeProbes.flat(found.first(m).probes().testLines()))));
    for (LandscapeMinimum m : found.minima()) {
      Landscape.Probes probes = found.first(m).probes();
      Panel panel = panels.panel(m.id(), Axis.of("step", times(probes.steps())), y);
      for (int d = 0; d < probes.testLines().size(); d++) {
        panel.line(Panels.colour(d), 1.5, probes.steps(), probes.testLines().get(d));
      }
    }
    return panels.chart("lines", "Test loss along lines through each minimum");
  }

  private Chart planes() {
    Panels panels = new Panels(COLUMNS);
    for (LandscapeMinimum m : found.minima()) {
      Landscape.Probes probes = found.first(m).probes();
      List<Double> side = probes.side();
      double half = (side.get(1) - side.get(0)) / 2;
      double[] ends = {side.get(0) - half, side.get(side.size() - 1) + half};
      Axis loss = Axis.log("", DoubleStream.of(LandscapeProbes.flat(probes.testPlane())));
      Panel panel =
          panels.panel(
              Section.format("%s: %.3g to %.3g", m.id(), loss.low(), loss.high()),
              Axis.of("direction 1", DoubleStream.of(ends)),
              Axis.of("direction 2", DoubleStream.of(ends)));
      for (int i = 0; i < side.size(); i++) {
        for (int j = 0; j < side.size(); j++) {
          panel.cell(
              Panels.shade(loss.share(probes.testPlane().get(i).get(j))),
              side.get(i) - half,
              side.get(i) + half,
              side.get(j) - half,
              side.get(j) + half);
        }
      }
    }
    return panels.chart(
        "planes", "Test loss on a plane through each minimum, from dark to bright, logarithmic");
  }
}
