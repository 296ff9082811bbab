// SPDX-License-Identifier: Apache-2.0
package org.merganser.io;

import java.io.IOException;
import java.nio.file.Path;
import java.util.SplittableRandom;

/** A small model as a GGUF file whose header says everything. */
public final class GgufLlama {
  private GgufLlama() {}

  /** A llama of 2 layers with random weights. */
  public static Path write(Path file, long seed) throws IOException {
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
}
