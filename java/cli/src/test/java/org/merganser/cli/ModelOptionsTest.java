// SPDX-License-Identifier: Apache-2.0
package org.merganser.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.io.Checkpoint;
import org.merganser.io.Npy;
import org.merganser.io.Safetensors;
import org.merganser.linalg.Tensor;

/** Models that were stored differently are made to fit by options. */
class ModelOptionsTest {
  @TempDir Path temp;

  private Fixture files;
  private Path out;

  @BeforeEach
  void write() throws IOException {
    files = new Fixture(temp);
    out = temp.resolve("merged.safetensors");
  }

  private Cli.Run merge(String first, String second, Object... more) {
    Object[] args = new Object[7 + more.length];
    System.arraycopy(
        new Object[] {
          "merge", files.model(first), files.model(second), "--method", "identity", "-o", out
        },
        0,
        args,
        0,
        7);
    System.arraycopy(more, 0, args, 7, more.length);
    return Cli.run(args);
  }

  /** The model c in another type. */
  private void converted(String name, DType dtype) throws IOException {
    try (Workspace ws = Workspace.builder().threads(1).open()) {
      Map<String, Tensor> tensors = new LinkedHashMap<>();
      Fixture.tensors(Fixture.random(3)).forEach((n, t) -> tensors.put(n, t.to(dtype, ws)));
      files.model(name, tensors);
    }
  }

  @ParameterizedTest
  @CsvSource({"f32, F32, 1e-2", "bf16, BF16, 3e-2", "f16, F16, 1e-2", "f64, F64, 1e-2"})
  void oneTypeForAllModels(String option, DType dtype, double tolerance) throws IOException {
    converted("half", DType.BF16);
    Cli.Run refused = merge("a", "half");
    assertThat(refused.code()).isEqualTo(3);
    assertThat(refused.err()).contains("--dtype f32");
    Cli.Run run = merge("a", "half", "--dtype", option);
    assertThat(run.err()).isEmpty();
    assertThat(run.code()).isZero();
    float[] a = Fixture.read(files.model("a")).get("fc1.weight");
    float[] c = Fixture.read(files.model("c")).get("fc1.weight");
    try (Workspace ws = Workspace.builder().threads(1).open();
        Checkpoint merged = Safetensors.open(out);
        Tensor tensor = merged.read("fc1.weight", ws)) {
      assertThat(tensor.dtype()).isEqualTo(dtype);
      for (int i = 0; i < a.length; i++) {
        assertThat(tensor.get(i)).isCloseTo((a[i] + c[i]) / 2, within(tolerance));
      }
    }
  }

  @Test
  void aPrefixOfOneModel() throws IOException {
    Map<String, Tensor> wrapped = new LinkedHashMap<>();
    Fixture.tensors(Fixture.random(3)).forEach((n, t) -> wrapped.put("_orig_mod." + n, t));
    files.model("wrapped", wrapped);
    Cli.Run refused = merge("a", "wrapped");
    assertThat(refused.code()).isEqualTo(3);
    assertThat(refused.err().lines()).hasSize(3);
    assertThat(refused.err()).contains("--strip-prefix _orig_mod. takes it off");
    assertThat(merge("a", "c").code()).isZero();
    byte[] wanted = Files.readAllBytes(out);
    Cli.Run run = merge("a", "wrapped", "--strip-prefix", "_orig_mod.");
    assertThat(run.code()).isZero();
    assertThat(Files.readAllBytes(out)).isEqualTo(wanted);
    assertThat(merge("a", "c", "--strip-prefix", "none."))
        .isEqualTo(
            new Cli.Run(2, "", "merganser: --strip-prefix none. fits no tensor of any model\n"));
  }

  /** Which Java stores as two chars. */
  @Test
  void namesMayHaveAnyCharacter() throws IOException {
    Map<String, Tensor> more = Fixture.tensors(Fixture.random(3));
    more.put("\ud83e\udd86.weight", Tensor.of(new float[] {1, 2}, 2));
    files.model("more", more);
    for (String glob : new String[] {"\ud83e\udd86*", "?.weight"}) {
      Cli.Run run = merge("a", "more", "--ignore", glob);
      assertThat(run.err()).isEmpty();
      assertThat(Fixture.read(out)).hasSize(4);
    }
  }

  @Test
  void aTensorThatOneModelStores() throws IOException {
    Map<String, Tensor> more = Fixture.tensors(Fixture.random(3));
    more.put("lm_head.weight", Tensor.of(new float[] {1, 2}, 2));
    files.model("more", more);
    Cli.Run refused = merge("a", "more");
    assertThat(refused.code()).isEqualTo(3);
    assertThat(refused.err()).contains("--ignore 'lm_head.weight'");
    for (String glob : new String[] {"lm_head.weight", "lm_*", "*head?weight"}) {
      for (String[] order : new String[][] {{"a", "more"}, {"more", "a"}}) {
        Cli.Run run = merge(order[0], order[1], "--ignore", glob);
        assertThat(run.err()).isEmpty();
        assertThat(run.code()).isZero();
        assertThat(run.out()).startsWith("left out: ['lm_head.weight']\n");
        assertThat(Fixture.read(out)).hasSize(4).doesNotContainKey("lm_head.weight");
      }
    }
    assertThat(merge("a", "more", "--ignore", "*"))
        .isEqualTo(new Cli.Run(2, "", "merganser: --ignore leaves no tensor of any model\n"));
    for (String option : new String[] {"--ignore", "--strip-prefix"}) {
      assertThat(merge("a", "c", option, "").err())
          .isEqualTo(
              "merganser: --strip-prefix and --ignore need a value; a variable may not be set\n");
    }
    assertThat(merge("a", "more", "--ignore", "head").err())
        .isEqualTo("merganser: --ignore head fits no tensor of any model\n");
  }

  @Test
  void countersOfBatchNormalisation() throws IOException {
    for (int k = 1; k <= 2; k++) {
      Map<String, Tensor> tensors = Fixture.tensors(Fixture.random(k));
      Tensor count = Tensor.zeros(DType.I64);
      count.memory().putLong(0, 100L * k);
      tensors.put("bn.num_batches_tracked", count);
      files.model("counted" + k, tensors);
    }
    Cli.Run run = merge("counted1", "counted2");
    assertThat(run.err()).isEmpty();
    assertThat(run.out()).contains("counters, as in the first model: [bn.num_batches_tracked]");
    try (Workspace ws = Workspace.builder().threads(1).open();
        Checkpoint merged = Safetensors.open(out);
        Tensor count = merged.read("bn.num_batches_tracked", ws)) {
      assertThat(count.memory().getLong(0)).isEqualTo(100);
    }
  }

  /** Other integers are counters when a builder file says so, without any space. */
  @Test
  void countersOfABuilderFile() throws IOException {
    for (int k = 1; k <= 2; k++) {
      Map<String, Tensor> tensors = Fixture.tensors(Fixture.random(k));
      Tensor steps = Tensor.zeros(DType.I32, 3);
      steps.memory().putByte(0, (byte) k);
      tensors.put("steps", steps);
      files.model("counted" + k, tensors);
    }
    Cli.Run refused = merge("counted1", "counted2");
    assertThat(refused.code()).isEqualTo(3);
    assertThat(refused.err()).contains("\"counters\"", "--architecture", "--ignore");
    Path builder = temp.resolve("counters.json");
    Files.writeString(builder, "\ufeff{\"spaces\": [], \"counters\": [\"steps\"]}");
    Cli.Run run = merge("counted1", "counted2", "--architecture", builder);
    assertThat(run.err()).isEmpty();
    assertThat(run.code()).isZero();
    Files.writeString(builder, "{\"spaces\": [], \"counters\": [\"stpes\"]}");
    Cli.Run mistyped = merge("counted1", "counted2", "--architecture", builder);
    assertThat(mistyped.code()).isEqualTo(3);
    assertThat(mistyped.err())
        .contains(
            "counters that the model does not have", "no tensor 'stpes' (nearest of 5: steps");
  }

  @Test
  void aModelWithStaleStatisticsIsWrittenOnRequestOnly() throws IOException {
    for (String name : new String[] {"a", "c"}) {
      Map<String, Tensor> tensors = Fixture.tensors(Fixture.read(files.model(name)));
      tensors.put("bn.running_var", Tensor.of(new float[] {1, 2, 3, 4, 5, 6}, 6));
      files.model("bn-" + name, tensors);
    }
    Path builder = temp.resolve("bn.json");
    Files.writeString(
        builder,
        """
        {"spaces": [{"id": "fc1", "width": 6, "bindings": [
          {"tensor": "fc1.weight", "axis": 0, "role": "weight-out"},
          {"tensor": "fc1.bias", "axis": 0, "role": "bias"},
          {"tensor": "bn.running_var", "axis": 0, "role": "running-var"},
          {"tensor": "fc2.weight", "axis": 1, "role": "weight-in"}]}]}
        """);
    Object[] args = {
      "merge",
      files.model("bn-a"),
      files.model("bn-c"),
      "--architecture",
      builder,
      "--activations-a",
      files.activations("a"),
      "--activations-b",
      files.activations("c"),
      "-o",
      out,
      "--allow-stale"
    };
    Object[] plain = new Object[args.length - 1];
    System.arraycopy(args, 0, plain, 0, plain.length);
    Cli.Run refused = Cli.run(plain);
    assertThat(refused.code()).isEqualTo(3);
    assertThat(refused.err())
        .contains("--method permutation", "--allow-stale", "m.reset_running_stats()")
        .endsWith("stale:\n  'bn.running_var'\n");
    assertThat(out).doesNotExist();

    Cli.Run run = Cli.run(args);
    assertThat(run.code()).isZero();
    assertThat(run.err())
        .startsWith("merganser: warning: 1 normalisation statistics of " + out)
        .contains("m.reset_running_stats()");
    assertThat(Cli.run("inspect", out).out())
        .contains("stale, to be reset before use: [bn.running_var]");
    Cli.Run again = Cli.run("merge", out, out, "--method", "identity", "-o", temp.resolve("x"));
    assertThat(again.code()).isEqualTo(3);

    Path manifest = MergeManifest.of(out);
    assertThat(manifest).content().contains("\"allow_stale\" : true");
    // A merge that is refused takes nothing away.
    assertThat(Cli.run(plain).code()).isEqualTo(3);
    assertThat(manifest).exists();
    assertThat(out).exists();
  }

  @Test
  void inspectShowsTheAxesOfActivations() throws IOException {
    Path file = temp.resolve("t.npy");
    try (Tensor tensor = Tensor.zeros(DType.F32, 10, 64, 49)) {
      Npy.write(tensor, file);
    }
    assertThat(Cli.run("inspect", file).out())
        .startsWith("F32 [10, 64, 49]: as activations 10 samples (axis 0), 64 features (axis 1),");
    Path last = files.activations("last", new float[200 * 3 * 6], 200, 3, 6);
    Cli.Run run =
        Cli.run(
            "merge",
            files.model("a"),
            files.model("c"),
            "--activations-a",
            last,
            "--activations-b",
            files.activations("other", new float[200 * 3 * 6], 200, 3, 6),
            "-o",
            out);
    assertThat(run.code()).isEqualTo(3);
    assertThat(run.err()).contains("and they come last: give the space");
  }
}
