// SPDX-License-Identifier: Apache-2.0
package org.merganser.analysis.topology;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import java.util.function.ToDoubleFunction;

/**
 * Persistence by its definition: the boundary matrix of all simplices, reduced column by column.
 */
final class BoundaryMatrix {
  private BoundaryMatrix() {}

  private record Cell(List<Integer> vertices, double value) {}

  /**
   * @param simplices with all their faces, vertices ascending
   * @param value of each, at least that of its faces
   * @param zeros whether points on the diagonal are kept
   */
  static List<Diagram> persistence(
      List<List<Integer>> simplices,
      ToDoubleFunction<List<Integer>> value,
      int degrees,
      boolean zeros) {
    List<Cell> cells =
        simplices.stream()
            .map(vertices -> new Cell(vertices, value.applyAsDouble(vertices)))
            .sorted(
                Comparator.comparingDouble(Cell::value)
                    .thenComparingInt(cell -> cell.vertices().size()))
            .toList();
    Map<List<Integer>, Integer> place = new HashMap<>();
    for (int k = 0; k < cells.size(); k++) {
      place.put(cells.get(k).vertices(), k);
    }
    Map<Integer, TreeSet<Integer>> byPivot = new HashMap<>();
    List<List<Diagram.Point>> points = new ArrayList<>();
    boolean[] closes = new boolean[cells.size()];
    for (int d = 0; d <= degrees; d++) {
      points.add(new ArrayList<>());
    }
    for (int k = 0; k < cells.size(); k++) {
      TreeSet<Integer> column = new TreeSet<>();
      List<Integer> vertices = cells.get(k).vertices();
      for (int out = 0; out < vertices.size() && vertices.size() > 1; out++) {
        List<Integer> facet = new ArrayList<>(vertices);
        facet.remove(out);
        column.add(place.get(facet));
      }
      while (!column.isEmpty() && byPivot.containsKey(column.last())) {
        for (int each : byPivot.get(column.last())) {
          if (!column.remove(each)) {
            column.add(each);
          }
        }
      }
      closes[k] = column.isEmpty();
      if (!column.isEmpty()) {
        Cell born = cells.get(column.last());
        byPivot.put(column.last(), column);
        if (zeros || cells.get(k).value() > born.value()) {
          points
              .get(born.vertices().size() - 1)
              .add(new Diagram.Point(born.value(), cells.get(k).value()));
        }
      }
    }
    for (int k = 0; k < cells.size(); k++) {
      int degree = cells.get(k).vertices().size() - 1;
      if (closes[k] && degree <= degrees && !byPivot.containsKey(k)) {
        points.get(degree).add(new Diagram.Point(cells.get(k).value(), Double.POSITIVE_INFINITY));
      }
    }
    List<Diagram> diagrams = new ArrayList<>();
    points.forEach(each -> diagrams.add(new Diagram(diagrams.size(), each)));
    return diagrams;
  }

  /** All sets of 1 to {@code most} vertices whose pairs pass. */
  static List<List<Integer>> cliques(
      int n, int most, java.util.function.BiPredicate<Integer, Integer> edge) {
    List<List<Integer>> all = new ArrayList<>();
    List<List<Integer>> last = new ArrayList<>();
    for (int v = 0; v < n; v++) {
      last.add(List.of(v));
    }
    for (int size = 1; size <= most; size++) {
      all.addAll(last);
      List<List<Integer>> next = new ArrayList<>();
      for (List<Integer> clique : last) {
        for (int v = clique.get(clique.size() - 1) + 1; v < n; v++) {
          int added = v;
          if (clique.stream().allMatch(w -> edge.test(w, added))) {
            List<Integer> larger = new ArrayList<>(clique);
            larger.add(v);
            next.add(larger);
          }
        }
      }
      last = next;
    }
    return all;
  }
}
