// SPDX-License-Identifier: Apache-2.0
package org.merganser.analysis.topology;

import java.util.Arrays;
import java.util.stream.LongStream;

/**
 * An undirected graph without loops. An edge is there or not: given twice, or in both directions,
 * it is one.
 */
public final class Graph {
  private final int vertices;
  private final int[] from;
  private final int[] to;

  private Graph(int vertices, long[] packed) {
    this.vertices = vertices;
    this.from = Arrays.stream(packed).mapToInt(edge -> (int) (edge >>> Integer.SIZE)).toArray();
    this.to = Arrays.stream(packed).mapToInt(edge -> (int) edge).toArray();
  }

  /**
   * Of edges {@code {u, v}} between vertices 0 to {@code vertices - 1}.
   *
   * @throws IllegalArgumentException when an edge is a loop or goes beyond the vertices, by its
   *     index
   */
  public static Graph of(int vertices, int[]... edges) {
    if (vertices < 0) {
      throw new IllegalArgumentException(vertices + " vertices");
    }
    LongStream.Builder packed = LongStream.builder();
    for (int k = 0; k < edges.length; k++) {
      packed.add(packed(vertices, edges[k], k));
    }
    return new Graph(vertices, packed.build().sorted().distinct().toArray());
  }

  private static long packed(int vertices, int[] edge, int k) {
    if (edge.length != 2) {
      throw new IllegalArgumentException(
          "edge " + k + " has " + edge.length + " numbers, needed are 2 vertices");
    }
    int low = Math.min(edge[0], edge[1]);
    int high = Math.max(edge[0], edge[1]);
    if (low < 0 || high >= vertices || low == high) {
      throw new IllegalArgumentException(
          "edge "
              + k
              + " joins "
              + edge[0]
              + " and "
              + edge[1]
              + "; it must join two different ones of the vertices 0 to "
              + (vertices - 1));
    }
    return (long) low << Integer.SIZE | high;
  }

  public int vertices() {
    return vertices;
  }

  public int edges() {
    return from.length;
  }

  /** The smaller vertex of edge k; edges are sorted by it, then by the other one. */
  public int from(int k) {
    return from[k];
  }

  /** The larger vertex of edge k. */
  public int to(int k) {
    return to[k];
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof Graph that
        && vertices == that.vertices
        && Arrays.equals(from, that.from)
        && Arrays.equals(to, that.to);
  }

  @Override
  public int hashCode() {
    return 31 * (31 * vertices + Arrays.hashCode(from)) + Arrays.hashCode(to);
  }

  @Override
  public String toString() {
    return "graph of " + vertices + " vertices and " + edges() + " edges";
  }
}
