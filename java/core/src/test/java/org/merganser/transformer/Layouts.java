// SPDX-License-Identifier: Apache-2.0
package org.merganser.transformer;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.merganser.compute.DType;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.linalg.Tensor;

/** Golden models in the layouts of Hugging Face, written out name by name. */
public final class Layouts {
  private final MemoryCheckpoint from;
  private final Map<String, Tensor> tensors = new LinkedHashMap<>();

  private Layouts(MemoryCheckpoint from) {
    this.from = from;
  }

  public static MemoryCheckpoint gpt2(MemoryCheckpoint from, String prefix) {
    Layouts out = new Layouts(from);
    out.put(prefix + "wte.weight", "model.embed_tokens.weight");
    out.put(prefix + "wpe.weight", "model.embed_positions.weight");
    for (int i = 0; i < 2; i++) {
      String to = prefix + "h." + i + ".";
      String at = "model.layers." + i + ".";
      out.both(to + "ln_1", at + "input_layernorm");
      List<String> qkv =
          List.of(at + "self_attn.q_proj", at + "self_attn.k_proj", at + "self_attn.v_proj");
      out.tensors.put(to + "attn.bias", Tensor.zeros(DType.BOOL, 4));
      out.tensors.put(
          to + "attn.c_attn.weight",
          transposed(out.joined(qkv.stream().map(n -> n + ".weight").toList())));
      out.tensors.put(
          to + "attn.c_attn.bias", out.joined(qkv.stream().map(n -> n + ".bias").toList()));
      out.turned(to + "attn.c_proj", at + "self_attn.o_proj");
      out.both(to + "ln_2", at + "post_attention_layernorm");
      out.turned(to + "mlp.c_fc", at + "mlp.up_proj");
      out.turned(to + "mlp.c_proj", at + "mlp.down_proj");
    }
    out.both(prefix + "ln_f", "model.norm");
    return MemoryCheckpoint.of(out.tensors);
  }

  public static MemoryCheckpoint bert(MemoryCheckpoint from, String prefix, boolean old) {
    Layouts out = new Layouts(from);
    String e = prefix + "embeddings.";
    out.put(e + "word_embeddings.weight", "model.embed_tokens.weight");
    out.put(e + "position_embeddings.weight", "model.embed_positions.weight");
    out.put(e + "token_type_embeddings.weight", "model.embed_types.weight");
    out.norm(e + "LayerNorm", "model.embed_norm", old);
    for (int i = 0; i < 2; i++) {
      String to = prefix + "encoder.layer." + i + ".";
      String at = "model.layers." + i + ".";
      out.both(to + "attention.self.query", at + "self_attn.q_proj");
      out.both(to + "attention.self.key", at + "self_attn.k_proj");
      out.both(to + "attention.self.value", at + "self_attn.v_proj");
      out.both(to + "attention.output.dense", at + "self_attn.o_proj");
      out.norm(to + "attention.output.LayerNorm", at + "post_attention_layernorm", old);
      out.both(to + "intermediate.dense", at + "mlp.up_proj");
      out.both(to + "output.dense", at + "mlp.down_proj");
      out.norm(to + "output.LayerNorm", at + "post_feedforward_layernorm", old);
    }
    out.put(prefix + "pooler.dense.weight", "model.layers.0.self_attn.q_proj.weight");
    return MemoryCheckpoint.of(out.tensors);
  }

  public static MemoryCheckpoint phi3(MemoryCheckpoint from) {
    Layouts out = new Layouts(from);
    for (String name : from.tensors().keySet()) {
      if (!name.matches(".*(q_proj|k_proj|v_proj|gate_proj|up_proj).*")) {
        out.put(name, name);
      }
    }
    for (int i = 0; i < 2; i++) {
      String at = "model.layers." + i + ".";
      out.tensors.put(
          at + "self_attn.qkv_proj.weight",
          out.joined(
              List.of(
                  at + "self_attn.q_proj.weight",
                  at + "self_attn.k_proj.weight",
                  at + "self_attn.v_proj.weight")));
      out.tensors.put(
          at + "mlp.gate_up_proj.weight",
          out.joined(List.of(at + "mlp.gate_proj.weight", at + "mlp.up_proj.weight")));
    }
    return MemoryCheckpoint.of(out.tensors);
  }

  private void put(String name, String canonical) {
    tensors.put(name, from.tensor(canonical));
  }

  private void both(String name, String canonical) {
    put(name + ".weight", canonical + ".weight");
    put(name + ".bias", canonical + ".bias");
  }

  private void norm(String name, String canonical, boolean old) {
    put(name + (old ? ".gamma" : ".weight"), canonical + ".weight");
    put(name + (old ? ".beta" : ".bias"), canonical + ".bias");
  }

  private void turned(String name, String canonical) {
    tensors.put(name + ".weight", transposed(from.tensor(canonical + ".weight")));
    put(name + ".bias", canonical + ".bias");
  }

  private Tensor joined(List<String> parts) {
    long rows = parts.stream().mapToLong(name -> from.tensor(name).dim(0)).sum();
    Tensor first = from.tensor(parts.get(0));
    Tensor all =
        first.rank() == 1
            ? Tensor.allocate(first.dtype(), rows)
            : Tensor.allocate(first.dtype(), rows, first.dim(1));
    long at = 0;
    for (String name : parts) {
      Tensor part = from.tensor(name);
      for (long i = 0; i < part.size(); i++) {
        all.set(at++, part.get(i));
      }
    }
    return all;
  }

  private static Tensor transposed(Tensor tensor) {
    Tensor result = Tensor.allocate(tensor.dtype(), tensor.dim(1), tensor.dim(0));
    for (long r = 0; r < tensor.dim(0); r++) {
      for (long c = 0; c < tensor.dim(1); c++) {
        result.set(c * tensor.dim(0) + r, tensor.get(r * tensor.dim(1) + c));
      }
    }
    return result;
  }
}
