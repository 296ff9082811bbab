// SPDX-License-Identifier: Apache-2.0
package org.merganser.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.io.UncheckedIOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.NoSuchFileException;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.merganser.error.CancelledException;
import org.merganser.error.FormatException;
import org.merganser.error.IncompatibleModelsException;
import org.merganser.error.MerganserException;
import org.merganser.error.NativeLibraryException;
import org.merganser.error.NumericalException;
import org.merganser.error.ShapeException;
import picocli.CommandLine;

class FailuresTest {
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
}
