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
import org.merganser.compute.Workspace;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.io.Safetensors;
import org.merganser.linalg.Tensor;
import org.merganser.lora.MoeModel;

class MoeCommandTest {
  @TempDir Path temp;

  private Path models;

  @BeforeEach
  void prepare() throws IOException {
    models = temp.resolve("models");
    Path base = Files.createDirectories(models.resolve("lab/base"));
    Tensor weight = Tensor.of(new float[] {1, 2, 3, 4, 5, 6}, 2, 3);
    write(base.resolve("model.safetensors"), Map.of("fc.weight", weight));
    adapter("one", new float[] {1, 0, 2}, 1);
    adapter("two", new float[] {0, -3, 0}, 1);
    adapter("wide", new float[] {1, 0, 2, 0, 1, 0}, 2);
  }

  private void adapter(String name, float[] a, int rank) throws IOException {
    adapter(models.resolve("lab").resolve(name), a, rank);
  }

  private static void adapter(Path folder, float[] a, int rank) throws IOException {
    Files.createDirectories(folder);
    Files.writeString(
        folder.resolve("adapter_config.json"),
        "{\"peft_type\": \"LORA\", \"r\": %d, \"lora_alpha\": 2}".formatted(rank));
    float[] b = new float[2 * rank];
    b[0] = 1;
    b[rank] = -1;
    Map<String, Tensor> tensors = new LinkedHashMap<>();
    tensors.put("base_model.model.fc.lora_A.weight", Tensor.of(a, rank, 3));
    tensors.put("base_model.model.fc.lora_B.weight", Tensor.of(b, 2, rank));
    write(folder.resolve("adapter_model.safetensors"), tensors);
  }

  private static void write(Path file, Map<String, Tensor> tensors) throws IOException {
    try (Workspace ws = Workspace.open()) {
      Safetensors.write(MemoryCheckpoint.of(tensors), file, ws);
    }
  }

  private Cli.Run run(Object... arguments) {
    Object[] all = new Object[arguments.length + 3];
    all[0] = "moe";
    System.arraycopy(arguments, 0, all, 1, arguments.length);
    all[arguments.length + 1] = "--models";
    all[arguments.length + 2] = models;
    return Cli.run(all);
  }

  private static double[] gate(Path folder) throws IOException {
    try (Workspace ws = Workspace.open();
        MoeModel model = MoeModel.open(folder);
        Tensor gate = model.tensors().read("fc.experts.gate", ws)) {
      return gate.toDoubleArray();
    }
  }

  @Test
  void adaptersAreExperts() throws IOException {
    Path out = temp.resolve("out");
    Cli.Run run = run("lab/base", "lab/one", "lab/two", "-o", out, "--include-model");
    assertThat(run.err()).isEmpty();
    assertThat(run.out())
        .contains("note: ", "no digests of the model that it was trained for")
        .contains("wrote " + out + ": 2 experts (arrow, top 2) in 1 modules, 16 parameters");
    double[] gate = gate(out);
    assertThat(gate[0]).isCloseTo(.4472136, within(1e-7));
    assertThat(gate[2]).isCloseTo(.89442719, within(1e-7));
    assertThat(gate[4]).isEqualTo(1);
    try (MoeModel model = MoeModel.open(out);
        Checkpoint base = model.openBase();
        Workspace ws = Workspace.open()) {
      assertThat(model.description().experts()).containsExactly("lab/one", "lab/two");
      model.requireBase(base, ws);
    }
    Cli.Run again = run("lab/base", "lab/one", "-o", out);
    assertThat(again.err())
        .isEqualTo(
            "merganser: -o "
                + out
                + " holds a model of experts; name another folder, or replace it (--force)\n");
    assertThat(again.code()).isEqualTo(2);
    Cli.Run one = run("lab/base", "lab/one", "-o", out, "--force", "--router", "random");
    assertThat(one.out()).contains("1 experts (random, top 1)");
  }

  /** The last parts of paths are hashes in the cache of a hub, and steps where training ran. */
  @Test
  void expertsAreNamedAsAdaptersWereTyped() throws IOException {
    Path out = temp.resolve("out");
    Path math = models.resolve("math/checkpoint-500");
    adapter(math, new float[] {1, 0, 2}, 1);
    adapter(models.resolve("code/checkpoint-500"), new float[] {0, -3, 0}, 1);
    assertThat(run("lab/base", math, "code/checkpoint-500", "-o", out).err()).isEmpty();
    try (MoeModel model = MoeModel.open(out)) {
      assertThat(model.description().experts())
          .containsExactly(math.toString(), "code/checkpoint-500");
    }
    Cli.Run twice = run("lab/base", "lab/one", "lab/one", "-o", temp.resolve("twice"));
    assertThat(twice.code()).isEqualTo(2);
    assertThat(twice.err())
        .isEqualTo(
            "merganser: experts 1 and 2 are both named 'lab/one'; each needs a name of its own\n");
  }

  @Test
  void aRunThatWasKilledIsNotInTheWay() throws IOException {
    Path out = Files.createDirectories(temp.resolve("out"));
    Files.writeString(out.resolve("moe.safetensors"), "half");
    assertThat(run("lab/base", "lab/one", "-o", out).err()).isEmpty();
    MoeModel.open(out).close();
    Path file = Files.writeString(temp.resolve("file"), "");
    Cli.Run refused = run("lab/base", "lab/one", "-o", file);
    assertThat(refused.code()).isEqualTo(2);
    assertThat(refused.err())
        .isEqualTo("merganser: -o " + file + " is a file, and is to be a folder; name another\n");
  }

  @Test
  void aModelIsNotReplacedUnasked() throws IOException {
    Path out = Files.createDirectories(temp.resolve("other"));
    Path weights = out.resolve("model.safetensors");
    write(weights, Map.of("x", Tensor.of(new float[] {7}, 1)));
    byte[] before = Files.readAllBytes(weights);
    Cli.Run refused = run("lab/base", "lab/one", "-o", out, "--include-model");
    assertThat(refused.code()).isEqualTo(2);
    assertThat(refused.err())
        .isEqualTo(
            "merganser: -o "
                + out
                + " holds a model, model.safetensors; name another folder, or replace it"
                + " (--force)\n");
    assertThat(weights).hasBinaryContent(before);
    assertThat(run("lab/base", "lab/one", "-o", out).code()).isZero();
    assertThat(weights).hasBinaryContent(before);
    Cli.Run forced = run("lab/base", "lab/one", "-o", out, "--include-model", "--force");
    assertThat(forced.err()).isEmpty();
    try (MoeModel model = MoeModel.open(out);
        Checkpoint base = model.openBase()) {
      assertThat(base.tensors()).containsOnlyKeys("fc.weight");
    }
  }

  @Test
  void gatesMayBeMeans() throws IOException {
    Path means = temp.resolve("means.safetensors");
    write(means, Map.of("fc", Tensor.of(new float[] {3, 0, 5, 0, 4, 5}, 2, 3)));
    Path out = temp.resolve("out");
    Cli.Run run =
        run(
            "lab/base",
            "lab/one",
            "lab/two",
            "-o",
            out,
            "--top-k",
            "1",
            "--router",
            "mean-activation",
            "--means",
            means);
    assertThat(run.err()).isEmpty();
    assertThat(gate(out)[0]).isCloseTo(.6, within(1e-7));
    assertThat(gate(out)[1]).isCloseTo(-.8, within(1e-7));
  }

  @Test
  void whatIsWrongIsTold() {
    Path out = temp.resolve("out");
    Cli.Run ranks = run("lab/base", "lab/one", "lab/wide", "-o", out);
    assertThat(ranks.code()).isEqualTo(3);
    assertThat(ranks.err()).contains("'fc' is of rank 1 in ", "and of rank 2 in ", "--rank 1");
    Cli.Run k = run("lab/base", "lab/one", "lab/two", "-o", out, "--top-k", "3");
    assertThat(k.code()).isEqualTo(2);
    assertThat(k.err())
        .isEqualTo("merganser: top-k is 3 of 2 experts; give 1 to 2, or -1 for all\n");
    Cli.Run one = run("lab/base", "lab/one", "-o", out, "--top-k", "2");
    assertThat(one.code()).isEqualTo(2);
    assertThat(one.err())
        .isEqualTo("merganser: top-k is 2 of 1 experts; give 1 to 1, or -1 for all\n");
    Cli.Run router = run("lab/base", "lab/one", "-o", out, "--router", "arow");
    assertThat(router.code()).isEqualTo(2);
    assertThat(router.err()).contains("no router 'arow'; did you mean arrow?");
    Cli.Run means = run("lab/base", "lab/one", "-o", out, "--router", "mean-activation");
    assertThat(means.code()).isEqualTo(2);
    assertThat(means.err()).contains("--means belongs to --router mean-activation");
    Cli.Run none = run("lab/base", "-o", out);
    assertThat(none.code()).isEqualTo(2);
    Cli.Run over = run("lab/base", "lab/one", "-o", models.resolve("lab/base"), "--force");
    assertThat(over.code()).isEqualTo(2);
    assertThat(over.err()).contains("is read there; name another folder");
    Cli.Run model = run("lab/base+lab/one", "lab/one", "-o", out);
    assertThat(model.code()).isEqualTo(2);
    Cli.Run missing = run("lab/base", "lab/none", "-o", out);
    assertThat(missing.code()).isEqualTo(5);
    assertThat(out).doesNotExist();
  }
}
