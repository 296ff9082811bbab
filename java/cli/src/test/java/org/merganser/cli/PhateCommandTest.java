// SPDX-License-Identifier: Apache-2.0
package org.merganser.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
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
    assertThat(Files.readString(out.resolve("results.json"))).contains("\"t\" : 5");
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
    Cli.Run flat = Cli.run("phate", write("flat.npy", new double[9], 9).toString(), "--out", out);
    assertThat(flat.code()).isEqualTo(3);
    assertThat(flat.err()).contains("samples are [N x P]");
    assertThat(Path.of(out)).doesNotExist();
  }
}
