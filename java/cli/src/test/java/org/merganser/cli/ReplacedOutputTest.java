// SPDX-License-Identifier: Apache-2.0
package org.merganser.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Locale;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What becomes of a file that is there already, and of a name that promises another. */
class ReplacedOutputTest {
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
  void replacesAnOlderModelAndSaysSo() throws IOException {
    assertThat(merge("permutation", "a", "c").out()).contains("\nwrote " + out + ": 4 tensors");
    Cli.Run run = merge("permutation", "a", "b");
    assertThat(run.code()).isZero();
    assertThat(run.out()).contains("\nreplaced " + out + ": 4 tensors").doesNotContain("wrote");
    assertThat(Files.mismatch(out, files.model("a"))).isEqualTo(-1);
    // As mktemp leaves it.
    Files.write(out, new byte[0]);
    assertThat(merge("permutation", "a", "b").out()).contains("\nwrote " + out);
  }

  @Test
  void anOutputThatIsNoModelIsReplacedOnlyByForce() throws IOException {
    Object[] args = {
      "merge", files.model("a"), files.model("a"), "--method", "identity", "-o", out, "--force"
    };
    byte[] maps = Files.readAllBytes(aligned("b-to-a.mgalign"));
    for (byte[] older : new byte[][] {"notes".getBytes(StandardCharsets.UTF_8), maps}) {
      Files.write(out, older);
      Cli.Run refused = Cli.run(Arrays.copyOf(args, args.length - 1));
      assertThat(refused)
          .isEqualTo(
              new Cli.Run(
                  2,
                  "",
                  "merganser: -o "
                      + out
                      + " exists and is not a checkpoint; choose another name, or replace it with"
                      + " --force\n"));
      assertThat(Files.readAllBytes(out)).isEqualTo(older);
      Cli.Run forced = Cli.run(args);
      assertThat(forced.code()).isZero();
      assertThat(forced.out()).startsWith("replaced " + out);
      assertThat(Files.mismatch(out, files.model("a"))).isEqualTo(-1);
    }
  }

  private Path aligned(String name) {
    Path maps = temp.resolve(name);
    Cli.Run run =
        Cli.run(
            "align",
            files.model("a"),
            files.model("b"),
            "--method",
            "permutation",
            "--activations-a",
            files.activations("a"),
            "--activations-b",
            files.activations("b"),
            "-o",
            maps);
    assertThat(run.code()).isZero();
    return maps;
  }

  private void assertRefused(Cli.Run run, int code, String message) {
    assertThat(run.err()).isEqualTo("merganser: " + message + "\n");
    assertThat(run.code()).isEqualTo(code);
    assertThat(run.out()).doesNotContain("wrote");
  }

  @ParameterizedTest
  @CsvSource({
    "merge, model.pt, a checkpoint (*.safetensors), model.safetensors",
    "merge, model.PTH, a checkpoint (*.safetensors), model.safetensors",
    "merge, pytorch_model.bin, a checkpoint (*.safetensors), pytorch_model.safetensors",
    "merge, a.b.npz, a checkpoint (*.safetensors), a.b.safetensors",
    "merge, b-to-a.mgalign, a checkpoint (*.safetensors), b-to-a.safetensors",
    "align, b-to-a.safetensors, a set of maps (*.mgalign), b-to-a.mgalign",
    "align, b-to-a.pt, a set of maps (*.mgalign), b-to-a.mgalign",
    "apply, model.onnx, a checkpoint (*.safetensors), model.safetensors"
  })
  void anOutputNamedAsAnotherKindOfFile(String command, String name, String kind, String better) {
    Path target = temp.resolve(name);
    String suffix = name.substring(name.lastIndexOf('.')).toLowerCase(Locale.ROOT);
    assertRefused(
        Cli.run(command, files.model("a"), files.model("c"), "-o", target),
        2,
        "-o "
            + target
            + ": the output is "
            + kind
            + ", no "
            + suffix
            + " file; use -o "
            + temp.resolve(better));
    assertThat(target).doesNotExist();
  }
}
