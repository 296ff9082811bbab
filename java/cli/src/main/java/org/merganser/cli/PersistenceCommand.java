// SPDX-License-Identifier: Apache-2.0
package org.merganser.cli;

import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.merganser.analysis.topology.Diagram;
import org.merganser.analysis.topology.Graph;
import org.merganser.analysis.topology.LowerStar;
import org.merganser.analysis.topology.LowerStar.Direction;
import org.merganser.analysis.topology.LowerStar.Essential;
import org.merganser.analysis.topology.LowerStar.Loops;
import org.merganser.analysis.topology.NeighbourGraph;
import org.merganser.analysis.topology.NeighbourGraph.Rule;
import org.merganser.compute.Workspace;
import org.merganser.linalg.Matrix;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Persistent homology of values on a graph. */
@Command(
    name = "persistence",
    description = {
      "Valleys and loops of a function on a graph: persistent homology of the sublevel sets of"
          + " values, such as the losses of samples of a landscape, on the graph of their nearest"
          + " neighbours or on given edges."
    },
    footer = {
      "",
      "Example:",
      "  merganser persistence loss.npy --neighbours-of potential.npy --k 20 --out persistence",
      "  merganser persistence loss.npy --edges edges.npy --superlevel --out persistence"
    })
final class PersistenceCommand extends Computation {
  private static final int NEIGHBOURS = 20;

  /** What of a matrix says how near two vertices are. */
  enum By {
    ENTRIES,
    ROWS
  }

  @Parameters(
      index = "0",
      paramLabel = "VALUES",
      description = "A .npy file with a value for each vertex, F64 or F32.")
  Path file;

  @ArgGroup(multiplicity = "1")
  Edges edges;

  /** Where the graph comes from. */
  static final class Edges {
    @Option(
        names = "--edges",
        paramLabel = "FILE",
        description = "A .npy file of integers, two vertices a row.")
    Path given;

    @Option(
        names = "--neighbours-of",
        paramLabel = "FILE",
        description =
            "A .npy matrix [vertices x vertices], distances or the potential of PHATE: each vertex"
                + " is joined to --k others, by its row (see --by).")
    Path matrix;
  }

  @Option(
      names = "--k",
      paramLabel = "N",
      description = "Neighbours of each vertex (default: " + NEIGHBOURS + ").")
  Integer neighbours;

  @Option(
      names = "--rule",
      paramLabel = "RULE",
      description =
          "Which neighbours: nearest, or compat_farthest, the largest entries, as the public code"
              + " of Horoi et al. takes them (default: nearest).")
  Rule rule;

  @Option(
      names = "--by",
      paramLabel = "WHAT",
      description =
          "What neighbours are near by: entries, the smallest of the row, or rows, whose distances"
              + " to the row of the vertex are least (default: entries).")
  By by;

  @Option(names = "--superlevel", description = "Superlevel sets instead: from high to low values.")
  boolean superlevel;

  @Option(
      names = "--essential",
      paramLabel = "WHERE",
      description =
          "Where what never dies ends: infinite, or last, the last value (default: infinite).")
  Essential essential = Essential.INFINITE;

  @Option(
      names = "--loops",
      paramLabel = "HOW",
      description =
          "Open: loops stay, and only the values where they close tell anything; filled: triangles"
              + " of the graph are filled (default: open).")
  Loops loops = Loops.OPEN;

  @Option(
      names = "--out",
      paramLabel = "DIR",
      required = true,
      description =
          "The folder for results.json, diagrams.csv, report.html and its pictures (.svg).")
  Path out;

  @Override
  void run(PrintWriter print) throws IOException {
    if (edges.given != null && (neighbours != null || rule != null || by != null)) {
      throw new IllegalArgumentException(
          (neighbours != null ? "--k" : rule != null ? "--rule" : "--by")
              + " chooses neighbours; --edges has the graph already; drop one of them");
    }
    Compared.requireFolder(out);
    double[] values = ArrayFiles.values(file);
    long start = System.nanoTime();
    NeighbourGraph.Choice choice = graph(values.length);
    Graph graph = choice.graph();
    LowerStar.Options options =
        new LowerStar.Options(
            superlevel ? Direction.SUPERLEVEL : Direction.SUBLEVEL, essential, loops);
    // Most vertices lie on a slope: they are points on the diagonal.
    List<Diagram> all = LowerStar.of(graph, values, options);
    boolean open = loops == Loops.OPEN;
    List<Diagram> diagrams =
        List.of(all.get(0).longerThan(0), open ? all.get(1) : all.get(1).longerThan(0));
    double seconds = (System.nanoTime() - start) / 1e9;
    progress.close();
    Map<String, Object> facts = new LinkedHashMap<>();
    facts.put("file", file.toString());
    facts.put("graph", (edges.given != null ? edges.given : edges.matrix).toString());
    if (edges.given == null) {
      facts.put("k", k());
      facts.put("rule", Compared.lower(rule()));
      facts.put("by", Compared.lower(by()));
      facts.put("tied", choice.tied());
    }
    facts.put("vertices", graph.vertices());
    facts.put("edges", graph.edges());
    facts.put("superlevel", superlevel);
    facts.put("essential", Compared.lower(essential));
    facts.put("loops", Compared.lower(loops));
    String text =
        "%s sets of %s on a %s.".formatted(superlevel ? "Superlevel" : "Sublevel", file, graph);
    print.println(graph);
    if (choice.tied() > 0) {
      print.println("warning: " + warning(choice));
    }
    new PersistenceReport("Persistence of a function", text, facts, diagrams, seconds)
        .give(out, print);
  }

  private String warning(NeighbourGraph.Choice choice) {
    return ("of %d of %d vertices the last neighbour is as near as one that was left out: the graph,"
            + " and all that follows, depends on their order; another --k, --rule or --by, or PHATE"
            + " of a larger knn, may tell them apart")
        .formatted(choice.tied(), choice.graph().vertices());
  }

  private int k() {
    return neighbours == null ? NEIGHBOURS : neighbours;
  }

  private Rule rule() {
    return rule == null ? Rule.NEAREST : rule;
  }

  private By by() {
    return by == null ? By.ENTRIES : by;
  }

  private NeighbourGraph.Choice graph(int vertices) throws IOException {
    if (edges.given != null) {
      return new NeighbourGraph.Choice(Graph.of(vertices, ArrayFiles.edges(edges.given)), 0);
    }
    try (Matrix matrix = ArrayFiles.matrix(edges.matrix, "[vertices x vertices]")) {
      if (by() == By.ENTRIES) {
        return NeighbourGraph.choose(matrix, k(), rule());
      }
      try (Workspace ws = open(0)) {
        return NeighbourGraph.chooseByRows(matrix, k(), rule(), ws);
      }
    }
  }
}
