// SPDX-License-Identifier: Apache-2.0
package org.merganser.benchmarks;

import java.io.IOException;
import java.nio.ByteOrder;
import java.nio.ShortBuffer;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SplittableRandom;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.internal.kernel.Block;
import org.merganser.io.CheckpointView;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.io.TensorInfo;
import org.merganser.linalg.Tensor;
import org.merganser.transformer.TransformerConfig;
import org.merganser.transformer.TransformerConfig.Llama3Scaling;
import org.merganser.transformer.TransformerConfig.Rope;

/**
 * A transformer of the size of a published one, in BF16, whose weights follow from their places:
 * normal ones of standard deviation 0.02. A relative of it has its hidden units in another order,
 * and noise; a stranger has nothing in common with it.
 */
final class SyntheticTransformer extends CheckpointView {
  /** Of a relative: share of the standard deviation. */
  private static final float NOISE = 0.1f;

  private static final float[] NORMAL = normal();

  /** How a model stands to the base. */
  enum Kinship {
    BASE,
    /** The base and noise. */
    CHILD,
    /** The base with its hidden units moved, and noise. */
    RELATIVE,
    STRANGER
  }

  private final TransformerConfig config;
  private final Kinship kinship;
  private final int[][] units;

  SyntheticTransformer(TransformerConfig config, Kinship kinship) {
    super(tensors(config), List.of(MemoryCheckpoint.of(Map.of())));
    this.config = config;
    this.kinship = kinship;
    this.units = new int[config.layers()][];
    for (int layer = 0; layer < units.length; layer++) {
      units[layer] = order(config.intermediate(), layer + 1);
    }
  }

  /** By name, in the order of size. */
  static TransformerConfig config(String name) {
    return switch (name) {
      case "smollm2-135m" -> llama(49152, 576, 30, 9, 3, 64, 1536, true, Rope.of(1e5));
      case "qwen2.5-0.5b" -> qwen(151936, 896, 24, 14, 2, 64, 4864, true);
      case "llama-3.2-1b" -> llama(128256, 2048, 16, 32, 8, 64, 8192, true, llama3(32));
      case "qwen2.5-1.5b" -> qwen(151936, 1536, 28, 12, 2, 128, 8960, true);
      case "mistral-7b" -> llama(32000, 4096, 32, 32, 8, 128, 14336, false, Rope.of(1e4));
      case "qwen2.5-7b" -> qwen(152064, 3584, 28, 28, 4, 128, 18944, false);
      case "llama-3.1-8b" -> llama(128256, 4096, 32, 32, 8, 128, 14336, false, llama3(8));
      case "llama-3.1-70b" -> llama(128256, 8192, 80, 64, 8, 128, 28672, false, llama3(8));
      default ->
          throw new UsageException(
              "no model "
                  + name
                  + "; there are smollm2-135m, qwen2.5-0.5b, llama-3.2-1b, qwen2.5-1.5b, mistral-7b,"
                  + " qwen2.5-7b, llama-3.1-8b, llama-3.1-70b");
    };
  }

  private static TransformerConfig llama(
      int vocabulary,
      int hidden,
      int layers,
      int heads,
      int keyValueHeads,
      int headSize,
      int intermediate,
      boolean tied,
      Rope rope) {
    return TransformerConfig.llama(
            vocabulary, hidden, layers, heads, keyValueHeads, headSize, intermediate)
        .with("tied", tied)
        .with("rope", Optional.of(rope));
  }

  private static TransformerConfig qwen(
      int vocabulary,
      int hidden,
      int layers,
      int heads,
      int keyValueHeads,
      int headSize,
      int intermediate,
      boolean tied) {
    return llama(
            vocabulary,
            hidden,
            layers,
            heads,
            keyValueHeads,
            headSize,
            intermediate,
            tied,
            Rope.of(1e6))
        .with("modelType", "qwen2")
        .with("attentionBias", true)
        .with("epsilon", 1e-6);
  }

  private static Rope llama3(double factor) {
    return new Rope(5e5, Optional.of(new Llama3Scaling(factor, 1, 4, 8192)));
  }

  private static float[] normal() {
    SplittableRandom random = new SplittableRandom(1);
    float[] values = new float[1 << 16];
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) (0.02 * random.nextGaussian());
    }
    return values;
  }

  private static int[] order(int n, long seed) {
    SplittableRandom random = new SplittableRandom(seed);
    int[] order = new int[n];
    for (int i = 0; i < n; i++) {
      int j = random.nextInt(i + 1);
      order[i] = order[j];
      order[j] = i;
    }
    return order;
  }

  private static Map<String, TensorInfo> tensors(TransformerConfig config) {
    long d = config.hidden();
    long queries = (long) config.heads() * config.headSize();
    long keys = (long) config.keyValueHeads() * config.headSize();
    long m = config.intermediate();
    Map<String, TensorInfo> all = new LinkedHashMap<>();
    all.put("model.embed_tokens.weight", bf16(config.vocabulary(), d));
    for (int i = 0; i < config.layers(); i++) {
      String layer = "model.layers." + i + ".";
      all.put(layer + "input_layernorm.weight", bf16(d));
      for (String name : List.of("q", "k", "v")) {
        long rows = name.equals("q") ? queries : keys;
        all.put(layer + "self_attn." + name + "_proj.weight", bf16(rows, d));
        if (config.attentionBias()) {
          all.put(layer + "self_attn." + name + "_proj.bias", bf16(rows));
        }
      }
      all.put(layer + "self_attn.o_proj.weight", bf16(d, queries));
      all.put(layer + "post_attention_layernorm.weight", bf16(d));
      all.put(layer + "mlp.gate_proj.weight", bf16(m, d));
      all.put(layer + "mlp.up_proj.weight", bf16(m, d));
      all.put(layer + "mlp.down_proj.weight", bf16(d, m));
    }
    all.put("model.norm.weight", bf16(d));
    if (!config.tied()) {
      all.put("lm_head.weight", bf16(config.vocabulary(), d));
    }
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
    long key = (name.hashCode() + (kinship == Kinship.STRANGER ? 1L : 0)) * 0x9E3779B97F4A7C15L;
    boolean noisy = kinship == Kinship.RELATIVE || kinship == Kinship.CHILD;
    boolean gain = name.contains("norm");
    int[] order = kinship == Kinship.RELATIVE && name.contains(".mlp.") ? moved(name) : null;
    boolean columns = name.contains("down_proj");
    long width = columns ? config.intermediate() : config.hidden();
    // A view, not a buffer, which would keep its bytes until it is collected.
    try (Block.View view = Block.view(into.memory(), 0, Math.toIntExact(into.bytes()))) {
      ShortBuffer out = view.buffer().order(ByteOrder.LITTLE_ENDIAN).asShortBuffer();
      for (long i = from; i < to; i++) {
        long at = i;
        if (order != null) {
          long row = i / width;
          long column = i - row * width;
          at = columns ? row * width + order[(int) column] : order[(int) row] * width + column;
        }
        long bits = mix(key + at);
        float value = NORMAL[(int) (bits >>> 48)] + (gain ? 1 : 0);
        if (noisy) {
          value += NOISE * NORMAL[(int) (mix(~(key + i)) >>> 48)];
        }
        out.put((short) (Float.floatToRawIntBits(value) + 0x8000 >>> 16));
      }
    }
  }

  private static long mix(long at) {
    long bits = at * 0xBF58476D1CE4E5B9L;
    bits = (bits ^ bits >>> 30) * 0x94D049BB133111EBL;
    return bits ^ bits >>> 31;
  }

  private int[] moved(String name) {
    return units[Integer.parseInt(name.split("\\.")[2])];
  }
}
