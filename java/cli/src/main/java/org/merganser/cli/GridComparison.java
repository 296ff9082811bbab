// SPDX-License-Identifier: Apache-2.0
package org.merganser.cli;

import java.io.IOException;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import org.merganser.cka.CkaReliability;
import org.merganser.cka.ReliabilityReport;
import org.merganser.compute.Workspace;
import org.merganser.similarity.GridAccumulator;
import org.merganser.similarity.Plan;
import org.merganser.similarity.SimilarityGrid;
import org.merganser.similarity.SimilarityGrid.Layers;
import org.merganser.similarity.SimilarityMeasure;

/**
 * Compares each layer of one side with each of the other.
 *
 * @param wanted measures by what was asked for
 * @param memory as it was given
 */
record GridComparison(
    Map<String, SimilarityMeasure> wanted,
    SimilaritySource source,
    SimilarityGrid.Options options,
    String memory,
    Workspace ws) {
  private static final int PERMUTATIONS = 999;

  /** One pass for all measures that come of sums, and one that keeps the activations for others. */
  ComparedGrid compare(boolean reliability) throws IOException {
    Plan plan = SimilarityGrid.plan(source.source(), options, ws);
    Map<String, SimilarityGrid> grids = new LinkedHashMap<>();
    wanted.keySet().forEach(text -> grids.put(text, null));
    boolean streams = false;
    boolean holds = reliability;
    for (SimilarityMeasure measure : wanted.values()) {
      boolean streamed = SimilarityGrid.streams(measure, plan);
      streams |= streamed;
      holds |= !streamed;
    }
    if (reliability) {
      requireRoom(source.source().samples());
    }
    ReliabilityReport.Grid report = null;
    // First, since what does not fit into memory is told at once.
    if (holds) {
      try (Layers layers = source.gathered(options, ws)) {
        wanted.forEach(
            (text, measure) -> {
              if (!SimilarityGrid.streams(measure, plan)) {
                grids.put(text, SimilarityGrid.compute(measure, layers, ws));
              }
            });
        if (reliability) {
          // Positions are known now.
          Reportable.require(layers);
          requireRoom(source.source().samples() * layers.positions());
          report = CkaReliability.grid(layers, PERMUTATIONS, ws);
        }
      }
    }
    if (streams) {
      stream(grids, plan);
    }
    return new ComparedGrid(
        grids, streams ? Optional.of(plan) : Optional.empty(), Optional.ofNullable(report));
  }

  private void stream(Map<String, SimilarityGrid> grids, Plan plan) throws IOException {
    try (GridAccumulator sums = source.source().accumulator(options.withPlan(plan), ws)) {
      source.source().activations().each(sums.taps(), sums, ws);
      wanted.forEach(
          (text, measure) -> {
            if (SimilarityGrid.streams(measure, plan)) {
              grids.put(text, sums.grid(measure));
            }
          });
    }
  }

  /** Three Gram matrices for each layer of B, and those of one layer of A. */
  private void requireRoom(double n) {
    double bytes = Double.BYTES * n * n * (3.0 * source.source().layersB().size() + 8);
    if (bytes > options.budget()) {
      throw new IllegalArgumentException(
          "--reliability of %.0f %s and %d layers of B takes %.1f GiB, --memory is %s; take"
                  .formatted(
                      n,
                      n == source.source().samples() ? "samples" : "positions",
                      source.source().layersB().size(),
                      bytes / (1 << 30),
                      memory)
              + " fewer samples or layers, or give more memory");
    }
  }
}
