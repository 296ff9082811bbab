// SPDX-License-Identifier: Apache-2.0
package org.merganser.transformer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.merganser.testing.Work.WS;

import java.io.IOException;
import java.util.EnumSet;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;
import java.util.function.Function;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.merganser.compute.DType;
import org.merganser.error.IncompatibleModelsException;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.io.TensorInfo;
import org.merganser.linalg.Tensor;
import org.merganser.symmetry.ReferenceForward;
import org.merganser.symmetry.SymmetryElement;
import org.merganser.symmetry.SymmetryElement.Kind;

/** Every layout gives the same canonical tensors, and comes back as it was. */
class CanonicalCheckpointTest {
  static Stream<Arguments> layouts() {
    TransformerConfig phi3 = GoldenModel.LLAMA.config().with("modelType", "phi3");
    TransformerConfig gpt2 = GoldenModel.GPT2.config();
    TransformerConfig bert = GoldenModel.BERT.config();
    return Stream.of(
        layout("llama", GoldenModel.LLAMA.config(), golden -> golden),
        layout("qwen3", GoldenModel.QWEN3.config(), golden -> golden),
        layout("gpt2", gpt2, golden -> Layouts.gpt2(golden, "transformer.")),
        layout("gpt2 alone", gpt2, golden -> Layouts.gpt2(golden, "")),
        layout("bert", bert, golden -> Layouts.bert(golden, "", false)),
        layout("bert of old", bert, golden -> Layouts.bert(golden, "bert.", true)),
        layout("phi3", phi3, Layouts::phi3));
  }

  private static Arguments layout(
      String name, TransformerConfig config, Function<MemoryCheckpoint, MemoryCheckpoint> layout) {
    return Arguments.of(name, config, layout);
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("layouts")
  void canonicalAndBack(
      String name, TransformerConfig config, Function<MemoryCheckpoint, MemoryCheckpoint> layout)
      throws IOException {
    for (DType dtype : new DType[] {DType.F64, DType.F32, DType.BF16}) {
      MemoryCheckpoint golden =
          MemoryCheckpoint.copyOf(GoldenModel.weights(config, 3).as(dtype), WS);
      MemoryCheckpoint original =
          dtype == DType.F64
              ? layout.apply(golden)
              : MemoryCheckpoint.copyOf(layout.apply(GoldenModel.weights(config, 3)).as(dtype), WS);
      CanonicalCheckpoint canonical = CanonicalCheckpoint.of(original, config);
      assertThat(canonical.tensors()).isEqualTo(config.tensors(dtype));
      assertThat(canonical.tensors().keySet()).containsExactlyElementsOf(golden.tensors().keySet());
      requireSame(canonical, golden);
      requireSame(canonical.restored(canonical), original);
      requireSame(canonical.restored(golden), original);
    }
  }

  /** A model that is moved and written in its own layout computes the same. */
  @ParameterizedTest(name = "{0}")
  @MethodSource("layouts")
  void movedAndBack(
      String name, TransformerConfig config, Function<MemoryCheckpoint, MemoryCheckpoint> layout)
      throws IOException {
    MemoryCheckpoint original = layout.apply(GoldenModel.weights(config, 3));
    CanonicalCheckpoint canonical = CanonicalCheckpoint.of(original, config);
    Set<Kind> kinds = EnumSet.complementOf(EnumSet.of(Kind.RESIDUAL, Kind.ROTATION));
    Checkpoint moved = SymmetryElement.random(config, kinds, 3).apply(canonical);
    MemoryCheckpoint written = MemoryCheckpoint.copyOf(canonical.restored(moved), WS);
    assertThat(written.tensors()).isEqualTo(original.tensors());
    double[][] wanted = ReferenceForward.logits(config, canonical, GoldenModel.ids(), WS);
    double[][] found =
        ReferenceForward.logits(
            config, CanonicalCheckpoint.of(written, config), GoldenModel.ids(), WS);
    assertThat(ReferenceForward.difference(wanted, found)).isLessThan(1e-10);
    int changed = 0;
    for (String each : original.tensors().keySet()) {
      changed += written.tensor(each).sameBytes(original.tensor(each)) ? 0 : 1;
    }
    assertThat(changed).isGreaterThan(original.tensors().size() / 2);
  }

  /** Whole, in rows, and in parts that are no rows. */
  private static void requireSame(Checkpoint found, Checkpoint wanted) throws IOException {
    assertThat(found.tensors()).isEqualTo(wanted.tensors());
    for (Map.Entry<String, TensorInfo> each : wanted.tensors().entrySet()) {
      String name = each.getKey();
      try (Tensor whole = wanted.read(name, WS);
          Tensor read = found.read(name, WS)) {
        assertThat(read.sameBytes(whole)).describedAs(name).isTrue();
        long size = whole.size();
        for (long from = 0; from < size; from += 7) {
          long to = Math.min(size, from + 7);
          try (Tensor part = Tensor.allocate(whole.dtype(), to - from);
              Tensor same = Tensor.allocate(whole.dtype(), to - from)) {
            found.readRange(name, from, to, part, WS);
            wanted.readRange(name, from, to, same, WS);
            assertThat(part.sameBytes(same)).describedAs(name + " from " + from).isTrue();
          }
        }
      }
    }
  }

  /** Files of tied models may hold the embedding twice; the second is never read. */
  @Test
  void theHeadOfATiedModelIsItsEmbedding() throws IOException {
    MemoryCheckpoint golden = GoldenModel.TIED.weights();
    Map<String, Tensor> twice = new LinkedHashMap<>();
    golden.tensors().keySet().forEach(name -> twice.put(name, golden.tensor(name)));
    Tensor embedding = golden.tensor("model.embed_tokens.weight");
    twice.put("lm_head.weight", embedding.copy());
    MemoryCheckpoint original = MemoryCheckpoint.of(twice);
    CanonicalCheckpoint canonical = CanonicalCheckpoint.of(original, GoldenModel.TIED.config());
    assertThat(canonical.tensors()).doesNotContainKey("lm_head.weight");
    requireSame(canonical.restored(golden), original);
  }

  /** As after the absorption of gains: the head is added. */
  @Test
  void aHeadOfItsOwnIsAdded() throws IOException {
    MemoryCheckpoint tied = GoldenModel.TIED.weights();
    MemoryCheckpoint untied = GoldenModel.LLAMA.weights();
    Checkpoint restored = CanonicalCheckpoint.of(tied, GoldenModel.TIED.config()).restored(untied);
    requireSame(restored, untied);
  }

  @Test
  void everyWrongTensorIsNamed() {
    TransformerConfig config = GoldenModel.LLAMA.config();
    Map<String, Tensor> tensors = new LinkedHashMap<>();
    config.tensors(DType.F32).forEach((n, t) -> tensors.put(n, Tensor.zeros(t.dtype(), t.dims())));
    tensors.remove("lm_head.weight");
    tensors.put("model.layers.1.mlp.up_proj.weight", Tensor.zeros(DType.F32, 25, 16));
    tensors.put("model.norm.weight", Tensor.zeros(DType.I8, 16));
    assertThatThrownBy(() -> CanonicalCheckpoint.of(MemoryCheckpoint.of(tensors), config))
        .isInstanceOf(IncompatibleModelsException.class)
        .hasMessageContaining("is not the llama of its configuration")
        .hasMessageContaining("lm_head.weight")
        .hasMessageContaining(
            "'model.layers.1.mlp.up_proj.weight' is [25, 16], the configuration says [24, 16]")
        .hasMessageContaining("'model.norm.weight' is I8, which is not computed in");
  }

  @Test
  void onlyTheTensorsOfTheModelComeBack() {
    MemoryCheckpoint golden = GoldenModel.LLAMA.weights();
    CanonicalCheckpoint canonical = CanonicalCheckpoint.of(golden, GoldenModel.LLAMA.config());
    Checkpoint other = golden.renamed(Map.of("model.norm.weight", "model.norm.scale"));
    assertThatThrownBy(() -> canonical.restored(other))
        .isInstanceOf(IncompatibleModelsException.class)
        .hasMessageContaining("model.norm.weight")
        .hasMessageContaining("'model.norm.scale' is no part of such a model");
  }
}
