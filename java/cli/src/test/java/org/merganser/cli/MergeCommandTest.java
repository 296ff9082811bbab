// SPDX-License-Identifier: Apache-2.0
package org.merganser.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.merganser.align.CcaAligner;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.io.Checkpoint;
import org.merganser.io.Safetensors;
import org.merganser.linalg.Tensor;
import org.merganser.model.Architecture;
import org.merganser.model.LinearStack;
import org.merganser.plan.Catalogue;
import org.merganser.stats.Moments;

class MergeCommandTest {
  @TempDir Path temp;

  private Fixture files;

  private Path out;

  @BeforeEach
  void write() throws IOException {
    files = new Fixture(temp);
    out = temp.resolve("merged.safetensors");
  }

  private Cli.Run merge(String method, String... models) {
    Object[] args = {
      "merge",
      files.model(models[0]),
      files.model(models[1]),
      "--method",
      method,
      "--activations-a",
      files.activations(models[0]),
      "--activations-b",
      files.activations(models[1]),
      "-o",
      out
    };
    return Cli.run(args);
  }

  @Test
  void aPermutedModelMergesBackToTheFirst() throws IOException {
    Cli.Run run = merge("permutation", "a", "b");

    assertThat(run.err()).isEmpty();
    assertThat(run.code()).isZero();
    assertThat(run.out())
        .contains(files.model("b") + " into " + files.model("a") + " by permutation:")
        .containsPattern("fc1 +6 +1\\.0000 +1\\.00 +0\\.0e\\+00  kept by its family +none")
        .endsWith("wrote " + out + ": 4 tensors, 51 parameters\n");
    assertThat(Files.mismatch(out, files.model("a"))).isEqualTo(-1);
    assertThat(Fixture.hasPartial(temp)).isFalse();
  }

  @Test
  void anUnknownMethodListsTheKnownOnes() {
    Cli.Run run =
        Cli.run("merge", files.model("a"), files.model("b"), "--method", "ties", "-o", temp + "/o");
    assertThat(run.code()).isEqualTo(2);
    assertThat(run.err())
        .isEqualTo(
            "merganser: no aligner 'ties'; there are "
                + String.join(", ", Catalogue.aligners().ids())
                + "\n");
  }

  @ParameterizedTest
  @ValueSource(strings = {"identity", "permutation", "cca", "procrustes", "procrustes-scaled"})
  void everyMethodMergesDifferentModels(String method) throws IOException {
    Cli.Run run =
        method.equals("identity")
            ? Cli.run("merge", files.model("a"), files.model("c"), "--method", method, "-o", out)
            : merge(method, "a", "c");
    assertThat(run.err()).isEmpty();
    assertThat(run.code()).isZero();
    Map<String, float[]> a = Fixture.read(files.model("a"));
    Map<String, float[]> c = Fixture.read(files.model("c"));
    Map<String, float[]> merged = Fixture.read(out);
    assertThat(merged.keySet()).isEqualTo(a.keySet());
    // Logits are no space: their bias is averaged as it is.
    for (int i = 0; i < Fixture.OUT; i++) {
      float mean = (a.get("fc2.bias")[i] + c.get("fc2.bias")[i]) / 2;
      assertThat(merged.get("fc2.bias")[i]).isCloseTo(mean, within(1e-6f));
    }
    float first = (a.get("fc1.weight")[0] + c.get("fc1.weight")[0]) / 2;
    if (method.equals("identity")) {
      assertThat(merged.get("fc1.weight")[0]).isCloseTo(first, within(1e-6f));
      assertThat(run.out()).startsWith("wrote ");
    } else {
      assertThat(run.out()).contains(" by " + method + ":");
    }
  }

  @Test
  void repeatsGiveTheSameBytesForAnyNumberOfThreads() throws IOException {
    byte[] first = null;
    for (int threads : new int[] {1, 2, 8, 1}) {
      Cli.Run run =
          Cli.run(
              "merge",
              files.model("a"),
              files.model("c"),
              "--activations-a",
              files.activations("a"),
              "--activations-b",
              files.activations("c"),
              "--threads",
              threads,
              "-o",
              out);
      assertThat(run.code()).isZero();
      first = first == null ? Files.readAllBytes(out) : first;
      assertThat(Files.readAllBytes(out)).isEqualTo(first);
    }
  }

  @Test
  void gammaChangesTheResult() throws IOException {
    merge("cca", "a", "c");
    byte[] one = Files.readAllBytes(out);
    for (String[] option : new String[][] {{"--gamma", "0.01"}, {"--method", "cca:gamma=0.01"}}) {
      Cli.Run run =
          Cli.run(
              "merge",
              files.model("a"),
              files.model("c"),
              "--activations-a",
              files.activations("a"),
              "--activations-b",
              files.activations("c"),
              option[0],
              option[1],
              "-o",
              out);
      assertThat(run.code()).isZero();
      assertThat(Files.readAllBytes(out)).isNotEqualTo(one);
    }
  }

  /** Of a base and one model trained from it, task arithmetic with weight 1 gives the model. */
  @Test
  void differencesToABaseAreMerged() throws IOException {
    Object[] args = {
      "merge", files.model("a"), files.model("b"), "--base", files.model("c"), "-o", out, "--merger"
    };
    List<Object> all = new ArrayList<>(List.of(args));
    all.add("task-arithmetic:weights=1:0");
    Cli.Run run = Cli.run(all.toArray());
    assertThat(run.err()).isEmpty();
    assertThat(run.code()).isZero();
    try (Workspace ws = Workspace.open();
        Checkpoint merged = Safetensors.open(out);
        Checkpoint a = Safetensors.open(files.model("a"));
        Tensor found = merged.read("fc1.weight", ws);
        Tensor wanted = a.read("fc1.weight", ws)) {
      assertThat(found.toDoubleArray()).containsExactly(wanted.toDoubleArray(), within(1e-6));
    }
    all.set(all.size() - 1, "linear");
    assertThat(Cli.run(all.toArray()).err()).contains("linear uses no base");
    all.addAll(List.of("--method", "cca"));
    assertThat(Cli.run(all.toArray()).err())
        .contains("--base: models trained from one base share its features; use --method identity");
  }

  @Test
  void threeModelsTakeActivationsInTheirOrder() throws IOException {
    Cli.Run run =
        Cli.run(
            "merge",
            files.model("a"),
            files.model("b"),
            files.model("a"),
            "--method",
            "permutation",
            "--activations",
            files.activations("a"),
            "--activations",
            files.activations("b"),
            "--activations",
            files.activations("a"),
            "-o",
            out);
    assertThat(run.err()).isEmpty();
    assertThat(run.code()).isZero();
    assertThat(run.out()).contains(files.model("b") + " into " + files.model("a"));
    Map<String, float[]> a = Fixture.read(files.model("a"));
    Fixture.read(out)
        .forEach((name, values) -> assertThat(values).containsExactly(a.get(name), within(1e-6f)));
  }

  @Test
  void weightsAreNormalised() throws IOException {
    Cli.Run run =
        Cli.run(
            "merge",
            files.model("a"),
            files.model("c"),
            "--method",
            "identity",
            "--merger",
            "linear:weights=1:3",
            "-o",
            out);
    assertThat(run.code()).isZero();
    float[] a = Fixture.read(files.model("a")).get("fc1.weight");
    float[] c = Fixture.read(files.model("c")).get("fc1.weight");
    float[] merged = Fixture.read(out).get("fc1.weight");
    for (int i = 0; i < a.length; i++) {
      assertThat(merged[i]).isCloseTo(0.25f * a[i] + 0.75f * c[i], within(1e-6f));
    }
  }

  @Test
  void statisticsServeInsteadOfActivations() throws IOException {
    Path stats = temp.resolve("both.mgstats");
    try (Workspace ws = Workspace.builder().threads(1).open();
        Checkpoint a = Safetensors.open(files.model("a"));
        Moments moments =
            Moments.fromFiles(
                LinearStack.infer(a),
                List.of(files.activations("a"), files.activations("c")),
                CcaAligner.REQUEST,
                Moments.Options.defaults(),
                ws)) {
      moments.save(stats, ws);
    }
    assertThat(merge("cca", "a", "c").code()).isZero();
    byte[] wanted = Files.readAllBytes(out);
    Cli.Run run = Cli.run("merge", files.model("a"), files.model("c"), "--stats", stats, "-o", out);
    assertThat(run.err()).isEmpty();
    assertThat(Files.readAllBytes(out)).isEqualTo(wanted);

    Cli.Run both =
        Cli.run(
            "merge",
            files.model("a"),
            files.model("c"),
            "--stats",
            stats,
            "--activations-a",
            files.activations("a"),
            "-o",
            out);
    assertThat(both.code()).isEqualTo(2);
    assertThat(both.err()).isEqualTo("merganser: --activations-a: there is --stats; drop it\n");

    Cli.Run three =
        Cli.run(
            "merge",
            files.model("a"),
            files.model("c"),
            files.model("b"),
            "--stats",
            stats,
            "-o",
            out);
    assertThat(three.code()).isEqualTo(2);
    assertThat(three.err()).isEqualTo("merganser: statistics of 2 models for 3 checkpoints\n");
  }

  /** Tensors beside the stack need a builder file, which also names counters. */
  @Test
  void anArchitectureFileDescribesOtherNetworks() throws IOException {
    for (String name : new String[] {"a", "b"}) {
      Map<String, Tensor> tensors = Fixture.tensors(Fixture.read(files.model(name)));
      Tensor steps = Tensor.zeros(DType.I64, 1);
      steps.memory().putLong(0, name.equals("a") ? 7 : 9);
      tensors.put("steps", steps);
      files.model("with-steps-" + name, tensors);
    }
    Path builder = temp.resolve("architecture.json");
    Object[] args = {
      "merge",
      files.model("with-steps-a"),
      files.model("with-steps-b"),
      "--method",
      "permutation",
      "--activations-a",
      files.activations("a"),
      "--activations-b",
      files.activations("b"),
      "-o",
      out
    };
    Cli.Run without = Cli.run(args);
    assertThat(without.code()).isEqualTo(3);
    assertThat(without.err())
        .isEqualTo(
            "merganser: not a plain stack of linear layers; describe it in a builder file"
                + " (--architecture):\n"
                + "  'steps' I64 [1] is no weight or bias of a linear layer\n");

    Architecture.Builder architecture = Architecture.builder().counter("steps");
    try (Checkpoint a = Safetensors.open(files.model("a"))) {
      LinearStack.infer(a).spaces().forEach(architecture::space);
    }
    architecture.build().write(builder);
    Object[] described = new Object[args.length + 2];
    System.arraycopy(args, 0, described, 0, args.length);
    described[args.length] = "--architecture";
    described[args.length + 1] = builder;
    Cli.Run run = Cli.run(described);
    assertThat(run.err()).isEmpty();
    assertThat(run.code()).isZero();
    assertThat(Files.mismatch(out, files.model("with-steps-a"))).isEqualTo(-1);
  }

  @Test
  void namesMayHoldSpacesAndOtherLetters() throws IOException {
    String name = "sp ace";
    if ("UTF-8".equals(System.getProperty("sun.jnu.encoding"))) {
      name += " ä漢";
    }
    Path folder = Files.createDirectory(temp.resolve(name));
    Path model = Files.copy(files.model("a"), folder.resolve(name + ".safetensors"));
    Path target = folder.resolve("out " + name);
    Cli.Run run = Cli.run("merge", model, model, "--method", "identity", "-o", target);
    assertThat(run.code()).isZero();
    assertThat(run.out()).contains(target.toString());
    assertThat(Files.mismatch(target, model)).isEqualTo(-1);
  }

  /** The numbers are wrong only when the second tensor is read, with the output half-written. */
  @Test
  void aFailureLeavesAnExistingOutputAsItWas() throws IOException {
    Map<String, float[]> bad = Fixture.random(5);
    bad.get("fc2.weight")[4] = Float.NEGATIVE_INFINITY;
    files.model("bad", Fixture.tensors(bad));
    byte[] older = Files.readAllBytes(Files.copy(files.model("c"), out));
    Cli.Run run =
        Cli.run("merge", files.model("a"), files.model("bad"), "--method", "identity", "-o", out);
    assertThat(run.code()).isEqualTo(4);
    assertThat(run.err())
        .startsWith(
            "merganser: model 1: 'fc2.weight' F32 [3, 6] holds 1 non-finite values, the first at"
                + " index 4 (-Infinity)");
    assertThat(Files.readAllBytes(out)).isEqualTo(older);
    assertThat(Fixture.hasPartial(temp)).isFalse();
  }

  @Test
  void anUnreadableModelIsSaid() throws IOException {
    Path model = files.model("a");
    Files.setPosixFilePermissions(model, java.util.Set.of());
    assumeTrue(!Files.isReadable(model), "this user may read every file");
    Cli.Run run = Cli.run("merge", model, files.model("c"), "--method", "identity", "-o", out);
    assertThat(run.code()).isEqualTo(5);
    assertThat(run.err()).isEqualTo("merganser: " + model + ": access denied\n");
  }

  @Test
  void stackTracesAreShownOnRequestOnly() {
    Path missing = temp.resolve("missing.safetensors");
    Object[] args = {"merge", missing, files.model("c"), "--method", "identity", "-o", out};
    Cli.Run quiet = Cli.run(args);
    assertThat(quiet.code()).isEqualTo(5);
    assertThat(quiet.err()).isEqualTo("merganser: " + missing + ": no such file\n");
    for (String option : new String[] {"-v", "--verbose"}) {
      Object[] verbose = new Object[args.length + 1];
      System.arraycopy(args, 0, verbose, 0, args.length);
      verbose[args.length] = option;
      Cli.Run run = Cli.run(verbose);
      assertThat(run.code()).isEqualTo(5);
      assertThat(run.err()).startsWith(quiet.err()).contains("\tat org.merganser.io.Safetensors.");
    }
  }
}
