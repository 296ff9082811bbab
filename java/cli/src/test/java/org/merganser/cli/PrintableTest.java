// SPDX-License-Identifier: Apache-2.0
package org.merganser.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.io.PrintWriter;
import java.nio.charset.Charset;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.merganser.compute.Workspace;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.io.Safetensors;
import org.merganser.linalg.Tensor;

/** Nothing that a file holds reaches the terminal as a command. */
class PrintableTest {
  @TempDir Path temp;

  private static String printed(String text, Charset charset) {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    PrintWriter writer = new PrintWriter(new Printable(bytes, charset));
    writer.print(text);
    writer.flush();
    return bytes.toString(charset);
  }

  @ParameterizedTest
  @CsvSource({
    "'plain text, 漢字 and 😀', 'plain text, 漢字 and 😀'",
    "'\u001b[31mred\u0007', '\\u001b[31mred\\u0007'",
    "'\u009b2J', '\\u009b2J'",
    "'ab\u0008c\u007f', 'ab\\u0008c\\u007f'",
    "'a\u202etxt.exe', 'a\\u202etxt.exe'",
    "'\u2066a\u2069 b\u200bc\ufeffd', '\\u2066a\\u2069 b\\u200bc\\ufeffd'",
    "'a\u2028b', 'a\\u2028b'",
    "'\udb40\udc41', '\\udb40\\udc41'"
  })
  void whatActsOnATerminalIsEscaped(String text, String shown) {
    assertThat(printed(text, StandardCharsets.UTF_8)).isEqualTo(shown);
    assertThat(Printable.line(text)).isEqualTo(shown);
  }

  @Test
  void layoutPassesButNotInANameOnALine() {
    assertThat(printed("a\n\tb\r", StandardCharsets.UTF_8)).isEqualTo("a\n\tb\\u000d");
    assertThat(Printable.line("a\n\tb\r")).isEqualTo("a\\u000a\\u0009b\\u000d");
  }

  @Test
  void whatCannotBeEncodedIsEscaped() {
    String lone = new String(new char[] {'x', '\ud800', 'y'});
    assertThat(printed(lone, StandardCharsets.UTF_8)).isEqualTo("x\\ud800y");
    assertThat(printed("ä漢", StandardCharsets.US_ASCII)).isEqualTo("\\u00e4\\u6f22");
    assertThat(printed("ä漢", StandardCharsets.ISO_8859_1)).isEqualTo("ä\\u6f22");
  }

  @Test
  void theFirstFailureIsKept() {
    Printable out =
        new Printable(
            new OutputStream() {
              private int calls;

              @Override
              public void write(int b) throws IOException {
                throw new IOException("failure " + ++calls);
              }
            },
            StandardCharsets.UTF_8);
    PrintWriter writer = new PrintWriter(out);
    assertThat(out.failure()).isNull();
    writer.print("a");
    writer.print("b");
    assertThat(out.failure()).hasMessage("failure 1");
  }

  @Test
  void namesInFilesAreShownOnOneLineWithoutTheirEscapes() throws IOException {
    String evil = "w\u001b]0;owned\u0007\nwrote all is well\u202e";
    Path file = temp.resolve("evil.safetensors");
    try (Workspace ws = Workspace.builder().threads(1).open();
        MemoryCheckpoint checkpoint =
            MemoryCheckpoint.of(new LinkedHashMap<>(Map.of(evil, Tensor.of(new float[1], 1))))) {
      Safetensors.write(checkpoint, Map.of("note" + evil, evil), file, ws);
    }
    Cli.Run run = Cli.run("inspect", file);
    assertThat(run.code()).isZero();
    assertThat(run.out().lines()).hasSize(4);
    assertThat(run.out()).contains("w\\u001b]0;owned\\u0007\\u000awrote all is well\\u202e");

    Path builder = temp.resolve("builder.json");
    Files.writeString(
        builder,
        "{\"spaces\": [{\"id\": \"s\", \"width\": 1, \"bindings\": [{\"tensor\":"
            + " \"x\\u001b[2Jfine\", \"axis\": 0, \"role\": \"bias\"}]}]}");
    Cli.Run refused =
        Cli.run(
            "merge",
            file,
            file,
            "--method",
            "permutation",
            "--architecture",
            builder,
            "--stats",
            "none",
            "-o",
            temp.resolve("out.safetensors"));
    assertThat(refused.code()).isEqualTo(3);
    assertThat(refused.err()).contains("no tensor 'x\\u001b[2Jfine'");
    assertThat(Cli.run("inspect", temp.resolve("no\u001b[1m\nfile")).err())
        .isEqualTo("merganser: " + temp + "/no\\u001b[1m\\u000afile: no such file\n");
  }
}
