// SPDX-License-Identifier: Apache-2.0
package org.merganser.analysis.topology;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.List;
import org.merganser.analysis.topology.Diagram.Point;

/**
 * Degree 1 of a lower-star filtration whose triangles are filled: columns of the boundary matrix,
 * which have the edges of a triangle, are reduced in the order of the triangles. Edges that join
 * components are no pivots of any column, so their rows are left out.
 */
final class FilledLoops {
  private FilledLoops() {}

  /** Edges by their place in the filtration, closing a loop or not. */
  static List<Point> of(
      Graph graph, double[] f, int[] edges, double[] edgeValues, boolean[] closes, double last) {
    List<int[]> triangles = triangles(graph, edges);
    int[][] column = new int[edges.length][];
    List<Point> points = new ArrayList<>();
    for (int t : LowerStar.sorted(triangles.size(), t -> value(triangles.get(t), edgeValues))) {
      int[] places = triangles.get(t);
      int[] sum = Arrays.stream(places).filter(place -> closes[place]).sorted().toArray();
      while (sum.length > 0 && column[sum[sum.length - 1]] != null) {
        sum = sum(sum, column[sum[sum.length - 1]]);
      }
      if (sum.length > 0) {
        int pivot = sum[sum.length - 1];
        column[pivot] = sum;
        points.add(new Point(edgeValues[pivot], value(places, edgeValues)));
      }
    }
    for (int place = 0; place < edges.length; place++) {
      if (closes[place] && column[place] == null) {
        points.add(new Point(edgeValues[place], last));
      }
    }
    return points;
  }

  private static double value(int[] places, double[] edgeValues) {
    return Math.max(edgeValues[places[0]], Math.max(edgeValues[places[1]], edgeValues[places[2]]));
  }

  /** The places of the three edges of each triangle. */
  private static List<int[]> triangles(Graph graph, int[] edges) {
    int[] placeOf = new int[edges.length];
    for (int place = 0; place < edges.length; place++) {
      placeOf[edges[place]] = place;
    }
    // Edges are sorted by their smaller vertex: those of v lie from first[v] to first[v + 1].
    int[] first = new int[graph.vertices() + 1];
    for (int k = 0; k < graph.edges(); k++) {
      first[graph.from(k) + 1]++;
    }
    Arrays.parallelPrefix(first, Integer::sum);
    List<int[]> triangles = new ArrayList<>();
    int[] edgeTo = new int[graph.vertices()];
    BitSet above = new BitSet();
    for (int u = 0; u < graph.vertices(); u++) {
      above.clear();
      for (int k = first[u]; k < first[u + 1]; k++) {
        above.set(graph.to(k));
        edgeTo[graph.to(k)] = k;
      }
      for (int k = first[u]; k < first[u + 1]; k++) {
        int v = graph.to(k);
        for (int l = first[v]; l < first[v + 1]; l++) {
          if (above.get(graph.to(l))) {
            triangles.add(new int[] {placeOf[k], placeOf[edgeTo[graph.to(l)]], placeOf[l]});
          }
        }
      }
    }
    return triangles;
  }

  /** What is in one of two ascending lists. */
  private static int[] sum(int[] a, int[] b) {
    int[] result = new int[a.length + b.length];
    int count = 0;
    int i = 0;
    int j = 0;
    while (i < a.length || j < b.length) {
      if (j == b.length || i < a.length && a[i] < b[j]) {
        result[count++] = a[i++];
      } else if (i == a.length || b[j] < a[i]) {
        result[count++] = b[j++];
      } else {
        i++;
        j++;
      }
    }
    return Arrays.copyOf(result, count);
  }
}
