// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.merganser.analysis.topology.Diagram;
import org.merganser.analysis.topology.Graph;
import org.merganser.analysis.topology.LowerStar;
import org.merganser.analysis.topology.NeighbourGraph;
import org.merganser.analysis.topology.NeighbourGraph.Rule;
import org.merganser.lab.experiment.Landscape.Valleys;
import org.merganser.linalg.Matrix;
import org.merganser.linalg.Tensor;

/** Persistence of losses on the graphs of samples that a potential makes. */
final class LandscapeTopology {
  static final String NEAREST = "nearest";
  static final String FARTHEST = "farthest";
  static final List<String> RULES = List.of(NEAREST, FARTHEST);
  static final List<String> LOSSES = List.of("train", "test");

  private LandscapeTopology() {}

  /**
   * For both rules and every loss.
   *
   * @param potential [N][N]
   * @param losses of the samples by name
   */
  static List<Valleys> valleys(
      LandscapeSampling samples, double[][] potential, int k, Map<String, double[]> losses) {
    List<Valleys> all = new ArrayList<>();
    int n = potential.length;
    try (Matrix entries = Matrix.of(Tensor.of(flat(potential), n, n))) {
      for (String rule : RULES) {
        Rule which = rule.equals(NEAREST) ? Rule.NEAREST : Rule.COMPAT_FARTHEST;
        NeighbourGraph.Choice choice = NeighbourGraph.choose(entries, k, which);
        for (String loss : LOSSES) {
          all.add(valleys(samples, rule, loss, choice, losses.get(loss)));
        }
      }
    }
    return all;
  }

  private static double[] flat(double[][] rows) {
    return Arrays.stream(rows).flatMapToDouble(Arrays::stream).toArray();
  }

  static Valleys valleys(
      LandscapeSampling samples,
      String rule,
      String loss,
      NeighbourGraph.Choice choice,
      double[] values) {
    Graph graph = choice.graph();
    List<Diagram> found = LowerStar.of(graph, values, LowerStar.Options.defaults());
    Diagram components = found.get(0);
    double highest = Arrays.stream(values).max().orElseThrow();
    Diagram loops = found.get(1).capped(highest);
    boolean kept = samples == LandscapeSampling.RETRAINED;
    return new Valleys(
        samples.id(),
        rule,
        loss,
        Arrays.stream(values).min().orElseThrow(),
        highest,
        choice.tied(),
        graph.edges(),
        components.essentials(),
        components.totalPersistence(1),
        loops.totalPersistence(1),
        components.longerThan(0).points().stream()
            .filter(point -> !point.essential())
            .map(point -> List.of(point.birth(), point.death()))
            .toList(),
        kept ? loops.points().stream().map(p -> rounded(p.birth())).toList() : List.of());
  }

  /** To six digits. */
  static double rounded(double value) {
    return value == 0 || !Double.isFinite(value)
        ? value
        : new java.math.BigDecimal(value).round(new java.math.MathContext(6)).doubleValue();
  }
}
