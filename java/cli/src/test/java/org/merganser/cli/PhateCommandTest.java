// SPDX-License-Identifier: Apache-2.0
package org.merganser.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.awt.image.BufferedImage;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.merganser.io.Npy;
import org.merganser.linalg.Tensor;

/** Points on a curve, their picture, and what is refused. */
class PhateCommandTest {
  @TempDir Path folder;

  private Path points(int n) throws IOException {
    double[] values = new double[3 * n];
    for (int i = 0; i < n; i++) {
      values[3 * i] = Math.cos(0.05 * i);
      values[3 * i + 1] = Math.sin(0.05 * i);
      values[3 * i + 2] = 0.01 * i;
    }
    return write("points.npy", values, n, 3);
  }

  private Path write(String name, double[] values, long... shape) throws IOException {
    Path file = folder.resolve(name);
    try (Tensor tensor = Tensor.of(values, shape)) {
      Npy.write(tensor, file);
    }
    return file;
  }

  @Test
  void embedsPointsAndColoursThem() throws IOException {
    Path out = folder.resolve("out");
    double[] colour = new double[40];
    for (int i = 0; i < 40; i++) {
      colour[i] = i;
    }
    Path values = write("colour.npy", colour, 40);
    Cli.Run run =
        Cli.run(
            "phate",
            points(40).toString(),
            "--settings",
            "t=5",
            "--colour",
            values.toString(),
            "--out",
            out.toString());
    assertThat(run.code()).as(run.err()).isZero();
    assertThat(run.out()).contains("40 points").contains("after 5 steps");
    try (Tensor embedded = Npy.read(out.resolve("embedding.npy"))) {
      assertThat(embedded.shape()).containsExactly(40, 2);
    }
    assertThat(Files.readString(out.resolve("embedding.svg"))).contains("<circle", "39: 39.0");
    assertThat(out.resolve("report.html")).exists();
    assertThat(Files.readString(out.resolve("results.json")))
        .contains("\"t\" : 5")
        .contains("\"distances\" : false")
        .contains("\"pointMetric\" : \"cosine_centred\"");
    Path potential = out.resolve("potential.npy");
    try (Tensor read = Npy.read(potential)) {
      assertThat(read.shape()).containsExactly(40, 40);
    }
    Cli.Run next =
        Cli.run(
            "persistence", values, "--neighbours-of", potential, "--k", 4, "--out", out + "-loss");
    assertThat(next.code()).as(next.err()).isZero();
    Cli.Run byRows =
        Cli.run(
            "persistence",
            values,
            "--neighbours-of",
            potential,
            "--by",
            "rows",
            "--out",
            out + "-rows");
    assertThat(byRows.code()).as(byRows.err()).isZero();
    assertThat(Files.readString(Path.of(out + "-rows").resolve("results.json")))
        .contains("\"by\" : \"rows\"");
  }

  /** Why t is what it is; where it was given there is nothing to show. */
  @Test
  void theKneeOfTheEntropyIsShown() throws IOException {
    Path out = folder.resolve("out");
    Cli.Run run = Cli.run("phate", points(40), "--out", out.toString());
    assertThat(run.code()).as(run.err()).isZero();
    BufferedImage picture = ImageIO.read(out.resolve("entropy.png").toFile());
    assertThat(picture.getWidth()).isGreaterThan(400);
    Matcher t =
        Pattern.compile("\"t\" : ([1-9]\\d*)")
            .matcher(Files.readString(out.resolve("results.json")));
    assertThat(t.find()).isTrue();
    assertThat(Files.readString(out.resolve("report.html")))
        .contains("best where they meet at " + t.group(1) + ", which is t");
    Path given = folder.resolve("given");
    assertThat(Cli.run("phate", points(40), "--settings", "t=5", "--out", given).code()).isZero();
    assertThat(given.resolve("entropy.png")).doesNotExist();
    assertThat(Files.readString(given.resolve("report.html"))).doesNotContain("which is t");
  }

  /**
   * Where small entries are no longer the likely ones, persistence would read them the wrong way.
   */
  @Test
  void potentialsThatGrowWithWhatIsLikelyAreSaid() throws IOException {
    Path roots = folder.resolve("roots");
    Cli.Run run = Cli.run("phate", points(40), "--settings", "t=5,gamma=0", "--out", roots);
    assertThat(run.code()).as(run.err()).isZero();
    assertThat(run.out()).contains("warning: of gamma 0.0 large potentials are likely transitions");
    assertThat(Files.readString(roots.resolve("results.json"))).contains("large potentials are");
    Path usual = folder.resolve("usual");
    assertThat(Cli.run("phate", points(40), "--settings", "t=5", "--out", usual).out())
        .doesNotContain("warning");
    Path few = folder.resolve("few");
    assertThat(
            Cli.run("phate", points(40), "--settings", "t=5,gamma=0,landmarks=20", "--out", few)
                .out())
        .doesNotContain("large potentials");
  }

  /** Distances that are given are those of the points: the same picture. */
  @Test
  void distancesAreTakenAsTheyAre() throws IOException {
    Path points = points(40);
    double[] apart = new double[40 * 40];
    try (Tensor x = Npy.read(points)) {
      for (int i = 0; i < 40; i++) {
        for (int j = 0; j < 40; j++) {
          double square = 0;
          for (int k = 0; k < 3; k++) {
            square += Math.pow(x.get(3 * i + k) - x.get(3 * j + k), 2);
          }
          apart[40 * i + j] = Math.sqrt(square);
        }
      }
    }
    Path given = folder.resolve("given");
    Path file = write("apart.npy", apart, 40, 40);
    Cli.Run run = Cli.run("phate", file, "--distances", "--settings", "t=5", "--out", given);
    assertThat(run.code()).as(run.err()).isZero();
    assertThat(Files.readString(given.resolve("results.json")))
        .contains("\"distances\" : true")
        .doesNotContain("pointMetric");
    double[] wanted = potential(points, "euclidean");
    try (Tensor found = Npy.read(given.resolve("potential.npy"))) {
      for (int i = 0; i < 40 * 40; i++) {
        assertThat(found.get(i)).isCloseTo(wanted[i], within(1e-5));
      }
    }
  }

  /** Of points along one ray there is one cosine, of Euclidean distances many. */
  @Test
  void metricsMeasureOtherThings() throws IOException {
    double[] twice = new double[2 * 40 * 3];
    try (Tensor x = Npy.read(points(40))) {
      for (int i = 0; i < twice.length; i++) {
        int point = i / 3 % 40;
        twice[i] = (i / 3 < 40 ? 1 : 8) * (x.get(3 * point + i % 3) + (i % 3 == 2 ? 1 : 0));
      }
    }
    Path points = write("twice.npy", twice, 80, 3);
    double[] cosine = potential(points, "cosine");
    double[] euclidean = potential(points, "euclidean");
    for (int i = 0; i < 40; i++) {
      // To the point eight times as far out, on the same ray, and to the next but one.
      int same = 80 * i + i + 40;
      int next = 80 * i + (i < 20 ? i + 2 : i - 2);
      assertThat(cosine[same]).isLessThan(cosine[next]);
      assertThat(euclidean[same]).isGreaterThan(euclidean[next]);
    }
  }

  private double[] potential(Path points, String metric) throws IOException {
    Path out = folder.resolve(metric);
    Cli.Run run = Cli.run("phate", points, "--metric", metric, "--settings", "t=5", "--out", out);
    assertThat(run.code()).as(run.err()).isZero();
    assertThat(Files.readString(out.resolve("results.json")))
        .contains("\"pointMetric\" : \"" + metric + "\"");
    try (Tensor read = Npy.read(out.resolve("potential.npy"))) {
      int n = Math.toIntExact(read.shape()[0]);
      double[] values = new double[n * n];
      for (int i = 0; i < values.length; i++) {
        values[i] = read.get(i);
      }
      return values;
    }
  }

  @Test
  void ofLandmarksThereIsNoPotential() throws IOException {
    Path out = folder.resolve("out");
    Cli.Run run =
        Cli.run("phate", points(40), "--settings", "t=5,landmarks=20", "--out", out.toString());
    assertThat(run.code()).as(run.err()).isZero();
    assertThat(run.out()).contains("potential none: it is of 20 landmarks only");
    assertThat(out.resolve("potential.npy")).doesNotExist();
  }

  @Test
  void refusesWhatIsNone() throws IOException {
    String out = folder.resolve("out").toString();
    Cli.Run few = Cli.run("phate", points(6).toString(), "--out", out);
    assertThat(few.code()).isEqualTo(2);
    assertThat(few.err()).contains("6 points have not 5 neighbours each and one beyond");
    Cli.Run both =
        Cli.run("phate", points(40).toString(), "--distances", "--metric", "cosine", "--out", out);
    assertThat(both.code()).isEqualTo(2);
    assertThat(both.err()).contains("--metric measures points");
    Cli.Run unknown = Cli.run("phate", points(40).toString(), "--settings", "knm=3", "--out", out);
    assertThat(unknown.code()).isEqualTo(2);
    assertThat(unknown.err()).contains("knm").contains("knn");
    Path holes = write("holes.npy", new double[] {1, 2, Double.NaN, 3}, 4);
    Cli.Run grey = Cli.run("phate", points(40), "--colour", holes, "--out", out);
    assertThat(grey.code()).isEqualTo(4);
    assertThat(grey.err()).contains("holes.npy: value 2 is NaN, which has no colour");
    Cli.Run flat = Cli.run("phate", write("flat.npy", new double[9], 9).toString(), "--out", out);
    assertThat(flat.code()).isEqualTo(3);
    assertThat(flat.err()).contains("samples are [N x P]");
    assertThat(Path.of(out)).doesNotExist();
  }
}
