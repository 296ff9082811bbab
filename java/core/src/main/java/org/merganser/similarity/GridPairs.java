// SPDX-License-Identifier: Apache-2.0
package org.merganser.similarity;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.merganser.compute.Workspace;
import org.merganser.error.NumericalException;
import org.merganser.linalg.Matrix;
import org.merganser.similarity.Similarity.Warning;
import org.merganser.similarity.SimilarityGrid.Cell;
import org.merganser.similarity.SimilarityGrid.Layers;

/** A grid of a measure that takes each pair of layers by itself. */
final class GridPairs {
  private final Map<String, Warning> first = new LinkedHashMap<>();
  private final Map<String, Integer> counts = new LinkedHashMap<>();

  /** Pairs that the options of the measure, or the measure, are not for. */
  private final List<IllegalArgumentException> refused = new ArrayList<>();

  private GridPairs() {}

  static SimilarityGrid of(SimilarityMeasure measure, Layers layers, Workspace ws) {
    GridPairs pairs = new GridPairs();
    List<List<Cell>> cells = new ArrayList<>();
    for (Map.Entry<String, Matrix> a : layers.a().entrySet()) {
      List<Cell> row = new ArrayList<>();
      cells.add(row);
      for (Map.Entry<String, Matrix> b : layers.b().entrySet()) {
        ws.cancellation().check();
        row.add(pairs.between(measure, a, b, ws));
      }
    }
    if (pairs.refused.size() == layers.a().size() * layers.b().size()) {
      // Not for one pair of layers only.
      throw pairs.refused.get(0);
    }
    return new SimilarityGrid(
        measure.id(),
        GridValues.estimator(measure),
        "pairs",
        List.copyOf(layers.a().keySet()),
        List.copyOf(layers.b().keySet()),
        cells,
        layers.a().values().iterator().next().rows(),
        layers.dropped(),
        0,
        layers.flatten(),
        pairs.warnings());
  }

  private Cell between(
      SimilarityMeasure measure,
      Map.Entry<String, Matrix> a,
      Map.Entry<String, Matrix> b,
      Workspace ws) {
    try {
      Similarity found = measure.between(a.getValue(), b.getValue(), ws);
      for (Warning warning : found.warnings()) {
        String where = "%s, %s: ".formatted(a.getKey(), b.getKey());
        first.putIfAbsent(warning.code(), new Warning(warning.code(), where + warning.text()));
        counts.merge(warning.code(), 1, Integer::sum);
      }
      double none = Double.NaN;
      return Cell.of(found.value(), none, none, none);
    } catch (NumericalException e) {
      return Cell.undefined(e.getMessage());
    } catch (IllegalArgumentException e) {
      refused.add(e);
      return Cell.undefined(e.getMessage());
    }
  }

  private List<Warning> warnings() {
    return first.values().stream()
        .map(
            warning -> {
              int more = counts.get(warning.code()) - 1;
              String others = more == 0 ? "" : " (and %d more cells)".formatted(more);
              return new Warning(warning.code(), warning.text() + others);
            })
        .toList();
  }
}
