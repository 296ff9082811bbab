// SPDX-License-Identifier: Apache-2.0
package org.merganser.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.merganser.align.Alignment;
import org.merganser.align.ScaledPermutation;
import org.merganser.compute.Workspace;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.io.Safetensors;
import org.merganser.linalg.Tensor;

class AlignCommandTest {
  @TempDir Path temp;

  private Fixture files;

  @BeforeEach
  void write() throws IOException {
    files = new Fixture(temp);
  }

  private Cli.Run align(String method, Path out) {
    return Cli.run(
        "align",
        files.model("a"),
        files.model("b"),
        "--method",
        method,
        "--activations-a",
        files.activations("a"),
        "--activations-b",
        files.activations("b"),
        "-o",
        out);
  }

  @Test
  void alignKeepsTheMapsItFinds() throws IOException {
    Path out = temp.resolve("maps.mgalign");
    Cli.Run run = align("permutation", out);
    assertThat(run.err()).isEmpty();
    assertThat(run.code()).isZero();
    assertThat(run.out()).contains("fc1").endsWith("wrote " + out + "\n");
    try (Workspace ws = Workspace.builder().threads(1).open()) {
      Alignment found = Alignment.load(out, ws);
      assertThat(found.method()).isEqualTo("permutation:kind=correlation");
      assertThat(((ScaledPermutation) found.map("fc1")).permutation())
          .isEqualTo(ScaledPermutation.of(Fixture.ORDER).inverse().permutation());
    }

    Cli.Run inspected = Cli.run("inspect", out);
    assertThat(inspected.code()).isZero();
    assertThat(inspected.out())
        .startsWith("method permutation:kind=correlation\n")
        .containsPattern("fc1 .*kept");
  }

  @Test
  void pairsOfMapsAreAppliedAndHaveNoInverse() throws IOException {
    Path maps = temp.resolve("maps.mgalign");
    Path out = temp.resolve("mapped.safetensors");
    assertThat(align("ridge", maps).code()).isZero();
    assertThat(Cli.run("inspect", maps).out())
        .startsWith("method ridge:")
        .contains("not kept", "of a pair of maps");
    assertThat(Cli.run("apply", maps, files.model("b"), "-o", out).code()).isZero();
    Files.delete(out);
    Cli.Run run = Cli.run("apply", maps, files.model("a"), "--inverse", "-o", out);
    assertThat(run.code()).isEqualTo(2);
    assertThat(run.err())
        .contains(
            "--inverse: the maps of method ridge:lambda=0.1,unit=relative are pairs and have no inverse;"
                + " align the models the other way round");
    assertThat(out).doesNotExist();
  }

  @Test
  void alignByCcaGivesTheSameBytesAgain() throws IOException {
    Path first = temp.resolve("first.mgalign");
    Path second = temp.resolve("second.mgalign");
    assertThat(align("cca", first).code()).isZero();
    assertThat(align("cca", second).code()).isZero();
    assertThat(Files.mismatch(first, second)).isEqualTo(-1);
    assertThat(Cli.run("inspect", first).out())
        .startsWith("method cca:gamma=1,unit=relative\n")
        .contains("not kept");
  }

  @Test
  void alignReplacesNoModel() throws IOException {
    byte[] before = Files.readAllBytes(files.model("b"));
    Cli.Run run = align("permutation", files.model("b"));
    assertThat(run.code()).isEqualTo(2);
    assertThat(run.err())
        .isEqualTo(
            "merganser: -o " + files.model("b") + " is one of the models; choose another file\n");
    assertThat(Files.readAllBytes(files.model("b"))).isEqualTo(before);
  }

  @Test
  void alignRefusesWhatDoesNotFit() throws IOException {
    Path out = temp.resolve("maps.mgalign");
    assertThat(align("ties", out).code()).isEqualTo(2);
    assertThat(align("cca", temp.resolve("none").resolve("x")).code()).isEqualTo(5);
    Cli.Run run =
        Cli.run(
            "align",
            files.model("a"),
            files.model("b"),
            "--activations-a",
            files.activations("a"),
            "-o",
            out);
    assertThat(run.code()).isEqualTo(2);
    assertThat(run.err()).contains("activations of all 2 models, given are 1");
    assertThat(out).doesNotExist();
    assertThat(Fixture.hasPartial(temp)).isFalse();
  }

  @Test
  void damagedMapsAreNoBug() throws IOException {
    Path maps = temp.resolve("maps.mgalign");
    assertThat(align("permutation", maps).code()).isZero();
    Path damaged = temp.resolve("damaged.mgalign");
    try (Workspace ws = Workspace.builder().threads(1).open();
        Checkpoint good = Safetensors.open(maps)) {
      Map<String, Tensor> tensors = new LinkedHashMap<>();
      for (String name : good.tensors().keySet()) {
        tensors.put(name, good.read(name, ws));
      }
      tensors.get("fc1/permutation").memory().putLong(8, 1L << 40);
      Safetensors.write(MemoryCheckpoint.of(tensors), good.metadata(), damaged, ws);
    }
    for (Cli.Run run :
        List.of(
            Cli.run("inspect", damaged),
            Cli.run("apply", damaged, files.model("b"), "-o", temp.resolve("out")))) {
      assertThat(run.code()).isEqualTo(5);
      assertThat(run.err()).startsWith("merganser: " + damaged + ": ");
    }
  }
}
