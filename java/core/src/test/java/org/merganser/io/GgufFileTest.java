// SPDX-License-Identifier: Apache-2.0
package org.merganser.io;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeFalse;
import static org.merganser.io.GgufBytes.floats;
import static org.merganser.testing.Work.WS;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.merganser.compute.DType;
import org.merganser.linalg.Tensor;
import org.merganser.testing.Close;

/** Files of GGUF have the tensors that the gguf package reads from them, to the bit. */
class GgufFileTest {
  @TempDir private Path folder;

  @ParameterizedTest
  @ValueSource(strings = {"llama", "qwen3"})
  void whatTheGgufPackageReads(String name) throws IOException {
    SplittableRandom random = new SplittableRandom(16);
    try (Checkpoint read = Safetensors.open(GgufBytes.fixture(name + ".gguf"));
        Checkpoint expected = Safetensors.open(GgufBytes.fixture(name + ".safetensors"))) {
      Checkpoint wide = read.as(DType.F32);
      Checkpoint other = expected.as(DType.F32);
      assertThat(wide.tensors()).containsExactlyInAnyOrderEntriesOf(other.tensors());
      for (Map.Entry<String, TensorInfo> each : wide.tensors().entrySet()) {
        long size = each.getValue().size();
        compare(wide, other, each.getKey(), 0, size);
        for (int i = 0; i < 20; i++) {
          long from = random.nextLong(size + 1);
          compare(wide, other, each.getKey(), from, from + random.nextLong(size + 1 - from));
        }
      }
    }
  }

  private static void compare(Checkpoint a, Checkpoint b, String name, long from, long to)
      throws IOException {
    try (Tensor found = Tensor.allocate(DType.F32, to - from);
        Tensor wanted = Tensor.allocate(DType.F32, to - from)) {
      a.readRange(name, from, to, found, WS);
      b.readRange(name, from, to, wanted, WS);
      Close.bitwise(name, found, wanted);
    }
  }

  @Test
  void typesBlocksAndMetadata() throws IOException {
    try (Checkpoint read = Safetensors.open(GgufBytes.fixture("llama.gguf"))) {
      String layer = "model.layers.0.";
      assertThat(read.info("model.embed_tokens.weight"))
          .isEqualTo(TensorInfo.of(DType.F32, 24, 64));
      assertThat(read.info("lm_head.weight").dtype()).isEqualTo(DType.F16);
      assertThat(read.info(layer + "self_attn.o_proj.weight"))
          .isEqualTo(TensorInfo.of(DType.BF16, 64, 32));
      assertThat(read.block("lm_head.weight")).isEqualTo(1);
      assertThat(read.block(layer + "self_attn.q_proj.weight")).isEqualTo(64);
      assertThat(read.block(layer + "self_attn.k_proj.weight")).isEqualTo(64);
      assertThat(read.block(layer + "self_attn.q_proj.bias")).isEqualTo(1);
      assertThat(read.block(layer + "mlp.down_proj.weight")).isEqualTo(512);
      assertThat(read.metadata())
          .containsEntry("general.architecture", "llama")
          .containsEntry("llama.attention.head_count", "4")
          .containsEntry("llama.rope.freq_base", "10000.0")
          .containsEntry("tokenizer.ggml.add_bos_token", "true")
          .containsEntry("tokenizer.chat_template", "{{ messages }}")
          .doesNotContainKey("tokenizer.ggml.tokens");
    }
  }

  /** The goldens of the formats; -0 keeps its sign. */
  @Test
  void blocksByHand() throws IOException {
    byte[] q4 = new byte[18];
    byte[] q41 = new byte[20];
    byte[] q8 = new byte[34];
    byte[] q6 = new byte[210];
    q4[1] = (byte) 0xbc;
    q41[1] = 0x3c;
    q41[3] = (byte) 0xbc;
    q8[1] = 0x38;
    q6[209] = 0x3c;
    float[] four = new float[32];
    float[] fourOne = new float[32];
    float[] eight = new float[32];
    for (int i = 0; i < 16; i++) {
      q4[2 + i] = (byte) (i | (15 - i) << 4);
      q41[4 + i] = q4[2 + i];
      fourOne[i] = i - 1;
      fourOne[16 + i] = 14 - i;
      four[i] = -1f * (i - 8);
      four[16 + i] = -1f * (7 - i);
    }
    for (int i = 0; i < 32; i++) {
      q8[2 + i] = (byte) (8 * i - 128);
      eight[i] = 0.5f * (8 * i - 128);
    }
    for (int i = 0; i < 128; i++) {
      q6[i] = (byte) (7 * i + 3);
      q6[128 + i / 2] = (byte) (13 * (i / 2) + 5);
      q6[192 + i / 8] = (byte) (i / 8 - 8);
    }
    Path file =
        new GgufBytes()
            .tensor("q4_0", 2, q4, 32)
            .tensor("q4_1", 3, q41, 32, 1)
            .tensor("q8_0", 8, q8, 32)
            .tensor("q6_k", 14, q6, 256)
            .write(folder.resolve("m.gguf"));
    try (Checkpoint read = Safetensors.open(file)) {
      assertThat(values(read, "q4_0")).containsExactly(four);
      assertThat(Float.floatToRawIntBits(values(read, "q4_0")[8])).isEqualTo(0x80000000);
      assertThat(values(read, "q4_1")).containsExactly(fourOne);
      assertThat(values(read, "q8_0")).containsExactly(eight);
      float[] six = values(read, "q6_k");
      assertThat(six).startsWith(104, -80, -136, 192);
      float sum = 0;
      for (int i = 0; i < 256; i++) {
        sum += six[i];
        assertThat(i < 128 || i > 131 || six[i] == 0).isTrue();
      }
      assertThat(sum).isEqualTo(176);
    }
  }

  private static float[] values(Checkpoint read, String name) throws IOException {
    try (Tensor tensor = read.read(name, WS);
        Tensor wide = tensor.to(DType.F32, WS);
        Tensor host = wide.toHost(WS)) {
      return host.toFloatArray();
    }
  }

  /** A head of 8 rows; keys have fewer heads, or as many where that is not said. */
  @ParameterizedTest
  @CsvSource({"true, 1", "false, 2"})
  void rowsOfQueriesAndKeys(boolean said, int heads) throws IOException {
    GgufBytes bytes =
        new GgufBytes()
            .value("general.architecture", "llama")
            .value("llama.attention.head_count", 2);
    if (said) {
      bytes.value("llama.attention.head_count_kv", 1);
    }
    float[] rows = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    Path file =
        bytes
            .tensor("blk.0.attn_q.bias", 0, floats(rows), 16)
            .tensor("blk.0.attn_k.weight", 0, floats(rows), 2, 8)
            .tensor("blk.0.attn_v.weight", 0, floats(rows), 2, 8)
            .write(folder.resolve("m.gguf"));
    String attention = "model.layers.0.self_attn.";
    try (Checkpoint read = Safetensors.open(folder)) {
      assertThat(read).hasToString(file.toString());
      assertThat(values(read, attention + "q_proj.bias"))
          .containsExactly(0, 2, 4, 6, 1, 3, 5, 7, 8, 10, 12, 14, 9, 11, 13, 15);
      assertThat(values(read, attention + "v_proj.weight")).containsExactly(rows);
      assertThat(values(read, attention + "k_proj.weight"))
          .containsExactly(
              heads == 1
                  ? new float[] {0, 1, 4, 5, 8, 9, 12, 13, 2, 3, 6, 7, 10, 11, 14, 15}
                  : new float[] {0, 1, 4, 5, 2, 3, 6, 7, 8, 9, 12, 13, 10, 11, 14, 15});
    }
  }

  /** Gemma multiplies by 1 + w; llama.cpp stores 1 + w. */
  @Test
  void normsOfGemma() throws IOException {
    Path file =
        new GgufBytes()
            .value("general.architecture", "gemma2")
            .tensor("blk.0.ffn_norm.weight", 0, floats(1.5f, 1), 2)
            .tensor("blk.0.post_ffw_norm.weight", 0, floats(1, 0.25f), 2)
            .tensor("blk.0.ffn_up.weight", 0, floats(1, 2), 2, 1)
            .write(folder.resolve("m.gguf"));
    try (Checkpoint read = Safetensors.open(file)) {
      assertThat(values(read, "model.layers.0.pre_feedforward_layernorm.weight"))
          .containsExactly(0.5f, 0);
      assertThat(values(read, "model.layers.0.post_feedforward_layernorm.weight"))
          .containsExactly(0, -0.75f);
      assertThat(values(read, "model.layers.0.mlp.up_proj.weight")).containsExactly(1, 2);
    }
  }

  @Test
  void anotherAlignmentAndVersion() throws IOException {
    Path file =
        new GgufBytes()
            .version(2)
            .value("general.alignment", 8)
            .tensor("a", 0, floats(1), 1)
            .tensor("b", 30, new byte[] {(byte) 0x80, 0x3f}, 1)
            .write(folder.resolve("m.gguf"));
    try (Checkpoint read = Safetensors.open(file)) {
      assertThat(values(read, "a")).containsExactly(1);
      assertThat(values(read, "b")).containsExactly(1);
    }
  }

  /** Names of what is not known stay; what follows from the configuration is left out. */
  @Test
  void otherArchitectures() throws IOException {
    Path file =
        new GgufBytes()
            .value("general.architecture", "granite")
            .tensor("rope_freqs.weight", 0, floats(1), 1)
            .tensor("blk.0.attn_q.weight", 0, floats(1, 2), 1, 2)
            .write(folder.resolve("m.gguf"));
    try (Checkpoint read = Safetensors.open(file)) {
      assertThat(read.tensors()).containsOnlyKeys("blk.0.attn_q.weight");
      assertThat(read.metadata()).containsEntry("merganser.left-out", "rope_freqs.weight");
    }
  }

  /** As safetensors the same model, with F32 where it was quantised. */
  @Test
  void written() throws IOException {
    Path out = folder.resolve("out.safetensors");
    try (Checkpoint read = Safetensors.open(GgufBytes.fixture("llama.gguf"))) {
      Safetensors.write(read, out, WS);
      try (Checkpoint again = Safetensors.open(out)) {
        assertThat(again.tensors()).containsExactlyInAnyOrderEntriesOf(read.tensors());
        assertThat(again.metadata()).containsEntry("general.architecture", "llama");
        String name = "model.layers.11.self_attn.q_proj.weight";
        compare(again, read, name, 0, read.info(name).size());
      }
    }
  }

  /** A model of someone's: {@code -Dmerganser.gguf=PATH}. */
  @Test
  void aFileOnThisMachine() throws IOException {
    String path = System.getProperty("merganser.gguf", "");
    assumeFalse(path.isEmpty(), "skipped: -Dmerganser.gguf=PATH names no file");
    try (ModelDirectory model = ModelDirectory.open(Path.of(path))) {
      Checkpoint read = model.checkpoint();
      String architecture = read.metadata().get("general.architecture");
      assertThat(read.tensors().keySet())
          .allMatch(name -> name.startsWith("model.") || name.startsWith("lm_head."));
      assertThat(read.metadata())
          .containsEntry(architecture + ".block_count", String.valueOf(model.layers()));
      for (Map.Entry<String, TensorInfo> each : read.tensors().entrySet()) {
        try (Tensor tensor = read.read(each.getKey(), WS);
            Tensor wide = tensor.to(DType.F32, WS)) {
          double largest = 0;
          for (float value : wide.toFloatArray()) {
            largest = Math.max(largest, Math.abs((double) value));
          }
          assertThat(largest).as(each.getKey()).isPositive().isLessThan(1e4);
        }
      }
    }
  }

  @Test
  void readingWhatIsClosed() throws IOException {
    Path file = folder.resolve("m.gguf");
    Files.copy(GgufBytes.fixture("llama.gguf"), file);
    Checkpoint read = Safetensors.open(file);
    read.close();
    assertThatThrownBy(() -> read.read("lm_head.weight", WS))
        .isInstanceOf(IllegalStateException.class)
        .hasMessageContaining("already closed");
  }
}
