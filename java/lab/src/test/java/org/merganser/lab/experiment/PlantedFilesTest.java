// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.merganser.error.FormatException;
import org.merganser.io.GgufBytes;
import org.merganser.transformer.TransformerConfig;

/** Files that transfers are planted on: what is known of them before decoders are trained. */
class PlantedFilesTest {
  private static final long GIB = 1L << 30;

  @TempDir Path folder;

  /** A llama of 2 layers with random weights. */
  static Path gguf(Path file, long seed) throws IOException {
    SplittableRandom random = new SplittableRandom(seed);
    GgufBytes bytes =
        new GgufBytes()
            .value("general.architecture", "llama")
            .value("llama.block_count", 2)
            .value("llama.embedding_length", 32)
            .value("llama.feed_forward_length", 48)
            .value("llama.context_length", 128)
            .value("llama.vocab_size", 64)
            .value("llama.attention.head_count", 4)
            .value("llama.attention.head_count_kv", 2)
            .value("llama.rope.dimension_count", 8)
            .value("llama.attention.layer_norm_rms_epsilon", 6, GgufBytes.floats(1e-5f))
            .value("llama.rope.freq_base", 6, GgufBytes.floats(1e4f));
    add(bytes, "token_embd", random, 32, 64);
    add(bytes, "output", random, 32, 64);
    add(bytes, "output_norm", random, 32);
    for (int layer = 0; layer < 2; layer++) {
      String block = "blk." + layer + ".";
      add(bytes, block + "attn_norm", random, 32);
      add(bytes, block + "ffn_norm", random, 32);
      add(bytes, block + "attn_q", random, 32, 32);
      add(bytes, block + "attn_k", random, 32, 16);
      add(bytes, block + "attn_v", random, 32, 16);
      add(bytes, block + "attn_output", random, 32, 32);
      add(bytes, block + "ffn_gate", random, 32, 48);
      add(bytes, block + "ffn_up", random, 32, 48);
      add(bytes, block + "ffn_down", random, 48, 32);
    }
    return bytes.write(file);
  }

  private static void add(GgufBytes bytes, String name, SplittableRandom random, long... sizes) {
    float[] values = new float[(int) (sizes.length == 1 ? sizes[0] : sizes[0] * sizes[1])];
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) (random.nextDouble() - 0.5) + (sizes.length == 1 ? 1 : 0);
    }
    bytes.tensor(name + ".weight", 0, GgufBytes.floats(values), sizes);
  }

  @Test
  void whatFindingsDependOnIsTheBytes() throws IOException {
    Path file = gguf(folder.resolve("a.gguf"), 1);
    Path same = gguf(folder.resolve("b.gguf"), 1);
    Path other = gguf(folder.resolve("c.gguf"), 2);
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
