// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.merganser.analysis.topology.Diagram;
import org.merganser.analysis.topology.DiagramMetrics;
import org.merganser.compute.Workspace;
import org.merganser.lab.report.Section;

/** Tables of persistence of {@link LandscapeExperiment}, and of distances of diagrams. */
record LandscapeDiagrams(LandscapeFound found, Workspace ws) {

  /**
   * Persistence.
   *
   * @param sd of the total over seeds
   * @param relative total by the range of the loss
   * @param points off the diagonal
   * @param tied samples whose last neighbour is as good as one that is left out
   * @param loops sum over loops of the highest loss less that where they close, by its range
   */
  private record Persistence(
      String samples,
      String minimum,
      String rule,
      String loss,
      Measured total,
      double sd,
      Measured relative,
      double relativeSd,
      Measured points,
      Measured tied,
      Measured loops,
      Measured components) {}

  /** Distances of the diagrams of a minimum from those of all. */
  private record Apart(
      String rule, boolean byRange, String minimum, Map<String, Distance> distances) {}

  /**
   * Mean and deviation over pairs of diagrams.
   *
   * @param pairs how many; none of one seed and itself
   */
  record Distance(double mean, double sd, int pairs) {
    /** Of two minima, over all pairs of seeds. */
    static Distance between(List<Diagram> a, List<Diagram> b, Workspace ws) {
      List<Double> all = new ArrayList<>();
      for (Diagram x : a) {
        b.forEach(y -> all.add(DiagramMetrics.wasserstein(x, y, 1, ws)));
      }
      return of(all);
    }

    /** Of one minimum, over pairs of different seeds. */
    static Distance within(List<Diagram> a, Workspace ws) {
      List<Double> all = new ArrayList<>();
      for (int i = 0; i < a.size(); i++) {
        for (int j = 0; j < i; j++) {
          all.add(DiagramMetrics.wasserstein(a.get(i), a.get(j), 1, ws));
        }
      }
      return of(all);
    }

    private static Distance of(List<Double> all) {
      return all.isEmpty()
          ? new Distance(0, 0, 0)
          : new Distance(Summary.mean(all), Summary.deviation(all), all.size());
    }

    String text() {
      return pairs == 0 ? "-" : Section.format("%.4f", mean);
    }
  }

  private List<Persistence> rows(LandscapeSampling samples) {
    List<Persistence> rows = new ArrayList<>();
    for (String rule : LandscapeTopology.RULES) {
      for (String loss : LandscapeTopology.LOSSES) {
        found.minima().forEach(m -> rows.add(row(m, samples, rule, loss)));
      }
    }
    return rows;
  }

  /** Of the samples of the paper. */
  Section<?> persistence() {
    return new Section<>(
            "persistence",
            "Persistence of the loss",
            "Sublevel sets of the loss on the graph of samples: total persistence of degree 0 (what"
                + " never dies left out), the same by the range of the loss, points off the"
                + " diagonal, and loops (degree 1, not filled: sum of the highest loss less that"
                + " where they close, by the range). Tied: samples whose last neighbour is as good"
                + " as one that is left out; where there are any, the graph and its totals depend on"
                + " the order of the samples. Potentials of samples that no walk connects are all"
                + " the same. Means over seeds with 95 % intervals, and deviations over seeds.",
            rows(LandscapeSampling.RETRAINED))
        .text("graph", 8, Persistence::rule)
        .text("loss", 5, Persistence::loss)
        .text("minimum", 10, Persistence::minimum)
        .number("total", 1, row -> row.total().text("%.4f"))
        .number("sd", 0, "%.4f", Persistence::sd)
        .number("by range", 1, row -> row.relative().text("%.4f"))
        .number("sd ", 0, "%.4f", Persistence::relativeSd)
        .number("points", 0, row -> row.points().text("%.1f"))
        .number("tied", 1, row -> row.tied().text("%.1f"))
        .number("loops", 0, row -> row.loops().text("%.1f"))
        .number("components", 0, row -> row.components().text("%.1f"));
  }

  private Persistence row(LandscapeMinimum m, LandscapeSampling samples, String rule, String loss) {
    Measured total = found.measured(m, l -> l.valleys(samples, rule, loss).total());
    Measured relative = found.measured(m, l -> l.valleys(samples, rule, loss).total(true));
    return new Persistence(
        samples.id(),
        m.id(),
        rule,
        loss,
        total,
        Summary.deviation(total.pairs()),
        relative,
        Summary.deviation(relative.pairs()),
        found.measured(m, l -> l.valleys(samples, rule, loss).pairs().size()),
        found.measured(m, l -> l.valleys(samples, rule, loss).tied()),
        found.measured(
            m,
            l -> {
              Landscape.Valleys valleys = l.valleys(samples, rule, loss);
              return valleys.relative(valleys.loops());
            }),
        found.measured(m, l -> l.valleys(samples, rule, loss).components()));
  }

  /** The same of samples that are not those of the paper. */
  Section<?> others() {
    List<Persistence> rows = new ArrayList<>();
    for (LandscapeSampling samples : LandscapeSampling.values()) {
      if (samples != LandscapeSampling.RETRAINED) {
        rows.addAll(rows(samples));
      }
    }
    return new Section<>(
            "otherSamples",
            "Persistence from other samples",
            "The same from the same samples by Euclidean distances, and from samples on lines and a"
                + " plane through each minimum along the same directions, up to the same radius,"
                + " without training.",
            rows)
        .text("samples", 0, Persistence::samples)
        .text("graph", 0, Persistence::rule)
        .text("loss", 0, Persistence::loss)
        .text("minimum", 0, Persistence::minimum)
        .number("total", 0, row -> row.total().text("%.4f"))
        .number("by range", 0, row -> row.relative().text("%.4f"))
        .number("points", 0, row -> row.points().text("%.1f"))
        .number("tied", 0, row -> row.tied().text("%.1f"));
  }

  Section<?> wasserstein() {
    List<Apart> rows = new ArrayList<>();
    for (String rule : LandscapeTopology.RULES) {
      for (boolean byRange : List.of(false, true)) {
        for (LandscapeMinimum a : found.minima()) {
          Map<String, Distance> distances = new LinkedHashMap<>();
          for (LandscapeMinimum b : found.minima()) {
            List<Diagram> own = diagrams(a, rule, byRange);
            distances.put(
                b.id(),
                a == b
                    ? Distance.within(own, ws)
                    : Distance.between(own, diagrams(b, rule, byRange), ws));
          }
          rows.add(new Apart(rule, byRange, a.id(), distances));
        }
      }
    }
    Section<Apart> section =
        new Section<>(
                "wasserstein",
                "Distances of diagrams",
                "1-Wasserstein distances of the diagrams of degree 0 of the test loss, as it is or"
                    + " scaled from 0 to 1: means over all pairs of seeds, of one minimum over"
                    + " pairs of different seeds.",
                rows)
            .text("graph", 0, Apart::rule)
            .text("loss", 0, row -> row.byRange() ? "by range" : "raw")
            .text("minimum", 0, Apart::minimum);
    for (LandscapeMinimum b : found.minima()) {
      section.number(b.id(), 0, row -> row.distances().get(b.id()).text());
    }
    return section;
  }

  private List<Diagram> diagrams(LandscapeMinimum m, String rule, boolean byRange) {
    return found.of(m).stream()
        .map(l -> l.valleys(LandscapeSampling.RETRAINED, rule, "test").diagram(byRange))
        .toList();
  }
}
