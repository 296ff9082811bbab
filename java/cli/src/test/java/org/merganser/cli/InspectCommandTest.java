// SPDX-License-Identifier: Apache-2.0
package org.merganser.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.merganser.align.CcaAligner;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.io.Checkpoint;
import org.merganser.io.Safetensors;
import org.merganser.linalg.Tensor;
import org.merganser.model.LinearStack;
import org.merganser.stats.Moments;

class InspectCommandTest {
  @TempDir Path temp;

  private Fixture files;

  @BeforeEach
  void write() throws IOException {
    files = new Fixture(temp);
  }

  @Test
  void inspectSaysWhatProvesTheOrderOfTheLayersOrWhyThereIsNone() throws IOException {
    assertThat(Cli.run("inspect", files.model("a")).out())
        .endsWith(
            "a plain stack of linear layers with spaces [fc1], then fc2; the order is proved by"
                + " the numbers in the names\n");
    files.model(
        "lora",
        Map.of(
            "fc.lora_A.weight", Tensor.zeros(DType.F32, 2, 8),
            "fc.lora_B.weight", Tensor.zeros(DType.F32, 8, 2)));
    assertThat(Cli.run("inspect", files.model("lora")).out())
        .contains(
            "aligning it needs a builder file (--architecture): layer 'fc.lora_",
            "is part of an adapter (such as LoRA) by its name\n");
  }

  @Test
  void inspectShowsCheckpoints() {
    Cli.Run run = Cli.run("inspect", files.model("a"));
    assertThat(run.code()).isZero();
    assertThat(run.out())
        .containsPattern("fc1\\.weight +F32 \\[6, 4\\]")
        .contains("4 tensors, 51 parameters, 204 bytes, metadata {format=pt}")
        .contains("\na plain stack of linear layers with spaces [fc1], then fc2;");
  }

  @Test
  void shardsAndTypesAreSummed() throws IOException {
    Path folder = Files.createDirectory(temp.resolve("sharded"));
    String first = "model-00001-of-00002.safetensors";
    String second = "model-00002-of-00002.safetensors";
    Files.move(files.model("v", Map.of("v", Tensor.zeros(DType.F32, 2, 3))), folder.resolve(first));
    Files.move(files.model("w", Map.of("w", Tensor.zeros(DType.BF16, 5))), folder.resolve(second));
    Files.writeString(
        folder.resolve("model.safetensors.index.json"),
        "{\"metadata\": {\"total_size\": 34}, \"weight_map\": {\"v\": \"%s\", \"w\": \"%s\"}}"
            .formatted(first, second));
    Cli.Run run = Cli.run("inspect", folder);
    assertThat(run.err()).isEmpty();
    assertThat(run.out())
        .startsWith("tensor  type and shape  bytes  file\n")
        .contains("v       F32 [2, 3]         24  " + first + "\n")
        .contains("w       BF16 [5]           10  " + second + "\n")
        .contains("BF16: 1 tensors, 5 parameters, 10 bytes\n")
        .contains("F32: 1 tensors, 6 parameters, 24 bytes\n")
        .contains(first + ": 1 tensors, 6 parameters, 24 bytes\n")
        .contains("2 tensors, 11 parameters, 34 bytes");
  }

  @Test
  void twoCheckpointsAreComparedTensorByTensor() throws IOException {
    Path a =
        files.model(
            "x", Map.of("v", Tensor.of(new float[] {3, 4}, 2), "w", Tensor.zeros(DType.F32, 3)));
    Path b =
        files.model(
            "y", Map.of("v", Tensor.of(new float[] {4, 3}, 2), "u", Tensor.zeros(DType.F32, 3)));
    Cli.Run run = Cli.run("inspect", a, b);
    assertThat(run.code()).isZero();
    assertThat(run.out())
        .containsPattern("v +F32 \\[2\\] +1\\.414 +0\\.2828 +0\\.960000\n")
        .contains("w: only A has it\n", "u: only B has it\n")
        .endsWith("1 tensors compared, 0 equal; all together |A - B| = 1.414, 0.2828 of |A|\n");
  }

  @Test
  void inspectSaysWhenABuilderFileIsNeeded() throws IOException {
    Path lone =
        files.model(
            "lone",
            java.util.Map.of(
                "conv.weight", org.merganser.linalg.Tensor.of(new float[16], 2, 2, 2, 2)));
    assertThat(Cli.run("inspect", lone).out())
        .endsWith(
            "aligning it needs a builder file (--architecture): 'conv.weight' F32 [2, 2, 2, 2] is"
                + " no weight or bias of a linear layer\n");
  }

  @Test
  void inspectShowsArraysAndStatistics() throws IOException {
    assertThat(Cli.run("inspect", files.activations("a").resolve("fc1.npy")).out())
        .isEqualTo("F32 [200, 6]\n");
    Path stats = temp.resolve("s.mgstats");
    try (Workspace ws = Workspace.builder().threads(1).open();
        Checkpoint a = Safetensors.open(files.model("a"));
        Moments moments =
            Moments.fromFiles(
                LinearStack.infer(a),
                List.of(files.activations("a"), files.activations("b")),
                CcaAligner.REQUEST,
                Moments.Options.defaults(),
                ws)) {
      moments.save(stats, ws);
    }
    Cli.Run run = Cli.run("inspect", stats);
    assertThat(run.code()).isZero();
    assertThat(run.out()).containsPattern("fc1 +2 +200 +0 \\[\\(0,0\\), \\(0,1\\), \\(1,1\\)\\]");
  }

  @Test
  void inspectRefusesWhatItCannotRead() throws IOException {
    Path missing = temp.resolve("missing");
    assertThat(Cli.run("inspect", missing))
        .isEqualTo(new Cli.Run(5, "", "merganser: " + missing + ": no such file\n"));
    assertThat(Cli.run("inspect", temp))
        .isEqualTo(
            new Cli.Run(
                5,
                "",
                "merganser: folder "
                    + temp
                    + " holds no model.safetensors.index.json, no model.safetensors, and several"
                    + " .safetensors files, name one of [a.safetensors, b.safetensors,"
                    + " c.safetensors]\n"));
    Path odd = Files.writeString(temp.resolve("odd.npy"), "no array at all");
    assertThat(Cli.run("inspect", odd).code()).isEqualTo(5);
    Path plain = Files.copy(files.model("a"), temp.resolve("plain.mgalign"));
    Cli.Run run = Cli.run("inspect", plain);
    assertThat(run.code()).isEqualTo(5);
    assertThat(run.err()).contains(plain + ": no alignment (format pt)");
  }

  /** As everything else on the terminal: its name may be anything. */
  @Test
  void whatTheLibraryLogsIsOneLine() throws IOException {
    Path index = temp.resolve("evil\u001b[2J.index.json");
    Files.writeString(
        index,
        "{\"metadata\": {\"total_size\": 7}, \"weight_map\": {\"fc1.weight\": \"a.safetensors\","
            + " \"fc1.bias\": \"a.safetensors\", \"fc2.weight\": \"a.safetensors\","
            + " \"fc2.bias\": \"a.safetensors\"}}");
    Cli.Run run = Cli.run("inspect", index);
    assertThat(run.code()).isZero();
    assertThat(run.err())
        .isEqualTo(
            "merganser: warning: "
                + temp
                + "/evil\\u001b[2J.index.json: total_size is 7, the tensors have 204 bytes\n");
  }
}
