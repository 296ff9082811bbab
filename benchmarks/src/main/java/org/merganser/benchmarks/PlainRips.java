// SPDX-License-Identifier: Apache-2.0
package org.merganser.benchmarks;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import org.merganser.analysis.topology.Diagram;
import org.merganser.analysis.topology.Diagram.Point;

/**
 * Vietoris-Rips persistence of degrees 0 and 1 as it is defined, as a peer: all edges and triangles
 * up to the enclosing radius are listed and sorted, components merge by the elder rule, boundaries
 * of triangles are reduced column by column. For some hundred points at most.
 */
final class PlainRips {
  private record Edge(int a, int b, float length) {}

  private final float[][] distances;
  private final List<Edge> edges;

  private PlainRips(float[][] distances, List<Edge> edges) {
    this.distances = distances;
    this.edges = edges;
  }

  /** Diagrams without points on the diagonal. */
  static List<Diagram> of(float[][] distances) {
    float radius = Float.POSITIVE_INFINITY;
    for (float[] row : distances) {
      float most = 0;
      for (float each : row) {
        most = Math.max(most, each);
      }
      radius = Math.min(radius, most);
    }
    List<Edge> edges = new ArrayList<>();
    for (int a = 0; a < distances.length; a++) {
      for (int b = 0; b < a; b++) {
        if (distances[a][b] <= radius) {
          edges.add(new Edge(a, b, distances[a][b]));
        }
      }
    }
    edges.sort(Comparator.comparingDouble(Edge::length));
    PlainRips rips = new PlainRips(distances, edges);
    return List.of(new Diagram(0, rips.components()), new Diagram(1, rips.loops()));
  }

  private List<Point> components() {
    int[] parent = new int[distances.length];
    Arrays.setAll(parent, i -> i);
    List<Point> points = new ArrayList<>();
    int left = parent.length;
    for (Edge edge : edges) {
      int a = root(parent, edge.a);
      int b = root(parent, edge.b);
      if (a != b) {
        parent[a] = b;
        left--;
        if (edge.length > 0) {
          points.add(new Point(0, edge.length));
        }
      }
    }
    for (; left > 0; left--) {
      points.add(new Point(0, Double.POSITIVE_INFINITY));
    }
    return points;
  }

  private static int root(int[] parent, int vertex) {
    int at = vertex;
    while (parent[at] != at) {
      parent[at] = parent[parent[at]];
      at = parent[at];
    }
    return at;
  }

  private List<Point> loops() {
    int n = distances.length;
    int[][] rank = new int[n][n];
    for (int[] row : rank) {
      Arrays.fill(row, -1);
    }
    List<Point> points = new ArrayList<>();
    int[][] byPivot = new int[edges.size()][];
    // Triangles come with their longest edge.
    for (int last = 0; last < edges.size(); last++) {
      Edge edge = edges.get(last);
      rank[edge.a][edge.b] = rank[edge.b][edge.a] = last;
      for (int c = 0; c < n; c++) {
        int one = rank[edge.a][c];
        int other = rank[edge.b][c];
        if (one >= 0 && other >= 0) {
          int[] column = {last, Math.max(one, other), Math.min(one, other)};
          while (column.length > 0 && byPivot[column[0]] != null) {
            column = sum(column, byPivot[column[0]]);
          }
          if (column.length > 0) {
            byPivot[column[0]] = column;
            float birth = edges.get(column[0]).length;
            if (edge.length > birth) {
              points.add(new Point(birth, edge.length));
            }
          }
        }
      }
    }
    return points;
  }

  /** Over Z/2, both descending. */
  private static int[] sum(int[] a, int... b) {
    int[] sum = new int[a.length + b.length];
    int size = 0;
    int i = 0;
    int j = 0;
    while (i < a.length || j < b.length) {
      if (j == b.length || i < a.length && a[i] > b[j]) {
        sum[size++] = a[i++];
      } else if (i == a.length || b[j] > a[i]) {
        sum[size++] = b[j++];
      } else {
        i++;
        j++;
      }
    }
    return Arrays.copyOf(sum, size);
  }
}
