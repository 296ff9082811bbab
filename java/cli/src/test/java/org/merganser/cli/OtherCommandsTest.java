// SPDX-License-Identifier: Apache-2.0
package org.merganser.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.io.UncheckedIOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.merganser.align.Alignment;
import org.merganser.align.CcaAligner;
import org.merganser.align.ScaledPermutation;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.error.CancelledException;
import org.merganser.error.FormatException;
import org.merganser.error.IncompatibleModelsException;
import org.merganser.error.MerganserException;
import org.merganser.error.NativeLibraryException;
import org.merganser.error.NumericalException;
import org.merganser.error.ShapeException;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.io.Safetensors;
import org.merganser.linalg.Tensor;
import org.merganser.model.LinearStack;
import org.merganser.plan.Catalogue;
import org.merganser.stats.Moments;
import picocli.CommandLine;

/** {@code align}, {@code inspect}, {@code doctor}, help, and exit codes. */
class OtherCommandsTest {
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
      assertThat(found.method()).isEqualTo("permutation");
      assertThat(((ScaledPermutation) found.map("fc1")).permutation())
          .isEqualTo(ScaledPermutation.of(Fixture.ORDER).inverse().permutation());
    }

    Cli.Run inspected = Cli.run("inspect", out);
    assertThat(inspected.code()).isZero();
    assertThat(inspected.out()).startsWith("method permutation\n").containsPattern("fc1 .*kept");
  }

  @Test
  void pairsOfMapsAreAppliedAndHaveNoInverse() throws IOException {
    Path maps = temp.resolve("maps.mgalign");
    Path out = temp.resolve("mapped.safetensors");
    assertThat(align("ridge", maps).code()).isZero();
    assertThat(Cli.run("inspect", maps).out()).startsWith("method ridge\n").contains("not kept");
    assertThat(Cli.run("apply", maps, files.model("b"), "-o", out).code()).isZero();
    Files.delete(out);
    Cli.Run run = Cli.run("apply", maps, files.model("a"), "--inverse", "-o", out);
    assertThat(run.code()).isEqualTo(2);
    assertThat(run.err())
        .contains(
            "--inverse: the maps of method ridge are pairs and have no inverse; align the models"
                + " the other way round");
    assertThat(out).doesNotExist();
  }

  @Test
  void alignByCcaGivesTheSameBytesAgain() throws IOException {
    Path first = temp.resolve("first.mgalign");
    Path second = temp.resolve("second.mgalign");
    assertThat(align("cca", first).code()).isZero();
    assertThat(align("cca", second).code()).isZero();
    assertThat(Files.mismatch(first, second)).isEqualTo(-1);
    assertThat(Cli.run("inspect", first).out()).startsWith("method cca\n").contains("not kept");
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
  void inspectShowsCheckpoints() {
    Cli.Run run = Cli.run("inspect", files.model("a"));
    assertThat(run.code()).isZero();
    assertThat(run.out())
        .containsPattern("fc1\\.weight +F32 \\[6, 4\\]")
        .contains("4 tensors, 51 parameters, metadata {format=pt}")
        .contains("\na plain stack of linear layers with spaces [fc1], then fc2;");
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

  @Test
  void doctorDescribesTheInstallation() {
    Cli.Run run = Cli.run("doctor");
    assertThat(run.err()).isEmpty();
    assertThat(run.code()).isZero();
    assertThat(run.out())
        .containsPattern("(?m)^merganser +\\d+\\.\\d+\\.\\d+")
        .containsPattern("(?m)^java +.+" + System.getProperty("java.version").replace("+", "\\+"))
        .containsPattern("(?m)^backend +(CPU|CUDA), \\d+ threads$")
        .containsPattern("(?m)^native +\\d.*JavaCPP 1\\.5")
        .containsPattern("(?m)^isa +(portable|avx2|avx512)")
        .containsPattern("(?m)^blas +OpenBLAS core \\w+ ")
        .containsPattern("(?m)^cuda +(available$|not used: \\S.+)")
        .containsPattern("(?m)^libtorch +\\d+\\.\\d+");
  }

  @Test
  void helpAndVersion() {
    Cli.Run help = Cli.run("--help");
    assertThat(help.code()).isZero();
    assertThat(help.out())
        .contains("quickstart", "experiment", "merge", "align", "inspect", "doctor")
        .contains("Exit codes: 0 ok, 2 usage, 3 incompatible models, 4 numerical");
    for (String command :
        List.of("quickstart", "experiment", "merge", "align", "inspect", "doctor")) {
      Cli.Run run = Cli.run(command, "--help");
      assertThat(run.code()).isZero();
      assertThat(run.out()).startsWith("Usage: merganser " + command);
    }
  }

  private static final List<List<String>> COMMANDS =
      List.of(
          List.of("quickstart"),
          List.of("experiment"),
          List.of("experiment", "cca-merge"),
          List.of("experiment", "np-merge"),
          List.of("merge"),
          List.of("align"),
          List.of("apply"),
          List.of("inspect"),
          List.of("doctor"),
          List.of("completion"),
          List.of("help"));

  private static Cli.Run run(List<String> command, String... more) {
    return Cli.run(Stream.concat(command.stream(), Stream.of(more)).toArray());
  }

  @Test
  void everyCommandTellsTheVersion() {
    Cli.Run version = Cli.run("--version");
    assertThat(version.out()).matches("merganser \\d+\\.\\d+\\.\\d+\\S*\n");
    for (List<String> command : COMMANDS) {
      assertThat(run(command, "-V")).isEqualTo(version);
      assertThat(run(command, "--version")).isEqualTo(version);
    }
  }

  @Test
  void helpOfACommandIsItsHelpOption() {
    assertThat(Cli.run("help")).isEqualTo(Cli.run("--help"));
    for (List<String> command : COMMANDS) {
      Cli.Run help = run(command, "--help");
      assertThat(help.out()).startsWith("Usage: merganser " + String.join(" ", command));
      assertThat(run(Stream.concat(Stream.of("help"), command.stream()).toList())).isEqualTo(help);
    }
  }

  @Test
  void completionKnowsCommandsOptionsAndMethods() throws Exception {
    Cli.Run run = Cli.run("completion");
    assertThat(run.code()).isZero();
    assumeTrue(Files.exists(Path.of("/bin/bash")), "no /bin/bash");
    Path script = Files.writeString(temp.resolve("completion.sh"), run.out());
    String complete =
        "source "
            + script
            + "; complete() { COMP_WORDS=(\"$@\"); COMP_CWORD=$(($# - 1)); _complete_merganser;"
            + " echo \"${COMPREPLY[@]}\"; };";
    complete +=
        "complete merganser insp; complete merganser merge --meth;"
            + " complete merganser merge --method permutation-; complete merganser experiment np-";
    Path out = temp.resolve("completed");
    Process bash =
        new ProcessBuilder("/bin/bash", "-c", complete)
            .redirectOutput(out.toFile())
            .redirectErrorStream(false)
            .redirectError(ProcessBuilder.Redirect.DISCARD)
            .start();
    assertThat(bash.waitFor(60, TimeUnit.SECONDS)).isTrue();
    assertThat(Files.readString(out))
        .isEqualTo("inspect\n--method\npermutation-scaled\nnp-merge\n");
  }

  private static Cli.Run failed(Exception e) {
    StringWriter err = new StringWriter();
    CommandLine command = Main.commandLine().setErr(new PrintWriter(err));
    int code = new Failures().handleExecutionException(e, command, null);
    return new Cli.Run(code, "", err.toString());
  }

  @Test
  void everyKindOfFailureHasItsCode() {
    assertThat(failed(new IllegalArgumentException("m")))
        .isEqualTo(new Cli.Run(2, "", "merganser: m\n"));
    assertThat(failed(new IncompatibleModelsException("m", List.of("p"))))
        .isEqualTo(new Cli.Run(3, "", "merganser: m:\n  p\n"));
    assertThat(failed(new ShapeException("m"))).isEqualTo(new Cli.Run(3, "", "merganser: m\n"));
    assertThat(failed(new NumericalException("m"))).isEqualTo(new Cli.Run(4, "", "merganser: m\n"));
    assertThat(failed(new FormatException("m"))).isEqualTo(new Cli.Run(5, "", "merganser: m\n"));
    assertThat(failed(new IOException("m"))).isEqualTo(new Cli.Run(5, "", "merganser: m\n"));
    assertThat(failed(new UncheckedIOException(new IOException("m"))))
        .isEqualTo(new Cli.Run(5, "", "merganser: m\n"));
    assertThat(failed(new NoSuchFileException("f")))
        .isEqualTo(new Cli.Run(5, "", "merganser: f: no such file\n"));
    assertThat(failed(new AccessDeniedException("f")))
        .isEqualTo(new Cli.Run(5, "", "merganser: f: access denied\n"));
    assertThat(failed(new FileAlreadyExistsException("f")))
        .isEqualTo(new Cli.Run(5, "", "merganser: f: exists already, and is no folder\n"));
    assertThat(failed(new NativeLibraryException("m")))
        .isEqualTo(new Cli.Run(6, "", "merganser: m\n"));
    assertThat(failed(new CancelledException("cancelled")))
        .isEqualTo(new Cli.Run(130, "", "merganser: cancelled\n"));
  }

  @Test
  void whatTheOutputDoesNotTakeIsNoSuccess() {
    StringWriter err = new StringWriter();
    PrintWriter writer = new PrintWriter(err);
    assertThat(Failures.ofOutput(0, null, writer)).isZero();
    assertThat(Failures.ofOutput(3, new IOException("full"), writer)).isEqualTo(3);
    assertThat(Failures.ofOutput(0, new IOException("Broken pipe"), writer)).isEqualTo(141);
    assertThat(err.toString()).isEmpty();
    assertThat(Failures.ofOutput(0, new IOException("No space left on device"), writer))
        .isEqualTo(5);
    assertThat(err.toString())
        .isEqualTo("merganser: cannot write to standard output: No space left on device\n");
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

  @Test
  void aSizeThatDoesNotFitIsNoBug() {
    Exception tooLarge =
        assertThrows(ArithmeticException.class, () -> Math.toIntExact(3_000_000_000L));
    assertThat(failed(tooLarge))
        .isEqualTo(
            new Cli.Run(
                5,
                "",
                "merganser: a size in the input goes beyond what is handled (integer overflow)\n"));
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

  @Test
  void aBugAsksForAReportAndShowsItsTrace() {
    Cli.Run run = failed(new ArithmeticException("odd"));
    assertThat(run.code()).isEqualTo(70);
    assertThat(run.err())
        .startsWith("merganser: internal error, please report it with the output of 'merganser")
        .contains("java.lang.ArithmeticException: odd", "\tat org.merganser.cli.");
  }

  @Test
  void missingMemoryIsNoBug() {
    Cli.Run run =
        failed(new MerganserException("training failed", new OutOfMemoryError("Java heap space")));
    assertThat(run.code()).isEqualTo(71);
    assertThat(run.err())
        .startsWith("merganser: out of memory: the Java heap of ")
        .contains("MERGANSER_JAVA_OPTS=-Xmx8g")
        .doesNotContain("report");
    // Other memory than the heap is not called so.
    assertThat(failed(new MerganserException("native memory", new OutOfMemoryError("of 8 bytes"))))
        .isEqualTo(new Cli.Run(71, "", "merganser: native memory\n"));
    assertThat(failed(new IOException(new OutOfMemoryError("physicalBytes"))).err())
        .startsWith("merganser: native memory reached a limit of JavaCPP");
    assertThat(failed(new IOException(new OutOfMemoryError("Cannot reserve direct buffer memory"))))
        .isEqualTo(
            new Cli.Run(71, "", "merganser: out of memory: Cannot reserve direct buffer memory\n"));
  }

  /** JavaCPP throws the same error when its own limit is reached; the heap is not full then. */
  @Test
  void aLimitOfJavaCppIsNotCalledTheHeap() {
    for (String message :
        new String[] {
          "Physical memory usage is too high: physicalBytes (900M) > maxPhysicalBytes (800M)",
          "Failed to allocate memory within limits: totalBytes (1M + 9M) > maxBytes (8M)"
        }) {
      for (Exception cause :
          new Exception[] {
            new MerganserException("training failed", new OutOfMemoryError(message)),
            new IllegalStateException(new OutOfMemoryError(message))
          }) {
        Cli.Run run = failed(cause);
        assertThat(run.code()).isEqualTo(71);
        assertThat(run.err())
            .startsWith("merganser: native memory reached a limit of JavaCPP: ")
            .contains("-Dorg.bytedeco.javacpp.maxPhysicalBytes")
            .doesNotContain("heap of ", "report");
      }
    }
  }

  @Test
  void methodsAreListedWithTheirSettings() {
    Cli.Run all = Cli.run("methods");
    assertThat(all.code()).isZero();
    assertThat(all.out()).contains("aligners", "mergers", "repairs");
    Catalogue.kinds()
        .values()
        .forEach(
            kind ->
                kind.entries()
                    .forEach(entry -> assertThat(all.out()).contains("  " + entry.id() + " ")));
    assertThat(Cli.run("methods", "cca").out())
        .isEqualTo(
            """
            cca: features mapped through canonical correlations (CCA Merge)
            needs activations

              gamma=1
                  regulariser of both covariances
                  number at least 0

              unit=relative
                  gamma in mean variances of each side, or in units of variance as published
                  relative, absolute
            """);
    Cli.Run unknown = Cli.run("methods", "ccca");
    assertThat(unknown.code()).isEqualTo(2);
    assertThat(unknown.err()).contains("no method 'ccca'; there are identity, ");
  }
}
