// SPDX-License-Identifier: Apache-2.0
package org.merganser.analysis.topology;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.function.IntToDoubleFunction;
import java.util.stream.IntStream;
import org.merganser.analysis.topology.Diagram.Point;
import org.merganser.error.NumericalException;
import org.merganser.error.ShapeException;

/**
 * Persistence of a function on the vertices of a graph: components and loops of its sublevel sets.
 * An edge is there from the larger value of its two ends on, as in Horoi et al. (2021), where the
 * function is the loss and the graph joins near minima.
 *
 * <p>Degree 0 by the elder rule: edges are added by value, equal ones in the order of the graph;
 * where two components meet, the one whose lowest vertex is higher (of equal ones, that of larger
 * index) dies. So every vertex is a point, and those that an edge of their own value joins lie on
 * the diagonal: {@link Diagram#longerThan} drops them. Degree 1: each other edge closes a loop.
 */
public final class LowerStar {
  private LowerStar() {}

  /** Which sets grow. */
  public enum Direction {
    /** Of values up to a bound that goes up. */
    SUBLEVEL,
    /** Of values from a bound on that goes down: births are above deaths. */
    SUPERLEVEL
  }

  /** Where what never dies ends. */
  public enum Essential {
    INFINITE,
    /** At the last value of the filtration, the largest of an edge or vertex. */
    LAST
  }

  /** What becomes of loops. */
  public enum Loops {
    /**
     * Loops stay: their number is edges - vertices + components, whatever the function, and only
     * the values where they close tell anything.
     */
    OPEN,
    /** Triangles of the graph are filled from the largest value of their three vertices on. */
    FILLED
  }

  /** How it is done. */
  public record Options(Direction direction, Essential essential, Loops loops) {
    /** Sublevel sets, essential points at infinity, loops left open. */
    public static Options defaults() {
      return new Options(Direction.SUBLEVEL, Essential.INFINITE, Loops.OPEN);
    }

    public Options withDirection(Direction value) {
      return new Options(value, essential, loops);
    }

    public Options withEssential(Essential value) {
      return new Options(direction, value, loops);
    }

    public Options withLoops(Loops value) {
      return new Options(direction, essential, value);
    }
  }

  /**
   * The diagrams of degree 0 and 1.
   *
   * @param values one for each vertex
   * @throws NumericalException when a value is not finite, by its index
   */
  public static List<Diagram> of(Graph graph, double[] values, Options options) {
    if (values.length != graph.vertices()) {
      throw new ShapeException(values.length + " values for a " + graph);
    }
    double sign = options.direction() == Direction.SUBLEVEL ? 1 : -1;
    double[] f = new double[values.length];
    for (int v = 0; v < f.length; v++) {
      if (!Double.isFinite(values[v])) {
        throw new NumericalException("the value of vertex " + v + " is " + values[v]);
      }
      f[v] = sign * values[v];
    }
    double last =
        options.essential() == Essential.INFINITE
            ? Double.POSITIVE_INFINITY
            : Arrays.stream(f).max().orElse(0);
    int[] edges = sorted(graph.edges(), k -> Math.max(f[graph.from(k)], f[graph.to(k)]));
    double[] edgeValues = new double[edges.length];
    for (int place = 0; place < edges.length; place++) {
      edgeValues[place] = Math.max(f[graph.from(edges[place])], f[graph.to(edges[place])]);
    }

    List<Point> components = new ArrayList<>();
    boolean[] closes = new boolean[edges.length];
    components(graph, f, edges, edgeValues, last, components, closes);
    List<Point> loops =
        options.loops() == Loops.OPEN
            ? open(edgeValues, closes, last)
            : FilledLoops.of(graph, f, edges, edgeValues, closes, last);
    return List.of(diagram(0, components, sign), diagram(1, loops, sign));
  }

  private static Diagram diagram(int degree, List<Point> points, double sign) {
    return new Diagram(
        degree, points.stream().map(p -> new Point(sign * p.birth(), sign * p.death())).toList());
  }

  /** Indices 0 to count - 1 by their values, equal ones in order. */
  static int[] sorted(int count, IntToDoubleFunction value) {
    return IntStream.range(0, count)
        .boxed()
        .sorted(Comparator.comparingDouble(value::applyAsDouble))
        .mapToInt(Integer::intValue)
        .toArray();
  }

  private static void components(
      Graph graph,
      double[] f,
      int[] edges,
      double[] edgeValues,
      double last,
      List<Point> points,
      boolean[] closes) {
    int[] byValue = sorted(f.length, v -> f[v]);
    int[] rank = new int[f.length];
    for (int place = 0; place < byValue.length; place++) {
      rank[byValue[place]] = place;
    }
    // The root of a component is its lowest vertex.
    int[] parent = IntStream.range(0, f.length).toArray();
    for (int place = 0; place < edges.length; place++) {
      int a = root(parent, graph.from(edges[place]));
      int b = root(parent, graph.to(edges[place]));
      closes[place] = a == b;
      if (a != b) {
        int elder = rank[a] < rank[b] ? a : b;
        int younger = elder == a ? b : a;
        parent[younger] = elder;
        points.add(new Point(f[younger], edgeValues[place]));
      }
    }
    for (int v = 0; v < f.length; v++) {
      if (parent[v] == v) {
        points.add(new Point(f[v], last));
      }
    }
  }

  private static int root(int[] parent, int v) {
    while (parent[v] != v) {
      parent[v] = parent[parent[v]];
      v = parent[v];
    }
    return v;
  }

  private static List<Point> open(double[] edgeValues, boolean[] closes, double last) {
    return IntStream.range(0, closes.length)
        .filter(place -> closes[place])
        .mapToObj(place -> new Point(edgeValues[place], last))
        .toList();
  }
}
