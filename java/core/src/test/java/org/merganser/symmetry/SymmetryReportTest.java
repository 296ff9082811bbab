// SPDX-License-Identifier: Apache-2.0
package org.merganser.symmetry;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.io.IOException;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.error.IncompatibleModelsException;
import org.merganser.error.NumericalException;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.linalg.Tensor;
import org.merganser.symmetry.SymmetryAligner.Model;
import org.merganser.symmetry.SymmetryAligner.Options;
import org.merganser.symmetry.SymmetryAligner.QueryKey;
import org.merganser.symmetry.SymmetryAligner.Residual;
import org.merganser.symmetry.SymmetryAligner.Result;
import org.merganser.symmetry.SymmetryAligner.Scales;
import org.merganser.symmetry.SymmetryAligner.ValueOutput;
import org.merganser.transformer.GoldenModel;
import org.merganser.transformer.TransformerConfig;

/** What an alignment says of itself, and what it refuses. */
class SymmetryReportTest {
  private static final Workspace WS = Workspace.open();

  @AfterAll
  static void close() {
    WS.close();
  }

  private static Result align(
      TransformerConfig config, Checkpoint source, Checkpoint target, Options options)
      throws IOException {
    return SymmetryAligner.of(options)
        .align(new Model(source, config), new Model(target, config), WS);
  }

  /** Distances are those of the weights, whatever they were balanced to. */
  @ParameterizedTest
  @EnumSource(GoldenModel.class)
  void distancesAreOfTheModelsAsTheyAre(GoldenModel model) throws IOException {
    TransformerConfig config = model.config();
    Checkpoint target = model.weights();
    Checkpoint source =
        SymmetryElement.random(config, SymmetryAlignerTest.LAYERS, 5)
            .apply(GoldenModel.weights(config, 1));
    Result result = align(config, source, target, SymmetryAlignerTest.general(config));
    double before = Perturbed.squaredDistance(source, target, WS);
    Checkpoint moved = result.element().apply(source);
    double after = Perturbed.squaredDistance(moved, target, WS);
    assertThat(result.report().before()).isCloseTo(before, within(1e-9 * before));
    assertThat(result.report().after()).isCloseTo(after, within(1e-9 * after));
    assertThat(after).isLessThan(before);
  }

  /**
   * Units of one size that are far from balanced, with noise where they are small: balanced, noise
   * is as large as anything, and what is nearest then is farther in truth.
   */
  @Test
  void whatIsNearerOnlyAfterBalancingIsNotTaken() throws IOException {
    TransformerConfig config = GoldenModel.LLAMA.config().with("layers", 1);
    MemoryCheckpoint source = GoldenModel.weights(config, 0);
    MemoryCheckpoint target = GoldenModel.weights(config, 0);
    Tensor up = source.tensor("model.layers.0.mlp.up_proj.weight");
    for (long i = 0; i < up.size(); i++) {
      up.set(i, 1e-3 * up.get(i));
      target
          .tensor("model.layers.0.mlp.up_proj.weight")
          .set(i, 1e-3 * -up.get((i + 5) % up.size()));
    }
    Options options =
        Options.defaults()
            .with("scales", Scales.BALANCE)
            .with("heads", false)
            .with("valueOutput", ValueOutput.NONE)
            .with("queryKey", QueryKey.NONE);
    Result result = align(config, source, target, options);
    double before = Perturbed.squaredDistance(source, target, WS);
    assertThat(result.element().isIdentity()).isTrue();
    assertThat(result.report().before()).isCloseTo(before, within(1e-9 * before));
    assertThat(result.report().after()).isEqualTo(result.report().before());
    assertThat(result.report().warnings())
        .containsExactly("nothing is nearer than the models as they are");
  }

  /** Families add up to the distance of all tensors, before and after. */
  @ParameterizedTest
  @EnumSource(GoldenModel.class)
  void familiesAddUp(GoldenModel model) throws IOException {
    TransformerConfig config = model.config();
    MemoryCheckpoint source = GoldenModel.weights(config, 1);
    MemoryCheckpoint target = model.weights();
    for (Residual residual : List.of(Residual.NONE, Residual.SIGNED_PERMUTATION)) {
      Options options = Options.defaults().with("residual", residual);
      Result result = align(config, source, target, options);
      SymmetryReport report = result.report();
      double before = Perturbed.squaredDistance(source, target, WS);
      double after = Perturbed.squaredDistance(result.element().apply(source), target, WS);
      assertThat(report.before()).isCloseTo(before, within(1e-12 * before));
      assertThat(report.after()).isCloseTo(after, within(1e-12 * after));
      assertThat(sum(report.familiesBefore())).isCloseTo(before, within(1e-12 * before));
      assertThat(sum(report.familiesAfter())).isCloseTo(after, within(1e-12 * after));
      assertThat(report.familiesBefore().containsKey("gate")).isEqualTo(config.gated());
      assertThat(report.familiesBefore().containsKey("head")).isEqualTo(config.hasHead());
      assertThat(report.familiesBefore())
          .containsKeys("embedding", "norm", "query", "key", "value", "output", "up", "down");
    }
  }

  private static double sum(Map<String, Double> families) {
    return families.values().stream().mapToDouble(d -> d).sum();
  }

  @Test
  void differentStructuresAreRefusedWithBothValues() {
    TransformerConfig config = GoldenModel.LLAMA.config();
    Model source = new Model(GoldenModel.LLAMA.weights(), config.with("epsilon", 1e-6));
    Model target = new Model(GoldenModel.LLAMA.weights(), config);
    assertThatThrownBy(() -> SymmetryAligner.of(Options.defaults()).align(source, target, WS))
        .isInstanceOf(IncompatibleModelsException.class)
        .hasMessageContaining("epsilon: 1.0E-6 in the source, 1.0E-5 in the target");
  }

  @Test
  void whatAModelDoesNotAllowIsRefused() {
    Model normed = new Model(GoldenModel.QWEN3.weights(), GoldenModel.QWEN3.config());
    assertThatThrownBy(
            () ->
                SymmetryAligner.of(Options.defaults().with("queryKey", QueryKey.ROTATION))
                    .align(normed, normed, WS))
        .isInstanceOf(IncompatibleModelsException.class)
        .hasMessageContaining("query-key=rotation: queries and keys are normed");
    assertThatThrownBy(
            () ->
                SymmetryAligner.of(Options.defaults().with("queryKey", QueryKey.GENERAL))
                    .align(normed, normed, WS))
        .isInstanceOf(IncompatibleModelsException.class)
        .hasMessageContaining("query-key=general: with rotary embedding");
    Model tied = new Model(GoldenModel.TIED.weights(), GoldenModel.TIED.config());
    assertThatThrownBy(
            () ->
                SymmetryAligner.of(Options.defaults().with("residual", Residual.ORTHOGONAL))
                    .align(tied, tied, WS))
        .isInstanceOf(IncompatibleModelsException.class)
        .hasMessageContaining("untie");
    Model bert = new Model(GoldenModel.BERT.weights(), GoldenModel.BERT.config());
    assertThatThrownBy(
            () ->
                SymmetryAligner.of(Options.defaults().with("residual", Residual.ORTHOGONAL))
                    .align(bert, bert, WS))
        .isInstanceOf(IncompatibleModelsException.class)
        .hasMessageContaining("after the sums");
  }

  /** Of every tensor of a model. */
  @ParameterizedTest
  @EnumSource(GoldenModel.class)
  void weightsThatAreNotFiniteAreNamed(GoldenModel golden) {
    for (String name : golden.config().tensors(DType.F64).keySet()) {
      MemoryCheckpoint weights = golden.weights();
      weights.tensor(name).set(2, Double.NaN);
      Model source = new Model(weights, golden.config());
      Model target = new Model(golden.weights(), golden.config());
      assertThatThrownBy(() -> SymmetryAligner.of(Options.defaults()).align(source, target, WS))
          .isInstanceOf(NumericalException.class)
          .hasMessageContaining(
              "tensor \"%s\" of the source is not finite: element 2 is NaN".formatted(name));
    }
  }

  @Test
  void elementsThatAreNotFiniteAreCounted() {
    MemoryCheckpoint weights = GoldenModel.LLAMA.weights();
    weights.tensor("model.embed_tokens.weight").set(317, Double.POSITIVE_INFINITY);
    Model source = new Model(weights, GoldenModel.LLAMA.config());
    Model target = new Model(GoldenModel.LLAMA.weights(), GoldenModel.LLAMA.config());
    assertThatThrownBy(() -> SymmetryAligner.of(Options.defaults()).align(source, target, WS))
        .isInstanceOf(NumericalException.class)
        .hasMessageContaining("element 317 is Infinity");
  }
}
