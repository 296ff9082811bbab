// SPDX-License-Identifier: Apache-2.0
package org.merganser.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.io.UncheckedIOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.merganser.align.Alignment;
import org.merganser.align.CcaAligner;
import org.merganser.align.ScaledPermutation;
import org.merganser.compute.Workspace;
import org.merganser.error.CancelledException;
import org.merganser.error.FormatException;
import org.merganser.error.IncompatibleModelsException;
import org.merganser.error.MerganserException;
import org.merganser.error.NativeLibraryException;
import org.merganser.error.NumericalException;
import org.merganser.error.ShapeException;
import org.merganser.io.Checkpoint;
import org.merganser.io.Safetensors;
import org.merganser.model.LinearStack;
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
  void alignByCcaGivesTheSameBytesAgain() throws IOException {
    Path first = temp.resolve("first.mgalign");
    Path second = temp.resolve("second.mgalign");
    assertThat(align("cca", first).code()).isZero();
    assertThat(align("cca", second).code()).isZero();
    assertThat(Files.mismatch(first, second)).isEqualTo(-1);
    assertThat(Cli.run("inspect", first).out()).startsWith("method cca\n").contains("approximate");
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
        .endsWith("a plain stack of linear layers with spaces [fc1]\n");
  }

  @Test
  void inspectSaysWhenABuilderFileIsNeeded() throws IOException {
    Path lone =
        files.model(
            "lone",
            java.util.Map.of(
                "conv.weight", org.merganser.linalg.Tensor.of(new float[16], 2, 2, 2, 2)));
    assertThat(Cli.run("inspect", lone).out())
        .endsWith("aligning it needs a builder file (--architecture)\n");
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
    assertThat(run.err()).contains(plain + ": no alignment of version 1 (format pt)");
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
    assertThat(Cli.run("--version").out()).matches("merganser \\d+\\.\\d+\\.\\d+\\S*\n");
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
  void aBugAsksForAReportAndShowsItsTrace() {
    Cli.Run run = failed(new ArithmeticException("odd"));
    assertThat(run.code()).isEqualTo(70);
    assertThat(run.err())
        .startsWith("merganser: internal error, please report it with the output of 'merganser")
        .contains("java.lang.ArithmeticException: odd", "\tat org.merganser.cli.");
  }

  @Test
  void aFullHeapIsNoBug() {
    Cli.Run run =
        failed(new MerganserException("training failed", new OutOfMemoryError("Java heap space")));
    assertThat(run.code()).isEqualTo(70);
    assertThat(run.err())
        .startsWith("merganser: out of memory: the Java heap of ")
        .contains("MERGANSER_JAVA_OPTS=-Xmx8g")
        .doesNotContain("report");
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
        assertThat(run.code()).isEqualTo(6);
        assertThat(run.err())
            .startsWith("merganser: native memory reached a limit of JavaCPP: ")
            .contains("-Dorg.bytedeco.javacpp.maxPhysicalBytes")
            .doesNotContain("heap of ", "report");
      }
    }
  }
}
