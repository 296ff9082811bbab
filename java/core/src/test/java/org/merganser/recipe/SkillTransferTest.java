// SPDX-License-Identifier: Apache-2.0
package org.merganser.recipe;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.io.IOException;
import java.util.EnumSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.SplittableRandom;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.error.IncompatibleModelsException;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.linalg.Tensor;
import org.merganser.symmetry.SymmetryAligner;
import org.merganser.symmetry.SymmetryAligner.Residual;
import org.merganser.symmetry.SymmetryElement;
import org.merganser.symmetry.SymmetryElement.Kind;
import org.merganser.testing.Work;
import org.merganser.transformer.GoldenModel;
import org.merganser.transformer.TransformerConfig;

/** What a model learned, added to another one: exact where the right result is known. */
class SkillTransferTest {
  private static final Workspace WS = Workspace.builder().threads(2).open();

  /** Of the hidden units, heads and rotary pairs. */
  private static final Set<Kind> INSIDE = EnumSet.of(Kind.UNITS, Kind.HEADS, Kind.SHIFT);

  @AfterAll
  static void close() {
    WS.close();
  }

  /**
   * Source models that one symmetry moved: aligned addition gives the fine-tuned model, whatever
   * the symmetry; naive addition is worse than nothing.
   */
  @ParameterizedTest
  @EnumSource(GoldenModel.class)
  void alignedAdditionIsExactInWhateverCoordinatesTheSourcesAre(GoldenModel golden)
      throws IOException {
    TransformerConfig config = golden.config();
    MemoryCheckpoint target = golden.weights();
    MemoryCheckpoint skill = noisy(target, 0.05, 1);
    for (long seed = 1; seed <= 3; seed++) {
      SymmetryElement planted = SymmetryElement.random(config, INSIDE, seed);
      MemoryCheckpoint base = MemoryCheckpoint.copyOf(planted.apply(target), WS);
      MemoryCheckpoint learned = MemoryCheckpoint.copyOf(planted.apply(skill), WS);
      SkillTransfer transfer =
          SkillTransfer.of(config, target, learned, base, SkillTransfer.Options.defaults());
      SymmetryElement found = transfer.align(WS).element();
      double nothing = distance(target, skill);
      assertThat(distance(transfer.add(found, 1, WS), skill)).isLessThan(1e-20 * nothing);
      assertThat(distance(transfer.add(1, WS), skill)).isGreaterThan(nothing);
      // Half of it is half the way, and more than all goes beyond.
      assertThat(distance(transfer.add(found, 0.5, WS), skill))
          .isCloseTo(nothing / 4, within(1e-9 * nothing));
      assertThat(distance(transfer.add(found, 2, WS), skill))
          .isCloseTo(nothing, within(1e-9 * nothing));
    }
  }

  @Test
  void theSkillCanBeAlignedInsteadOfTheBase() throws IOException {
    TransformerConfig config = GoldenModel.LLAMA.config();
    MemoryCheckpoint target = GoldenModel.LLAMA.weights();
    MemoryCheckpoint skill = noisy(target, 0.05, 1);
    SymmetryElement planted = SymmetryElement.random(config, INSIDE, 4);
    SkillTransfer.Options options =
        SkillTransfer.Options.defaults().withSource(SkillTransfer.Source.SKILL);
    SkillTransfer transfer =
        SkillTransfer.of(config, target, planted.apply(skill), planted.apply(target), options);
    SymmetryAligner.Result found = transfer.align(WS);
    assertThat(found.report().after()).isGreaterThan(0);
    assertThat(distance(transfer.add(found.element(), 1, WS), skill))
        .isLessThan(0.05 * distance(target, skill));
  }

  @Test
  void lambdaZeroIsTheTargetByteForByte() throws IOException {
    TransformerConfig config = GoldenModel.QWEN2.config();
    Map<String, Tensor> tensors = new LinkedHashMap<>();
    GoldenModel.QWEN2
        .weights()
        .tensors()
        .forEach(
            (name, info) -> {
              double[] zeros = new double[Math.toIntExact(info.size())];
              zeros[0] = -0.0;
              tensors.put(name, onHost(Tensor.of(zeros, info.dims()), DType.BF16));
            });
    MemoryCheckpoint target = MemoryCheckpoint.of(tensors);
    SkillTransfer transfer =
        SkillTransfer.of(
            config,
            target,
            GoldenModel.QWEN2.weights(),
            GoldenModel.weights(config, 3),
            SkillTransfer.Options.defaults());
    SymmetryElement g = SymmetryElement.random(config, INSIDE, 4);
    for (Checkpoint result : List.of(transfer.add(0, WS), transfer.add(g, 0, WS))) {
      assertThat(result.tensors()).isEqualTo(target.tensors());
      for (String name : target.tensors().keySet()) {
        try (Tensor found = result.read(name, WS)) {
          assertThat(found.sameBytes(target.tensor(name))).as(name).isTrue();
        }
      }
    }
  }

  /**
   * BF16 models of mixed types: differences are formed in F32, and each type is rounded to once.
   */
  @Test
  void whatIsStoredInHalvesIsRoundedOnce() throws IOException {
    TransformerConfig config = GoldenModel.LLAMA.config();
    MemoryCheckpoint wide = GoldenModel.LLAMA.weights();
    MemoryCheckpoint target = rounded(wide);
    MemoryCheckpoint base = rounded(noisy(wide, 0.5, 2));
    MemoryCheckpoint skill = rounded(noisy(base, 0.01, 3));
    SkillTransfer transfer =
        SkillTransfer.of(config, target, skill, base, SkillTransfer.Options.defaults());
    Checkpoint result = transfer.add(0.7, WS);
    assertThat(result.tensors()).containsExactlyInAnyOrderEntriesOf(target.tensors());
    for (String name : target.tensors().keySet()) {
      double[] t = target.tensor(name).toDoubleArray();
      double[] s = skill.tensor(name).toDoubleArray();
      double[] b = base.tensor(name).toDoubleArray();
      int digits = target.info(name).dtype() == DType.BF16 ? 8 : 24;
      try (Tensor read = result.read(name, WS)) {
        double[] found = read.toDoubleArray();
        for (int i = 0; i < found.length; i++) {
          double exact = t[i] + 0.7 * (s[i] - b[i]);
          double sizes = Math.abs(t[i]) + Math.abs(s[i]) + Math.abs(b[i]);
          assertThat(found[i])
              .as(name)
              .isCloseTo(
                  exact, within(Math.scalb(1, Math.getExponent(exact) - digits) + 0x1p-22 * sizes));
        }
      }
    }
  }

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void orthogonalMapsNeedAHeadOfItsOwn(boolean untie) throws IOException {
    TransformerConfig config = GoldenModel.TIED.config();
    MemoryCheckpoint target = GoldenModel.TIED.weights();
    SymmetryAligner.Options how =
        SymmetryAligner.Options.defaults().with("residual", Residual.ORTHOGONAL);
    SkillTransfer transfer =
        SkillTransfer.of(
            config,
            target,
            noisy(target, 0.05, 1),
            target,
            SkillTransfer.Options.defaults().withAlign(how.with("untie", untie)));
    SymmetryElement rotation =
        SymmetryElement.random(config.with("tied", !untie), EnumSet.of(Kind.ROTATION), 1);
    if (untie) {
      assertThat(transfer.add(rotation, 1, WS).tensors()).containsKey("lm_head.weight");
    } else {
      assertThatThrownBy(() -> transfer.add(rotation, 1, WS))
          .isInstanceOf(IncompatibleModelsException.class)
          .hasMessageContaining("the head is the embedding");
    }
  }

  @Test
  void theBestLambdaIsTheSmallestOfEqualOnes() throws IOException {
    TransformerConfig config = GoldenModel.LLAMA.config();
    MemoryCheckpoint target = GoldenModel.LLAMA.weights();
    MemoryCheckpoint skill = noisy(target, 0.1, 1);
    SkillTransfer transfer =
        SkillTransfer.of(config, target, skill, target, SkillTransfer.Options.defaults());
    SymmetryElement g = SymmetryElement.identity(config);
    SkillTransfer.Search nearest =
        transfer.search(g, SkillTransfer.LAMBDAS, model -> -distance(model, skill), WS);
    assertThat(nearest.lambda()).isEqualTo(1);
    assertThat(nearest.scores().keySet())
        .containsExactly(0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0);
    for (List<Double> order : List.of(List.of(0.3, 0.5), List.of(0.5, 0.3))) {
      assertThat(transfer.search(g, order, model -> 1, WS).lambda()).isEqualTo(0.3);
    }
    assertThatThrownBy(() -> transfer.search(g, List.of(0.3), model -> Double.NaN, WS))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("the score of lambda 0.3 is no number");
    assertThatThrownBy(() -> transfer.search(g, List.of(), model -> 1, WS))
        .hasMessage("no lambda to try");
    assertThatThrownBy(() -> transfer.add(g, Double.NaN, WS))
        .hasMessage("lambda must be a number, not NaN");
  }

  @Test
  void settingsAreText() {
    SkillTransfer.Options options =
        SkillTransfer.Options.parse("source=skill,residual=signed-permutation,sweeps=3");
    assertThat(options.source()).isEqualTo(SkillTransfer.Source.SKILL);
    assertThat(options.align().residual()).isEqualTo(Residual.SIGNED_PERMUTATION);
    assertThat(options.align().sweeps()).isEqualTo(3);
    assertThatThrownBy(() -> SkillTransfer.Options.parse("residuals=none"))
        .hasMessageStartingWith("symmetry has no setting 'residuals'; it has source, residual");
  }

  private static double distance(Checkpoint one, Checkpoint other) throws IOException {
    double sum = 0;
    for (String name : other.tensors().keySet()) {
      try (Tensor a = one.read(name, WS);
          Tensor b = other.read(name, WS)) {
        double[] x = a.toDoubleArray();
        double[] y = b.toDoubleArray();
        for (int i = 0; i < x.length; i++) {
          sum += (x[i] - y[i]) * (x[i] - y[i]);
        }
      }
    }
    return sum;
  }

  private static MemoryCheckpoint noisy(MemoryCheckpoint model, double scale, long seed) {
    SplittableRandom random = new SplittableRandom(seed);
    Map<String, Tensor> tensors = new LinkedHashMap<>();
    for (String name : model.tensors().keySet()) {
      double[] values = model.tensor(name).toDoubleArray();
      for (int i = 0; i < values.length; i++) {
        values[i] += scale * (2 * random.nextDouble() - 1);
      }
      tensors.put(name, Tensor.of(values, model.info(name).dims()));
    }
    return MemoryCheckpoint.of(tensors);
  }

  /** Matrices in BF16, gains in F32. */
  private static MemoryCheckpoint rounded(MemoryCheckpoint model) {
    Map<String, Tensor> tensors = new LinkedHashMap<>();
    model
        .tensors()
        .forEach(
            (name, info) ->
                tensors.put(
                    name, onHost(model.tensor(name), info.rank() == 1 ? DType.F32 : DType.BF16)));
    return MemoryCheckpoint.of(tensors);
  }

  private static Tensor onHost(Tensor tensor, DType dtype) {
    try (Tensor converted = tensor.to(dtype, WS)) {
      return Work.host(converted);
    }
  }
}
