// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.merganser.error.FormatException;
import org.merganser.io.GgufLlama;
import org.merganser.transformer.TransformerConfig;

/** Files that transfers are planted on: what is known of them before decoders are trained. */
class PlantedFilesTest {
  private static final long GIB = 1L << 30;

  @TempDir Path folder;

  @Test
  void whatFindingsDependOnIsTheBytes() throws IOException {
    Path file = GgufLlama.write(folder.resolve("a.gguf"), 1);
    Path same = GgufLlama.write(folder.resolve("b.gguf"), 1);
    Path other = GgufLlama.write(folder.resolve("c.gguf"), 2);
    assertThat(files(file).check()).isEqualTo(files(same).check());
    assertThat(files(file).check()).isNotEqualTo(files(other).check());
    assertThat(new PlantedFiles(Optional.empty(), Optional.empty()).check())
        .isEqualTo("skill-transfer none none");
  }

  private static PlantedFiles files(Path gguf) {
    return new PlantedFiles(Optional.empty(), Optional.of(gguf));
  }

  @Test
  void whatIsNoModelIsNamedBeforeAnythingIsTrained() throws IOException {
    Path file = Files.writeString(folder.resolve("no.gguf"), "GGUF");
    assertThatThrownBy(() -> files(file).check())
        .isInstanceOf(FormatException.class)
        .hasMessageStartingWith(file.toString());
  }

  @Test
  void modelsThatDoNotFitInMemoryAreRefused() {
    TransformerConfig large = TransformerConfig.llama(128_256, 4096, 32, 32, 8, 128, 14_336);
    assertThatThrownBy(() -> PlantedFiles.requireRoom("large", large, 64 * GIB, 16 * GIB))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage(
            "large: transfers planted on 8030261248 parameters take about 367596 MiB (48 bytes"
                + " each), and this machine has 65536 MiB; give a smaller model");
    assertThatThrownBy(() -> PlantedFiles.requireRoom("large", large, 512 * GIB, 4 * GIB))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage(
            "large: a tensor of 525336576 values takes about 8016 MiB of the heap, which has 4096"
                + " MiB; give more with -Xmx, or a smaller model");
    PlantedFiles.requireRoom("large", large, 512 * GIB, 16 * GIB);
  }
}
