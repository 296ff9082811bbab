// SPDX-License-Identifier: Apache-2.0
package org.merganser.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Every command takes a file of torch.save where it takes safetensors, with the same result. */
class TorchModelsTest {
  private static final String[] SUFFIXES = {".pt", ".safetensors"};

  @TempDir Path temp;

  @BeforeEach
  void copy() throws IOException, URISyntaxException {
    for (String name : new String[] {"a", "b"}) {
      for (String suffix : SUFFIXES) {
        Path from = Path.of(getClass().getResource("/torch/" + name + suffix).toURI());
        Files.copy(from, temp.resolve(name + suffix));
      }
    }
  }

  /** In the order of the file, which is that of the module for torch. */
  @Test
  void inspect() {
    Cli.Run torch = Cli.run("inspect", temp.resolve("a.pt"));
    Cli.Run same = Cli.run("inspect", temp.resolve("a.safetensors"));
    assertThat(torch.code()).isZero();
    assertThat(torch.out().lines().sorted())
        .containsExactlyElementsOf(same.out().lines().sorted().toList());
    assertThat(torch.out()).containsSubsequence("fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias");
  }

  @Test
  void mergeAndApply() throws IOException {
    Files.createDirectory(temp.resolve("out"));
    for (String suffix : SUFFIXES) {
      Path a = temp.resolve("a" + suffix);
      Path b = temp.resolve("b" + suffix);
      Path merged = temp.resolve("out/merged" + suffix + ".safetensors");
      Cli.Run merge = Cli.run("merge", a, b, "--method", "identity", "-o", merged);
      assertThat(merge.err()).isEmpty();
      assertThat(merge.code()).isZero();
      Path maps = temp.resolve("out/maps" + suffix + ".mgalign");
      assertThat(Cli.run("align", a, b, "--method", "identity", "-o", maps).code()).isZero();
      Path mapped = temp.resolve("out/mapped" + suffix + ".safetensors");
      assertThat(Cli.run("apply", maps, b, "-o", mapped).code()).isZero();
    }
    for (String name : new String[] {"merged", "mapped"}) {
      assertThat(temp.resolve("out/" + name + ".pt.safetensors"))
          .hasSameBinaryContentAs(temp.resolve("out/" + name + ".safetensors.safetensors"));
    }
  }

  @Test
  void aModelIsNotWrittenOver() {
    Path a = temp.resolve("a.pt");
    Cli.Run run = Cli.run("merge", a, temp.resolve("b.pt"), "--method", "identity", "-o", a);
    assertThat(run.code()).isEqualTo(2);
    assertThat(run.err()).contains("is one of the models");
  }
}
