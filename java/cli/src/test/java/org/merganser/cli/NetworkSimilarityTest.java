// SPDX-License-Identifier: Apache-2.0
package org.merganser.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.io.TempDir;
import org.merganser.lab.report.Json;

/** Two models of a known network, layer by layer. */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class NetworkSimilarityTest {
  private static final List<String> DATA = List.of("--data", "blobs", "--train", "300");

  @TempDir static Path temp;

  @BeforeAll
  void train() {
    List<Object> args = new ArrayList<>(List.of("experiment", "cca-merge", "--epochs", 1));
    args.addAll(DATA);
    args.addAll(List.of("--hidden", 8, "--aligners", "identity", "--points", 0));
    args.addAll(List.of("--out", temp.resolve("trained"), "--keep", temp.resolve("kept")));
    Cli.Run run = Cli.run(args.toArray());
    assertThat(run.err()).isEmpty();
    assertThat(run.code()).isZero();
  }

  private static Path model(int k) {
    return temp.resolve("kept").resolve("pair-0").resolve("model-" + k + ".safetensors");
  }

  private static Cli.Run similarity(Object a, Object b, Path out, Object... more) {
    List<Object> args = new ArrayList<>(List.of("similarity", a, b, "--out", out));
    args.addAll(DATA);
    args.addAll(List.of(more));
    return Cli.run(args.toArray());
  }

  @SuppressWarnings("unchecked")
  private static Map<String, Map<String, Double>> grid(Path out, String measure)
      throws IOException {
    Map<?, ?> all = (Map<?, ?>) Json.read(out.resolve("results.json"), Map.class).get("measures");
    return (Map<String, Map<String, Double>>) all.get(measure);
  }

  /** Sums in one pass and pairs in memory agree; two models give a map that is not symmetric. */
  @Test
  void layersOfTwoModels() throws IOException {
    Path out = temp.resolve("grid");
    Cli.Run run =
        similarity(
            model(0),
            model(1),
            out,
            "--network",
            "mlp:hidden=8",
            "--measure",
            "cka-linear",
            "--measure",
            "cka-angular",
            "--reliability");
    assertThat(run.err()).isEmpty();
    assertThat(run.code()).isZero();
    assertThat(run.out())
        .contains("plan     products of features")
        .contains("cka-linear  biased, feature route, 300 samples, sample")
        .contains("cka-angular  biased, pairs route, 300 samples, sample")
        .contains("CKA reliability   n=300");
    Map<String, Map<String, Double>> linear = grid(out, "cka-linear");
    Map<String, Map<String, Double>> angular = grid(out, "cka-angular");
    assertThat(linear.keySet()).hasSizeGreaterThan(1).contains("output");
    for (String a : linear.keySet()) {
      assertThat(linear.get(a).keySet()).isEqualTo(linear.keySet());
      for (String b : linear.keySet()) {
        assertThat(Math.cos(angular.get(a).get(b)))
            .as(a + " " + b)
            .isCloseTo(linear.get(a).get(b), within(1e-9));
      }
    }
    String first = linear.keySet().iterator().next();
    assertThat(linear.get(first).get("output"))
        .isNotCloseTo(linear.get("output").get(first), within(1e-4));
    assertThat(out.resolve("cka-linear.svg")).isNotEmptyFile();
    assertThat(out.resolve("reliability.json")).isNotEmptyFile();
  }

  @Test
  void aModelIsItself() throws IOException {
    Path out = temp.resolve("self");
    Cli.Run run = similarity(model(0), model(0), out, "--network", "mlp:hidden=8");
    assertThat(run.err()).isEmpty();
    Map<String, Map<String, Double>> found = grid(out, "cka-linear-debiased");
    for (String layer : found.keySet()) {
      assertThat(found.get(layer).get(layer)).as(layer).isCloseTo(1, within(1e-9));
    }
  }

  @Test
  void whatDoesNotFitIsRefused() throws IOException {
    Path out = temp.resolve("none");
    Cli.Run other = similarity(model(0), model(1), out, "--network", "mlp:hidden=9");
    assertThat(other.err()).contains("model-0");
    assertThat(other.code()).isEqualTo(3);
    Cli.Run axis =
        similarity(model(0), model(1), out, "--network", "mlp:hidden=8", "--feature-axis", "1");
    assertThat(axis.err()).contains("--feature-axis is for files; a network knows its axes");
    assertThat(axis.code()).isEqualTo(2);
    Cli.Run budget =
        similarity(model(0), model(1), out, "--network", "mlp:hidden=8", "--memory", "1KB");
    assertThat(budget.err()).contains("a budget of 1000 bytes holds no comparison");
    assertThat(budget.code()).isEqualTo(2);
    assertThat(Files.exists(out)).isFalse();
  }
}
