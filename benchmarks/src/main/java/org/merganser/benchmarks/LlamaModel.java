// SPDX-License-Identifier: Apache-2.0
package org.merganser.benchmarks;

import java.io.IOException;
import java.nio.ByteOrder;
import java.nio.ShortBuffer;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.io.CheckpointView;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.io.TensorInfo;
import org.merganser.linalg.Tensor;

/**
 * A model in the layout of Llama in BF16, whose parameters follow from their places: a base of
 * normal ones of standard deviation 0.02, and fine-tuned ones that differ from it by a twentieth of
 * that.
 */
final class LlamaModel extends CheckpointView {
  private static final float[] NORMAL = normal();

  private final int variant;

  /**
   * @param variant 0 for the base
   */
  LlamaModel(int layers, int width, int hidden, int vocabulary, int variant) {
    super(tensors(layers, width, hidden, vocabulary), List.of(MemoryCheckpoint.of(Map.of())));
    this.variant = variant;
  }

  /** 0.36 billion parameters. */
  static LlamaModel usual(int variant) {
    return new LlamaModel(32, 960, 2560, 49152, variant);
  }

  private static float[] normal() {
    SplittableRandom random = new SplittableRandom(1);
    float[] values = new float[1 << 16];
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) (0.02 * random.nextGaussian());
    }
    return values;
  }

  private static Map<String, TensorInfo> tensors(
      int layers, int width, int hidden, int vocabulary) {
    int keys = width / 3;
    Map<String, TensorInfo> all = new LinkedHashMap<>();
    all.put("model.embed_tokens.weight", bf16(vocabulary, width));
    for (int i = 0; i < layers; i++) {
      String layer = "model.layers." + i + ".";
      all.put(layer + "input_layernorm.weight", bf16(width));
      all.put(layer + "mlp.down_proj.weight", bf16(width, hidden));
      all.put(layer + "mlp.gate_proj.weight", bf16(hidden, width));
      all.put(layer + "mlp.up_proj.weight", bf16(hidden, width));
      all.put(layer + "post_attention_layernorm.weight", bf16(width));
      all.put(layer + "self_attn.k_proj.weight", bf16(keys, width));
      all.put(layer + "self_attn.o_proj.weight", bf16(width, width));
      all.put(layer + "self_attn.q_proj.weight", bf16(width, width));
      all.put(layer + "self_attn.v_proj.weight", bf16(keys, width));
    }
    all.put("model.norm.weight", bf16(width));
    return all;
  }

  private static TensorInfo bf16(long... shape) {
    return TensorInfo.of(DType.BF16, shape);
  }

  @Override
  public long block(String name) {
    return 1;
  }

  @Override
  protected void fill(String name, long from, long to, Tensor into, Workspace ws)
      throws IOException {
    long key = name.hashCode() * 0x9E3779B97F4A7C15L;
    ShortBuffer out =
        into.memory()
            .buffer(0, Math.toIntExact(into.bytes()))
            .order(ByteOrder.LITTLE_ENDIAN)
            .asShortBuffer();
    for (long i = from; i < to; i++) {
      long bits = (key + i) * 0xBF58476D1CE4E5B9L;
      bits = (bits ^ bits >>> 30) * 0x94D049BB133111EBL;
      float value = NORMAL[(int) (bits >>> 48)];
      if (variant > 0) {
        value += 0.05f * NORMAL[(int) (bits >>> 4 * variant) & 0xffff];
      }
      out.put((short) (Float.floatToRawIntBits(value) + 0x8000 >>> 16));
    }
  }
}
