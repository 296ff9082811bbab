// SPDX-License-Identifier: Apache-2.0
package org.merganser.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.merganser.compute.DType;
import org.merganser.io.Npy;
import org.merganser.lab.report.Json;
import org.merganser.linalg.Tensor;

/** Persistent homology on the command line: {@code rips} and {@code persistence}. */
class TopologyCommandsTest {
  private static final double[] SQUARE = {0, 0, 1, 0, 1, 1, 0, 1};
  private static final double[] LOSS = {.1, .9, .3, 1.2, .2};

  @TempDir Path temp;

  private Path file(String name, Tensor tensor) throws IOException {
    Path path = temp.resolve(name);
    try (tensor) {
      Npy.write(tensor, path);
    }
    return path;
  }

  private Path longs(String name, long... pairs) throws IOException {
    Tensor tensor = Tensor.allocate(DType.I64, pairs.length / 2, 2);
    ByteBuffer buffer = tensor.buffer(0, 8 * pairs.length);
    for (long each : pairs) {
      buffer.putLong(each);
    }
    return file(name, tensor);
  }

  private Path points() throws IOException {
    return file("square.npy", Tensor.of(SQUARE, 4, 2));
  }

  private Path loss() throws IOException {
    return file("loss.npy", Tensor.of(LOSS, 5));
  }

  private Path ring() throws IOException {
    return longs("ring.npy", 0, 1, 1, 2, 2, 3, 3, 4, 4, 0, 0, 4);
  }

  @Test
  void ripsOfASquare() throws IOException {
    Path out = temp.resolve("out");
    Cli.Run run = Cli.run("rips", points(), "--out", out);
    assertThat(run.err()).isEmpty();
    assertThat(run.code()).isZero();
    assertThat(run.out())
        .isEqualTo(
            """
            degree  classes  essential        total      longest   entropy
                 0        4          1      3.00000      1.00000    1.5850
                 1        1          0     0.414214     0.414214    0.0000
            results  %s
            report   %s
            """
                .formatted(out.resolve("results.json"), out.resolve("report.html")));
    assertThat(Files.readAllLines(out.resolve("diagrams.csv")))
        .containsExactly(
            "degree,birth,death",
            "0,0.0,1.0",
            "0,0.0,1.0",
            "0,0.0,1.0",
            "0,0.0,inf",
            "1,1.0," + (double) (float) Math.sqrt(2));
    Map<?, ?> results = Json.read(out.resolve("results.json"), Map.class);
    assertThat(results.get("threshold")).isEqualTo((double) (float) Math.sqrt(2));
    assertThat(results.get("enclosingRadius")).isEqualTo(true);
    List<?> diagrams = (List<?>) results.get("diagrams");
    assertThat(diagrams).hasSize(5);
    assertThat(diagrams.get(3)).isEqualTo(Map.of("degree", 0L, "birth", 0.0));
    assertThat(out.resolve("report.html"))
        .content()
        .contains("4 points of " + points() + ", up to the distance 1.4142135, the enclosing");
    assertThat(out.resolve("barcode.svg")).content().contains("degree 1: 1 class");
    assertThat(out.resolve("diagram.svg")).content().contains("born at 0.00000, never dies");
    assertThat(Cli.run("rips", points(), "--out", out).out()).contains("results.json (replaced)\n");
  }

  @Test
  void ripsOfDistancesUpToAThreshold() throws IOException {
    Path out = temp.resolve("out");
    double far = Double.POSITIVE_INFINITY;
    Path distances = file("d.npy", Tensor.of(new double[] {0, 1, far, 1, 0, 3, far, 3, 0}, 3, 3));
    Cli.Run run =
        Cli.run("rips", distances, "--distances", "--max-dim", 2, "--threshold", 2, "--out", out);
    assertThat(run.err()).isEmpty();
    assertThat(Files.readAllLines(out.resolve("diagrams.csv")))
        .containsExactly("degree,birth,death", "0,0.0,1.0", "0,0.0,inf", "0,0.0,inf");
  }

  @Test
  void anInfiniteEnclosingRadiusIsNoBound() throws IOException {
    Path out = temp.resolve("out");
    double far = Double.POSITIVE_INFINITY;
    Path apart = file("d.npy", Tensor.of(new double[] {0, far, far, 0}, 2, 2));
    Cli.Run run = Cli.run("rips", apart, "--distances", "--out", out);
    assertThat(run.err()).isEmpty();
    assertThat(out.resolve("report.html"))
        .content()
        .contains("2 points of " + apart + ", no bound: no point has a finite distance to all");
    assertThat(Json.read(out.resolve("results.json"), Map.class).get("threshold")).isNull();
  }

  @Test
  void whatIsWrongWithPointsAndDistancesIsToldByItsKind() throws IOException {
    Path out = temp.resolve("out");
    Path flat = file("flat.npy", Tensor.of(SQUARE, 8));
    Path lopsided = file("lopsided.npy", Tensor.of(new double[] {0, 1, 2, 0}, 2, 2));
    Path nan = file("nan.npy", Tensor.of(new double[] {0, Double.NaN, Double.NaN, 0}, 2, 2));
    assertRefused(
        Cli.run("rips", flat, "--out", out),
        3,
        flat + " is F64 [8], needed an F64 or F32 matrix [points x coordinates]");
    assertRefused(
        Cli.run("rips", points(), "--distances", "--out", out),
        3,
        "distances are a 4 x 2 F64 matrix; needed is a square one, a row and a column a point");
    assertRefused(
        Cli.run("rips", lopsided, "--distances", "--out", out),
        2,
        "distances[0, 1] is 1, but distances[1, 0] is 2");
    assertRefused(Cli.run("rips", nan, "--distances", "--out", out), 4, "distances[0, 1] is NaN");
    assertRefused(
        Cli.run("rips", nan, "--out", out), 4, "points[0, 1] is NaN; coordinates are finite");
    assertRefused(
        Cli.run("rips", points(), "--max-dim", 3, "--out", out),
        2,
        "degrees up to 3; there are 0 (components), 1 (loops) and 2 (voids)");
    assertRefused(
        Cli.run("rips", points(), "--threshold", -1, "--out", out),
        2,
        "--threshold is -1.0, must be >= 0");
    assertRefused(
        Cli.run("rips", temp.resolve("none.npy"), "--out", out),
        5,
        temp.resolve("none.npy") + ": no such file");
    assertThat(out).doesNotExist();
  }

  private static void assertRefused(Cli.Run run, int code, String message) {
    assertThat(run.err()).isEqualTo("merganser: " + message + "\n");
    assertThat(run.code()).isEqualTo(code);
  }

  @Test
  void persistenceOfLossesOnARing() throws IOException {
    Path out = temp.resolve("out");
    Cli.Run run =
        Cli.run("persistence", loss(), "--edges", ring(), "--essential", "last", "--out", out);
    assertThat(run.err()).isEmpty();
    assertThat(run.out()).startsWith("graph of 5 vertices and 5 edges\n");
    assertThat(Files.readAllLines(out.resolve("diagrams.csv")))
        .containsExactly("degree,birth,death", "0,0.1,1.2", "0,0.3,0.9", "1,1.2,1.2");
    run = Cli.run("persistence", loss(), "--edges", ring(), "--superlevel", "--out", out);
    assertThat(run.code()).isZero();
    assertThat(Files.readAllLines(out.resolve("diagrams.csv")))
        .containsExactly("degree,birth,death", "0,0.9,0.3", "0,1.2,-inf", "1,0.1,-inf");
  }

  @Test
  void persistenceOfLossesOnTheGraphOfNeighbours() throws IOException {
    Path out = temp.resolve("out");
    double[] line = new double[25];
    for (int i = 0; i < 5; i++) {
      for (int j = 0; j < 5; j++) {
        line[5 * i + j] = Math.abs(i - j);
      }
    }
    Path matrix = file("line.npy", Tensor.of(line, 5, 5));
    Cli.Run run = Cli.run("persistence", loss(), "--neighbours-of", matrix, "--k", 1, "--out", out);
    assertThat(run.err()).isEmpty();
    assertThat(run.out())
        .startsWith(
            "graph of 5 vertices and 4 edges\n"
                + "warning: of 3 of 5 vertices the last neighbour is as near as one that was left"
                + " out: the graph, and all that follows, depends on their order; another --k,"
                + " --rule or --by, or PHATE of a larger knn, may tell them apart\n");
    assertThat(Json.read(out.resolve("results.json"), Map.class).get("tied")).isEqualTo(3L);
    assertThat(Files.readAllLines(out.resolve("diagrams.csv")))
        .containsExactly("degree,birth,death", "0,0.1,inf", "0,0.2,1.2", "0,0.3,0.9");
    run =
        Cli.run(
            "persistence",
            loss(),
            "--neighbours-of",
            matrix,
            "--k",
            2,
            "--rule",
            "compat_farthest",
            "--loops",
            "filled",
            "--out",
            out);
    assertThat(run.err()).isEmpty();
    Map<?, ?> results = Json.read(out.resolve("results.json"), Map.class);
    assertThat(results.get("rule")).isEqualTo("compat_farthest");
    assertThat(results.get("loops")).isEqualTo("filled");
    // From the middle of the line both ends are as far: they are both chosen.
    assertThat(results.get("tied")).isEqualTo(0L);
    assertThat(run.out()).doesNotContain("warning");
    assertRefused(
        Cli.run("persistence", loss(), "--neighbours-of", matrix, "--out", out),
        2,
        "k is 20: each of 5 samples has 1 to 4 neighbours");
  }

  @Test
  void whatIsWrongWithValuesAndEdgesIsTold() throws IOException {
    Path out = temp.resolve("out");
    Path short3 = file("three.npy", Tensor.of(new double[] {1, 2, 3}, 3));
    Path beyond = longs("beyond.npy", 0, 1, 1, 5_000_000_000L);
    assertRefused(
        Cli.run("persistence", short3, "--edges", ring(), "--out", out),
        2,
        "edge 2 joins 2 and 3; it must join two different ones of the vertices 0 to 2");
    assertThat(Cli.run("persistence", loss(), "--edges", beyond, "--out", out).code()).isEqualTo(2);
    assertRefused(
        Cli.run("persistence", loss(), "--edges", loss(), "--out", out),
        3,
        temp.resolve("loss.npy")
            + " is F64 [5], needed an I64 or I32 matrix [edges x 2], two vertices a row");
    assertRefused(
        Cli.run("persistence", ring(), "--edges", ring(), "--out", out),
        3,
        temp.resolve("ring.npy")
            + " is I64 [6, 2], needed an F64 or F32 vector, a value for each vertex");
    assertRefused(
        Cli.run("persistence", loss(), "--edges", ring(), "--k", 3, "--out", out),
        2,
        "--k chooses neighbours; --edges has the graph already; drop one of them");
    assertThat(Cli.run("persistence", loss(), "--out", out).code()).isEqualTo(2);
    assertThat(out).doesNotExist();
  }
}
