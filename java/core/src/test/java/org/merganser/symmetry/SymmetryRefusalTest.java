// SPDX-License-Identifier: Apache-2.0
package org.merganser.symmetry;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.merganser.testing.Work.WS;

import java.io.IOException;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.merganser.compute.DType;
import org.merganser.error.IncompatibleModelsException;
import org.merganser.error.NumericalException;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.linalg.Tensor;
import org.merganser.merge.MergeProblem;
import org.merganser.merge.TaskArithmeticMerger;
import org.merganser.symmetry.SymmetryElement.Kind;
import org.merganser.transformer.CanonicalCheckpoint;
import org.merganser.transformer.GoldenModel;
import org.merganser.transformer.Layouts;
import org.merganser.transformer.TransformerConfig;

/** What an element cannot act on is named: models, tensors, elements of them. */
class SymmetryRefusalTest {
  private static final Set<Kind> PERMUTED = EnumSet.complementOf(EnumSet.of(Kind.ROTATION));
  private static final Set<Kind> MOVING = EnumSet.of(Kind.UNITS, Kind.HEADS, Kind.RESIDUAL);

  @Test
  void anOrthogonalMapWithoutAbsorptionIsRefusedAndWouldMoveLogits() throws IOException {
    TransformerConfig config = GoldenModel.LLAMA.config();
    MemoryCheckpoint weights = GoldenModel.LLAMA.weights();
    SymmetryElement turned = SymmetryElement.random(config, EnumSet.of(Kind.ROTATION), 1);
    Checkpoint moved = turned.apply(weights);
    assertThatThrownBy(() -> moved.read("lm_head.weight", WS))
        .isInstanceOf(IncompatibleModelsException.class)
        .hasMessageContaining("has gains that an orthogonal map of the residual stream would mix")
        .hasMessageContaining("'model.layers.0.input_layernorm.weight': element 0 is ")
        .hasMessageContaining("absorb them first (NormAbsorption)");
    // The same map of all matrices by hand.
    Map<String, Tensor> all = new LinkedHashMap<>();
    Checkpoint even = turned.apply(SymmetryActionTest.even(GoldenModel.LLAMA, 0));
    for (String name : weights.tensors().keySet()) {
      boolean gain = name.endsWith("norm.weight");
      all.put(name, gain ? weights.tensor(name) : even.read(name, WS));
    }
    double[][] before = ReferenceForward.logits(config, weights, GoldenModel.ids(), WS);
    double[][] after =
        ReferenceForward.logits(config, MemoryCheckpoint.of(all), GoldenModel.ids(), WS);
    assertThat(ReferenceForward.difference(before, after)).isGreaterThan(1e-2);
  }

  @Test
  void weightsThatAreNotFiniteAreNamed() {
    TransformerConfig config = GoldenModel.LLAMA.config();
    MemoryCheckpoint weights = GoldenModel.LLAMA.weights();
    weights.tensor("model.layers.1.mlp.up_proj.weight").set(37, Double.NaN);
    weights.tensor("model.norm.weight").set(3, Double.NEGATIVE_INFINITY);
    for (Set<Kind> kinds : List.of(MOVING, PERMUTED, EnumSet.noneOf(Kind.class))) {
      Checkpoint moved = SymmetryElement.random(config, kinds, 1).apply(weights);
      assertThatThrownBy(() -> MemoryCheckpoint.copyOf(moved, WS))
          .isInstanceOf(NumericalException.class)
          .hasMessageContaining(
              "'model.layers.1.mlp.up_proj.weight' F64 [24, 16]: element 37 is NaN");
      assertThatThrownBy(() -> moved.read("model.norm.weight", WS))
          .isInstanceOf(NumericalException.class)
          .hasMessageContaining("'model.norm.weight' F64 [16]: element 3 is -Infinity");
    }
  }

  @Test
  void resultsBeyondTheRangeOfATypeAreNamed() throws IOException {
    TransformerConfig config = GoldenModel.LLAMA.config();
    MemoryCheckpoint weights = GoldenModel.LLAMA.weights();
    weights.tensor("model.layers.0.mlp.up_proj.weight").set(5, 60000);
    MemoryCheckpoint halves = MemoryCheckpoint.copyOf(weights.as(DType.F16), WS);
    SymmetryElement identity = SymmetryElement.identity(config);
    LayerSymmetry layer = identity.layers().get(0);
    double[] twice = new double[24];
    Arrays.fill(twice, 2);
    SymmetryElement scaled =
        identity.withLayer(
            0,
            new LayerSymmetry(layer.units(), twice, layer.heads(), new double[0], new double[0]));
    assertThatThrownBy(() -> scaled.apply(halves).read("model.layers.0.mlp.up_proj.weight", WS))
        .isInstanceOf(NumericalException.class)
        .hasMessage(
            "'model.layers.0.mlp.up_proj.weight' F16 [24, 16]: 1 values are beyond the range of"
                + " F16 after they are moved; read the model as F32");
    assertThat(
            scaled.apply(halves.as(DType.F32)).read("model.layers.0.mlp.up_proj.weight", WS).get(5))
        .isEqualTo(120000);
  }

  @Test
  void anotherModelIsRefusedWithEveryDifference() {
    SymmetryElement element = SymmetryElement.identity(GoldenModel.LLAMA.config());
    MemoryCheckpoint other = GoldenModel.weights(GoldenModel.MQA.config().with("tied", true), 1);
    assertThatThrownBy(() -> element.apply(other))
        .isInstanceOf(IncompatibleModelsException.class)
        .hasMessageContaining(
            "'model.layers.0.self_attn.k_proj.weight' is [4, 16], the configuration says [8, 16]")
        .hasMessageContaining("lm_head.weight");
    SymmetryElement of = SymmetryElement.identity(GoldenModel.MQA.config());
    assertThatThrownBy(() -> element.after(of, WS))
        .isInstanceOf(IncompatibleModelsException.class)
        .hasMessageContaining("keyValueHeads: 2 in the second symmetry, 1 in the first");
    assertThatThrownBy(() -> element.apply(GoldenModel.QWEN2.weights()))
        .hasMessageContaining("'model.layers.0.self_attn.q_proj.bias' is no part of such a model");
  }

  /** The pooler of BERT reads the residual stream, and stays as it is. */
  @Test
  void unknownReadersOfTheResidualStreamAreNamed() throws IOException {
    TransformerConfig config = GoldenModel.BERT.config();
    CanonicalCheckpoint model =
        CanonicalCheckpoint.of(Layouts.bert(GoldenModel.BERT.weights(), "", false), config);
    SymmetryElement inside = SymmetryElement.random(config, EnumSet.of(Kind.UNITS, Kind.HEADS), 1);
    assertThat(model.restored(inside.apply(model)).tensors()).containsKey("pooler.dense.weight");
    SymmetryElement residual = SymmetryElement.random(config, EnumSet.of(Kind.RESIDUAL), 1);
    assertThat(model.as(DType.F32).tensors()).isEqualTo(config.tensors(DType.F32));
    assertThatThrownBy(() -> residual.apply(model.as(DType.F32)))
        .isInstanceOf(IncompatibleModelsException.class)
        .hasMessageContaining(
            "'pooler.dense.weight' may read the residual stream, and is not known");
  }

  /** Views of what was moved, and models that do not know the pooler: it is not written broken. */
  @Test
  void aMovedStreamDoesNotGoWithUnknownReaders() throws IOException {
    TransformerConfig config = GoldenModel.BERT.config();
    MemoryCheckpoint golden = GoldenModel.BERT.weights();
    CanonicalCheckpoint model = CanonicalCheckpoint.of(Layouts.bert(golden, "", false), config);
    SymmetryElement residual = SymmetryElement.random(config, EnumSet.of(Kind.RESIDUAL), 1);
    Checkpoint moved = residual.apply(model.where(name -> true));
    for (Checkpoint view : List.of(moved, moved.as(DType.F32), moved.where(name -> true))) {
      assertThatThrownBy(() -> model.restored(view))
          .isInstanceOf(IncompatibleModelsException.class)
          .hasMessageContaining("does not go with the other tensors of")
          .hasMessageContaining("'pooler.dense.weight' may read the residual stream")
          .hasMessageContaining("leave them out before (Checkpoint.where)");
    }
    // A difference that is added in the coordinates of the model.
    TaskArithmeticMerger plus =
        TaskArithmeticMerger.of(
            TaskArithmeticMerger.Options.defaults().withWeights(List.of(1.0, -1.0)));
    Checkpoint sum = plus.merge(MergeProblem.of(moved, moved).withBase(model), WS);
    assertThat(model.restored(sum).tensors()).containsKey("pooler.dense.weight");
    CanonicalCheckpoint without =
        CanonicalCheckpoint.of(
            Layouts.bert(golden, "", false).where(name -> !name.startsWith("pooler")), config);
    assertThat(without.restored(moved.as(DType.F32)).tensors()).hasSize(37);
  }

  /** Biases that a shift of values changes follow from several tensors. */
  @Test
  void whatAShiftIsComputedFromMustBeFinite() throws IOException {
    TransformerConfig config = GoldenModel.BIASED.config();
    SymmetryElement shift = SymmetryElement.random(config, EnumSet.of(Kind.SHIFT), 1);
    String at = "model.layers.1.self_attn.";
    Map<String, String> readers =
        Map.of(
            at + "v_proj.bias", at + "v_proj.bias",
            at + "o_proj.bias", at + "o_proj.bias",
            at + "o_proj.weight", at + "o_proj.bias");
    readers.forEach(
        (name, reader) -> {
          MemoryCheckpoint weights = GoldenModel.BIASED.weights();
          weights.tensor(name).set(5, Double.NaN);
          assertThatThrownBy(() -> shift.apply(weights).read(reader, WS))
              .isInstanceOf(NumericalException.class)
              .hasMessageContaining("'" + name + "'")
              .hasMessageContaining("element 5 is NaN");
        });
    MemoryCheckpoint weights = GoldenModel.BIASED.weights();
    Tensor bias = weights.tensor(at + "o_proj.bias");
    for (long i = 0; i < bias.size(); i++) {
      bias.set(i, (i % 2 == 0 ? 1 : -1) * 65504);
    }
    Tensor output = weights.tensor(at + "o_proj.weight");
    for (long i = 0; i < output.size(); i++) {
      output.set(i, 1000);
    }
    Checkpoint moved = shift.apply(MemoryCheckpoint.copyOf(weights.as(DType.F16), WS));
    assertThatThrownBy(() -> moved.read(at + "o_proj.bias", WS))
        .isInstanceOf(NumericalException.class)
        .hasMessageContaining("values are beyond the range of F16 after they are moved");
  }

  @Test
  void aGainThatIsNotFiniteIsNotCalledUneven() {
    MemoryCheckpoint weights = SymmetryActionTest.even(GoldenModel.LLAMA, 1);
    weights.tensor("model.norm.weight").set(3, Double.NaN);
    SymmetryElement turned =
        SymmetryElement.random(GoldenModel.LLAMA.config(), EnumSet.of(Kind.ROTATION), 1);
    assertThatThrownBy(() -> turned.apply(weights).read("lm_head.weight", WS))
        .isInstanceOf(NumericalException.class)
        .hasMessageContaining("'model.norm.weight'")
        .hasMessageContaining("element 3 is NaN");
  }

  /** Such as the head of a classifier, whose columns would have to take the last gain. */
  @Test
  void gainsThatSomethingUnknownMayReadAreNotAbsorbed() {
    TransformerConfig config = GoldenModel.LLAMA.config();
    MemoryCheckpoint golden = GoldenModel.LLAMA.weights();
    Map<String, Tensor> tensors = new LinkedHashMap<>();
    golden.tensors().keySet().forEach(name -> tensors.put(name, golden.tensor(name)));
    tensors.put("score.weight", Tensor.zeros(DType.F64, 2, 16));
    CanonicalCheckpoint model = CanonicalCheckpoint.of(MemoryCheckpoint.of(tensors), config);
    assertThatThrownBy(() -> NormAbsorption.of(model, config, true, WS))
        .isInstanceOf(IncompatibleModelsException.class)
        .hasMessageContaining("'score.weight' may read the residual stream");
    SymmetryElement gains = SymmetryElement.random(config, EnumSet.of(Kind.GAINS), 1);
    assertThatThrownBy(() -> gains.apply(model)).hasMessageContaining("'score.weight' may read");
  }

  @Test
  void aTieThatMustStayIsNotAbsorbed() {
    assertThatThrownBy(
            () ->
                NormAbsorption.of(GoldenModel.TIED.weights(), GoldenModel.TIED.config(), false, WS))
        .isInstanceOf(IncompatibleModelsException.class)
        .hasMessageContaining("the head is the embedding (tie_word_embeddings)")
        .hasMessageContaining("untie them, which takes 512 values more");
    assertThatThrownBy(
            () ->
                NormAbsorption.of(GoldenModel.BERT.weights(), GoldenModel.BERT.config(), true, WS))
        .isInstanceOf(IncompatibleModelsException.class)
        .hasMessageContaining("norms stand after the sums");
  }
}
