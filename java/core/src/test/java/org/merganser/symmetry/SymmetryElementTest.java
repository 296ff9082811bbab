// SPDX-License-Identifier: Apache-2.0
package org.merganser.symmetry;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.merganser.testing.Work.WS;

import java.util.Arrays;
import java.util.Comparator;
import java.util.EnumSet;
import java.util.List;
import java.util.Optional;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.merganser.error.IncompatibleModelsException;
import org.merganser.error.ShapeException;
import org.merganser.linalg.Matrix;
import org.merganser.symmetry.HeadSymmetry.Dense;
import org.merganser.symmetry.HeadSymmetry.Rotary;
import org.merganser.symmetry.SymmetryElement.Kind;
import org.merganser.symmetry.SymmetryElement.None;
import org.merganser.symmetry.SymmetryElement.Orthogonal;
import org.merganser.symmetry.SymmetryElement.SignedPermutation;
import org.merganser.transformer.TransformerConfig;
import org.merganser.transformer.TransformerConfig.Activation;
import org.merganser.transformer.TransformerConfig.Llama3Scaling;
import org.merganser.transformer.TransformerConfig.Norm;
import org.merganser.transformer.TransformerConfig.Rope;

/** What is no symmetry of a model is refused when it is made, with the reason. */
class SymmetryElementTest {
  private static final TransformerConfig LLAMA = TransformerConfig.llama(32, 16, 2, 4, 2, 4, 24);
  private static final TransformerConfig CLASSIC =
      LLAMA
          .with("rope", Optional.empty())
          .with("gated", false)
          .with("activation", Activation.GELU_TANH)
          .with("norm", Norm.LAYER);

  @Test
  void theIdentityHasTheSizesOfTheModel() {
    SymmetryElement element = SymmetryElement.identity(LLAMA);
    assertThat(element.layers()).hasSize(2);
    assertThat(element.layers().get(1)).isEqualTo(LayerSymmetry.identity(LLAMA));
    assertThat(element.layers().get(0).units()).hasSize(24);
    assertThat(element.layers().get(0).heads().get(1).source()).isEqualTo(1);
    assertThat(element.residual()).isEqualTo(new None());
  }

  @Test
  void sizesOfAnotherModelAreNamed() {
    TransformerConfig other = LLAMA.with("intermediate", 25);
    assertThatThrownBy(
            () ->
                SymmetryElement.identity(LLAMA)
                    .withLayer(1, SymmetryElement.identity(other).layers().get(0)))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("symmetry: layer 1: units: 25, the model needs 24");
  }

  @Test
  void whatIsNoPermutationIsRefused() {
    LayerSymmetry layer = LayerSymmetry.identity(LLAMA);
    int[] twice = layer.units();
    twice[3] = 5;
    assertThatThrownBy(() -> with(layer, twice, layer.unitScales(), layer.heads()))
        .hasMessage("units are no permutation of 24: entry 5 is 5");
    HeadSymmetry head = layer.heads().get(0);
    assertThatThrownBy(() -> with(layer, layer.units(), layer.unitScales(), List.of(head, head)))
        .hasMessage("sources of heads are no permutation of 2: entry 1 is 0");
  }

  @Test
  void scalesThatDoNotPassTheActivationAreRefused() {
    LayerSymmetry layer = LayerSymmetry.identity(CLASSIC);
    double[] scales = layer.unitScales();
    scales[2] = 2;
    LayerSymmetry scaled = with(layer, layer.units(), scales, layer.heads());
    assertThatThrownBy(() -> SymmetryElement.identity(CLASSIC).withLayer(0, scaled))
        .hasMessage(
            "no symmetry of this model: layer 0: scale 2.0 of a hidden unit: through GELU_TANH no"
                + " scale passes");
    TransformerConfig relu = CLASSIC.with("activation", Activation.RELU);
    SymmetryElement.identity(relu).withLayer(0, scaled);
    scales[2] = -2;
    assertThatThrownBy(
            () ->
                SymmetryElement.identity(relu)
                    .withLayer(0, with(layer, layer.units(), scales, layer.heads())))
        .hasMessageContaining("through RELU only positive numbers pass");
    scales[2] = 0;
    assertThatThrownBy(() -> with(layer, layer.units(), scales, layer.heads()))
        .hasMessage("unitScales: factor 2 is 0.0");
  }

  @Test
  void rotaryEmbeddingTakesPhasesAndOthersMatrices() {
    double[] shear = Squares.identity(4);
    shear[1] = 0.5;
    double[] inverse = Squares.identity(4);
    inverse[1] = -0.5;
    Dense dense = new Dense(shear, Squares.transpose(inverse));
    assertThatThrownBy(() -> withQueryKey(LLAMA, dense))
        .hasMessageContaining("where rotary embedding allows phases and ratios of pairs");
    withQueryKey(CLASSIC, dense);
    Rotary turned = new Rotary(new double[] {0.3, 0}, new double[] {1, 1});
    assertThatThrownBy(() -> withQueryKey(CLASSIC, turned))
        .hasMessageContaining("phases, without rotary embedding");
    withQueryKey(LLAMA, turned);
    assertThatThrownBy(() -> new Dense(shear, shear))
        .hasMessageContaining("are no inverses of each other");
  }

  @Test
  void normsOfQueriesAndKeysUndoRatios() {
    TransformerConfig normed = LLAMA.with("queryKeyNorm", true);
    withQueryKey(normed, new Rotary(new double[] {Math.PI, 0.3}, new double[] {1, 1}));
    assertThatThrownBy(
            () -> withQueryKey(normed, new Rotary(new double[] {0, 0}, new double[] {1, 2})))
        .hasMessage(
            "no symmetry of this model: layer 0, head 0: queryKey: ratio 2.0 of pair 1, which norms"
                + " of queries and keys undo");
  }

  @Test
  void layerNormsAllowOneSignAndWhatKeepsMeans() {
    SymmetryElement identity = SymmetryElement.identity(CLASSIC);
    int[] order = IntStream.range(0, 16).toArray();
    int[] signs = new int[16];
    Arrays.fill(signs, -1);
    identity.withResidual(new SignedPermutation(order, signs));
    signs[4] = 1;
    assertThatThrownBy(() -> identity.withResidual(new SignedPermutation(order, signs)))
        .hasMessageContaining("different signs of the residual stream under layer norms");
    SymmetryElement.identity(LLAMA).withResidual(new SignedPermutation(order, signs));
    Matrix turn = Matrix.identity(16);
    turn.set(0, 0, 0.6);
    turn.set(0, 1, 0.8);
    turn.set(1, 0, -0.8);
    turn.set(1, 1, 0.6);
    assertThatThrownBy(() -> identity.withResidual(new Orthogonal(turn)))
        .hasMessageContaining("unless R 1 is 1 or -1");
    SymmetryElement.identity(LLAMA).withResidual(new Orthogonal(turn));
  }

  @Test
  void aMapThatIsNotOrthogonalIsRefused() {
    Matrix wrong = Matrix.identity(16);
    wrong.set(3, 5, 1e-3);
    assertThatThrownBy(() -> new Orthogonal(wrong))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("the 16 x 16 F64 matrix is not orthogonal");
    assertThatThrownBy(() -> new Orthogonal(Matrix.zeros(2, 3))).isInstanceOf(ShapeException.class);
  }

  @Test
  void aShiftNeedsBothBiases() {
    double[] none = {};
    HeadSymmetry shifted =
        new HeadSymmetry(
            0, new int[] {0, 1}, none, none, Rotary.identity(2), new double[] {1, 2, 3, 4});
    assertThatThrownBy(() -> withHead(LLAMA, shifted))
        .hasMessageContaining("needs biases of values and output");
    withHead(LLAMA.with("attentionBias", true).with("outputBias", true), shifted);
  }

  @Test
  void differencesOfModelsNameBothValues() {
    TransformerConfig other =
        LLAMA
            .with("hidden", 32)
            .with("epsilon", 1e-6)
            .with("positions", 99)
            .with(
                "rope", Optional.of(new Rope(5e5, Optional.of(new Llama3Scaling(8, 1, 4, 8192)))));
    assertThatThrownBy(() -> LLAMA.requireSame("base", other, "target"))
        .isInstanceOf(IncompatibleModelsException.class)
        .hasMessageStartingWith("base and target are transformers of different structure")
        .hasMessageContaining("hidden: 16 in base, 32 in target")
        .hasMessageContaining("epsilon: 1.0E-5 in base, 1.0E-6 in target")
        .hasMessageContaining("rope: Rope[theta=10000.0, scaling=Optional.empty] in base")
        .hasMessageNotContaining("positions");
    LLAMA.requireSame("a", LLAMA.with("modelType", "mistral"), "b");
  }

  @Test
  void theScalingOfLlama3KeepsShortWavesAndStretchesLongOnes() {
    Rope plain = Rope.of(5e5);
    double[] before = plain.frequencies(128);
    double[] after = new Rope(5e5, Optional.of(new Llama3Scaling(8, 1, 4, 8192))).frequencies(128);
    assertThat(after[0]).isEqualTo(1.0);
    assertThat(after[63]).isEqualTo(before[63] / 8);
    assertThat(after).hasSize(64).isSortedAccordingTo(Comparator.reverseOrder());
  }

  private static SymmetryElement withQueryKey(
      TransformerConfig config, HeadSymmetry.QueryKey queryKey) {
    double[] none = {};
    return withHead(config, new HeadSymmetry(0, new int[] {0, 1}, none, none, queryKey, none));
  }

  private static SymmetryElement withHead(TransformerConfig config, HeadSymmetry head) {
    LayerSymmetry layer = LayerSymmetry.identity(config);
    List<HeadSymmetry> heads = List.of(head, layer.heads().get(1));
    return SymmetryElement.identity(config)
        .withLayer(0, with(layer, layer.units(), layer.unitScales(), heads));
  }

  private static LayerSymmetry with(
      LayerSymmetry layer, int[] units, double[] scales, List<HeadSymmetry> heads) {
    return new LayerSymmetry(units, scales, heads, layer.attentionGain(), layer.mlpGain());
  }

  /** Elements with factors of gains, and with orthogonal maps, are two groups. */
  @Test
  void gainsAndOrthogonalMapsHaveNoProduct() {
    SymmetryElement gains = SymmetryElement.random(LLAMA, EnumSet.of(Kind.GAINS), 1);
    SymmetryElement turned = SymmetryElement.random(LLAMA, EnumSet.of(Kind.ROTATION), 1);
    for (List<SymmetryElement> pair : List.of(List.of(gains, turned), List.of(turned, gains))) {
      assertThatThrownBy(() -> pair.get(0).after(pair.get(1), WS))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageContaining("factors of gains and an orthogonal map of the residual stream")
          .hasMessageContaining("NormAbsorption");
    }
  }

  /** The same on every machine: sines and powers are those of strict arithmetic. */
  @Test
  void phasesAndFactorsAreStrict() {
    SplittableRandom random = new SplittableRandom(1);
    for (int i = 0; i < 100_000; i++) {
      double phase = random.nextDouble(-Math.PI, Math.PI);
      assertThat(SymmetryCheck.cos(phase)).isEqualTo(StrictMath.cos(phase));
      assertThat(SymmetryCheck.sin(phase)).isEqualTo(StrictMath.sin(phase));
    }
  }
}
