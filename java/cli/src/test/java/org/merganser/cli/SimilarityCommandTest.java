// SPDX-License-Identifier: Apache-2.0
package org.merganser.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.merganser.io.Npy;
import org.merganser.linalg.Tensor;
import org.merganser.plan.Catalogue;

class SimilarityCommandTest {
  private static final double[] X = {
    0, 3, 6, 7, 0, 4, 3, 3, 3, 10, 8, 1, 6, 4, 2, 2, 9, 5, 9, 1, 0, 5, 6, 10
  };
  private static final double[] Y = {3, 1, 8, 2, 4, 7, 9, 5, 6, 6, 1, 8, 7, 0, 2, 3};

  @TempDir Path temp;

  private Path x;
  private Path y;

  @BeforeEach
  void write() throws IOException {
    x = file("a/x.npy", Tensor.of(X, 8, 3));
    y = file("b/y.npy", Tensor.of(Y, 8, 2));
  }

  @Test
  void measuresAreWrittenByTheirText() throws IOException {
    Path out = temp.resolve("out");
    Cli.Run run =
        Cli.run(
            "similarity",
            x,
            y,
            "--measure",
            "cka-linear",
            "--measure",
            "rsa:compare=pearson",
            "--out",
            out);
    assertThat(run.err()).isEmpty();
    assertThat(run.code()).isZero();
    assertThat(run.out())
        .contains("cka-linear                       0.6404  biased, 8 samples\n")
        .endsWith("results  " + out.resolve("results.json") + "\n");
    Map<String, Double> values = values(out);
    assertThat(values).containsOnlyKeys("cka-linear", "rsa:compare=pearson");
    assertThat(values.get("cka-linear")).isBetween(0.64035677595, 0.64035677605);
    assertThat(values.get("rsa:compare=pearson")).isBetween(0.48976821445, 0.48976821455);
  }

  /** Those that have no value here say why, and are null. */
  @Test
  void withoutAChoiceThereAreAll() throws IOException {
    Path out = temp.resolve("out");
    Cli.Run run = Cli.run("similarity", x, y, "--out", out);
    assertThat(run.code()).isZero();
    Map<String, Double> values = values(out);
    assertThat(List.copyOf(values.keySet())).isEqualTo(Catalogue.measures().ids());
    assertThat(values).containsEntry("knn-jaccard", null);
    assertThat(run.out()).contains("knn-jaccard needs at least 11 samples, not 8");
    assertThat(Files.readString(out.resolve("results.json")))
        .contains("\"reason\" : \"knn-jaccard needs at least 11 samples, not 8\"");
  }

  @Test
  void foldersAreComparedFileByFile() throws IOException {
    file("b/x.npy", Tensor.of(X, 8, 3));
    file("b/constant.npy", Tensor.of(new double[8], 8, 1));
    file("a/cube.npy", Tensor.of(X, 8, 3, 1, 1));
    Path out = temp.resolve("out");
    Cli.Run run =
        Cli.run(
            "similarity",
            x.getParent(),
            y.getParent(),
            "--measure",
            "cka-linear-debiased",
            "--out",
            out);
    assertThat(run.err()).isEmpty();
    assertThat(run.out())
        .contains(
            "cka-linear-debiased\n", "cube                          -     1.0000     0.4850\n");
    String json = Files.readString(out.resolve("results.json"));
    assertThat(json.replaceAll("\\s+", ""))
        .contains("\"a\":[\"cube\",\"x\"],\"b\":[\"constant\",\"x\",\"y\"]", "[null,1.0,0.485008")
        .contains("\"reason\":\"Yisconstant:");
  }

  @Test
  void whatCannotBeComparedIsToldOnce() throws IOException {
    Path out = temp.resolve("out");
    Path short7 = file("short.npy", Tensor.of(new double[14], 7, 2));
    assertFails(
        3,
        "X is a 8 x 3 F64 matrix and Y a 7 x 2 F64 matrix: their rows are the same samples",
        "similarity",
        x,
        short7,
        "--out",
        out);
    assertFails(
        2,
        "knn-jaccard needs at least 11 samples, not 8",
        "similarity",
        x,
        y,
        "--measure",
        "knn-jaccard",
        "--out",
        out);
    assertFails(
        2, "no measure 'ckaa'; there are ", "similarity", x, y, "--measure", "ckaa", "--out", out);
    assertFails(
        2,
        "is a folder and " + y + " is none; give two files or two folders",
        "similarity",
        x.getParent(),
        y,
        "--out",
        out);
    assertFails(
        5, "no activations", "similarity", x, file("v.npy", Tensor.of(X, 24)), "--out", out);
    double[] broken = X.clone();
    broken[4] = Double.NaN;
    Path nan = file("nan.npy", Tensor.of(broken, 8, 3));
    assertFails(4, "X[1, 1] is NaN", "similarity", nan, y, "--measure", "cka-linear", "--out", out);
    Cli.Run skipped =
        Cli.run("similarity", nan, y, "--measure", "cka-linear", "--skip-non-finite", "--out", out);
    assertThat(skipped.out()).contains("7 samples, 1 dropped");
  }

  private static void assertFails(int code, String message, Object... command) {
    Cli.Run run = Cli.run(command);
    assertThat(run.err()).contains(message);
    assertThat(run.code()).isEqualTo(code);
  }

  private Path file(String name, Tensor tensor) throws IOException {
    Path file = temp.resolve(name);
    Files.createDirectories(file.getParent());
    try (tensor) {
      Npy.write(tensor, file);
    }
    return file;
  }

  /** What {@code measures} has. */
  private static Map<String, Double> values(Path out) throws IOException {
    Map<String, Double> values = new LinkedHashMap<>();
    List<String> path = new ArrayList<>();
    try (JsonParser p =
        new JsonFactory().createParser(Files.readString(out.resolve("results.json")))) {
      for (JsonToken token = p.nextToken(); token != null; token = p.nextToken()) {
        if (token == JsonToken.START_OBJECT) {
          path.add(String.valueOf(p.currentName()));
        } else if (token == JsonToken.END_OBJECT) {
          path.remove(path.size() - 1);
        } else if (path.equals(List.of("null", "measures")) && token.isScalarValue()) {
          values.put(p.currentName(), token == JsonToken.VALUE_NULL ? null : p.getDoubleValue());
        }
      }
    }
    return values;
  }
}
