// SPDX-License-Identifier: Apache-2.0
package org.merganser.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.merganser.linalg.Tensor;

class ApplyCommandTest {
  @TempDir Path temp;

  private Fixture files;
  private Path maps;
  private Path out;

  @BeforeEach
  void write() throws IOException {
    files = new Fixture(temp);
    maps = temp.resolve("to-a.mgalign");
    out = temp.resolve("mapped.safetensors");
  }

  private void align(String method, String model, Object... more) {
    Object[] args = {
      "align",
      files.model("a"),
      files.model(model),
      "--method",
      method,
      "--activations-a",
      files.activations("a"),
      "--activations-b",
      files.activations(model),
      "-o",
      maps
    };
    Object[] all = Arrays.copyOf(args, args.length + more.length);
    System.arraycopy(more, 0, all, args.length, more.length);
    assertThat(Cli.run(all).code()).isZero();
  }

  @Test
  void aPermutedModelIsMappedToTheReferenceAndBack() throws IOException {
    align("permutation", "b");
    Cli.Run run = Cli.run("apply", maps, files.model("b"), "-o", out);
    assertThat(run.err()).isEmpty();
    assertThat(run.code()).isZero();
    assertThat(run.out()).containsPattern("fc1 .* kept").endsWith("wrote " + out + "\n");
    assertThat(Files.mismatch(out, files.model("a"))).isEqualTo(-1);

    Path back = temp.resolve("back.safetensors");
    assertThat(Cli.run("apply", maps, out, "--inverse", "-o", back).code()).isZero();
    assertThat(Files.mismatch(back, files.model("b"))).isEqualTo(-1);
  }

  /** As align reads it. */
  @Test
  void aModelThatWasStoredWithAPrefix() throws IOException {
    align("permutation", "b");
    assertThat(Cli.run("apply", maps, files.model("b"), "-o", out).code()).isZero();
    Map<String, Tensor> wrapped = new LinkedHashMap<>();
    Fixture.tensors(Fixture.read(files.model("b")))
        .forEach((n, t) -> wrapped.put("module." + n, t));
    files.model("wrapped", wrapped);
    Path other = temp.resolve("other.safetensors");
    Cli.Run run =
        Cli.run("apply", maps, files.model("wrapped"), "--strip-prefix", "module.", "-o", other);
    assertThat(run.err()).isEmpty();
    assertThat(Files.mismatch(other, out)).isEqualTo(-1);
  }

  /** What merge does in one go. */
  @ParameterizedTest
  @ValueSource(strings = {"permutation", "cca", "procrustes"})
  void alignThenApplyThenAverageIsMerge(String method) throws IOException {
    align(method, "c");
    assertThat(Cli.run("apply", maps, files.model("c"), "-o", out).code()).isZero();
    Path average = temp.resolve("average.safetensors");
    Cli.run("merge", files.model("a"), out, "--method", "identity", "-o", average);
    Path merged = temp.resolve("merged.safetensors");
    Cli.run(
        "merge",
        files.model("a"),
        files.model("c"),
        "--method",
        method,
        "--activations-a",
        files.activations("a"),
        "--activations-b",
        files.activations("c"),
        "-o",
        merged);
    Map<String, float[]> wanted = Fixture.read(merged);
    Fixture.read(average)
        .forEach(
            (name, values) -> assertThat(values).containsExactly(wanted.get(name), within(1e-6f)));
  }

  @Test
  void runningStatisticsUnderADenseMapAreRefusedUnlessAsked() throws IOException {
    Map<String, Tensor> tensors = Fixture.tensors(Fixture.random(3));
    tensors.put("bn.running_var", Tensor.of(new float[] {1, 2, 3, 4, 5, 6}, 6));
    Path model = files.model("normalised", tensors);
    Path builder =
        Files.writeString(
            temp.resolve("builder.json"),
            "{\"spaces\": [{\"id\": \"fc1\", \"width\": 6, \"bindings\": ["
                + "{\"tensor\": \"fc1.weight\", \"axis\": 0, \"role\": \"weight-out\"},"
                + "{\"tensor\": \"fc1.bias\", \"axis\": 0, \"role\": \"bias\"},"
                + "{\"tensor\": \"bn.running_var\", \"axis\": 0, \"role\": \"running-var\"},"
                + "{\"tensor\": \"fc2.weight\", \"axis\": 1, \"role\": \"weight-in\"}]}]}");
    files.activations("normalised", Fixture.normal(7, 200 * 6), 200, 6);
    Object[] align = {
      "align",
      model,
      model,
      "--activations-a",
      files.activations("a"),
      "--activations-b",
      files.activations("normalised"),
      "--architecture",
      builder,
      "-o",
      maps
    };
    assertThat(Cli.run(align).code()).isZero();
    Cli.Run refused = Cli.run("apply", maps, model, "-o", out);
    assertThat(refused.code()).isEqualTo(3);
    assertThat(refused.err()).contains("--allow-stale", "bn.running_var");
    assertThat(out).doesNotExist();
    assertThat(Cli.run("apply", maps, model, "-o", out, "--allow-stale").code()).isZero();
    assertThat(Fixture.read(out)).containsKey("bn.running_var");
  }

  @Test
  void whatDoesNotFitIsRefused() throws IOException {
    align("permutation", "b");
    Cli.Run swapped = Cli.run("apply", files.model("b"), maps, "-o", out);
    assertThat(swapped.code()).isEqualTo(5);
    assertThat(swapped.err()).startsWith("merganser: " + files.model("b") + ": no alignment");
    Map<String, Tensor> other = Fixture.tensors(Fixture.random(4));
    other.remove("fc1.bias");
    Cli.Run unfit = Cli.run("apply", maps, files.model("other", other), "-o", out);
    assertThat(unfit.code()).isEqualTo(3);
    assertThat(unfit.err()).contains("no tensor 'fc1.bias'");
    for (Path input : new Path[] {maps, files.model("b")}) {
      byte[] before = Files.readAllBytes(input);
      assertThat(Cli.run("apply", maps, files.model("b"), "--force", "-o", input).code())
          .isEqualTo(2);
      assertThat(Files.readAllBytes(input)).isEqualTo(before);
    }
    assertThat(out).doesNotExist();
  }
}
