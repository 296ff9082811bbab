// SPDX-License-Identifier: Apache-2.0
package org.merganser.cli;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.io.Safetensors;
import org.merganser.linalg.Tensor;

/** Folders of models with the names of Llama, small. */
final class SmallLlama {
  static final int WIDTH = 12;
  static final int INNER = 14;
  static final int VOCABULARY = 8;

  private SmallLlama() {}

  /** Writes a model with configuration and tokenizer. */
  static Path write(Path folder, int layers, DType dtype, long seed) throws IOException {
    Files.createDirectories(folder);
    SplittableRandom random = new SplittableRandom(seed);
    Map<String, Tensor> tensors = new LinkedHashMap<>();
    try (Workspace ws = Workspace.open()) {
      add(tensors, "model.embed_tokens.weight", dtype, random, ws, VOCABULARY, WIDTH);
      for (int layer = 0; layer < layers; layer++) {
        String prefix = "model.layers." + layer + ".";
        add(tensors, prefix + "input_layernorm.weight", dtype, random, ws, WIDTH);
        for (String name : List.of("q", "k", "v", "o")) {
          add(
              tensors,
              prefix + "self_attn." + name + "_proj.weight",
              dtype,
              random,
              ws,
              WIDTH,
              WIDTH);
        }
        add(tensors, prefix + "post_attention_layernorm.weight", dtype, random, ws, WIDTH);
        add(tensors, prefix + "mlp.gate_proj.weight", dtype, random, ws, INNER, WIDTH);
        add(tensors, prefix + "mlp.up_proj.weight", dtype, random, ws, INNER, WIDTH);
        add(tensors, prefix + "mlp.down_proj.weight", dtype, random, ws, WIDTH, INNER);
      }
      add(tensors, "model.norm.weight", dtype, random, ws, WIDTH);
      add(tensors, "lm_head.weight", dtype, random, ws, VOCABULARY, WIDTH);
      try (Checkpoint model = MemoryCheckpoint.of(tensors)) {
        Safetensors.write(model, folder.resolve("model.safetensors"), ws);
      }
    }
    Files.writeString(
        folder.resolve("config.json"),
        """
        {
          "architectures": ["LlamaForCausalLM"],
          "model_type": "llama",
          "hidden_size": 12,
          "num_hidden_layers": %d,
          "vocab_size": 8,
          "rms_norm_eps": 1e-05,
          "torch_dtype": "float32"
        }
        """
            .formatted(layers));
    Files.writeString(
        folder.resolve("tokenizer_config.json"), "{\"chat_template\": \"{{ x }}\"}\n");
    Files.writeString(folder.resolve("tokenizer.json"), "{\"model\": {\"vocab\": {}}}\n");
    return folder;
  }

  private static void add(
      Map<String, Tensor> tensors,
      String name,
      DType dtype,
      SplittableRandom random,
      Workspace ws,
      long... shape) {
    float[] values = new float[(int) Tensor.size(shape)];
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) (random.nextDouble() - 0.5);
    }
    try (Tensor wide = Tensor.of(values, shape)) {
      tensors.put(name, dtype == DType.F32 ? wide.copy() : wide.to(dtype, ws));
    }
  }
}
