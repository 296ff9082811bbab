// SPDX-License-Identifier: Apache-2.0
package org.merganser.merge;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.merganser.testing.Work.WS;

import java.io.IOException;
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
import org.merganser.merge.LinearMerger.NonFiniteWeights;
import org.merganser.merge.LinearMerger.Normalise;
import org.merganser.merge.LinearMerger.Options;
import org.merganser.plan.Catalogue;
import org.merganser.testing.Close;

class LinearMergerTest {
  private static final float[] X1 = {1.4f, -2.1f, .8f, 0, 2.8f, -.95f};
  private static final float[] X2 = {.7f, -2.2f, .6f, .6f, 3.25f, -1};

  @Test
  void weightedMeans() throws IOException {
    check(LinearMerger.weights(.6, .4), 1.12, -2.14, .72, .24, 2.98, -.97);
    check(LinearMerger.weights(2, 1), 1.166666667, -2.133333333, .733333333, .2, 2.95, -.966666667);
    Options asGiven = new Options(List.of(2.0, 1.0), Normalise.AS_GIVEN, NonFiniteWeights.FAIL);
    check(LinearMerger.of(asGiven), 3.5, -6.4, 2.2, .6, 8.85, -2.9);
    check(LinearMerger.weights(1, 0), 1.4, -2.1, .8, 0, 2.8, -.95);
  }

  private static void check(LinearMerger merger, double... expected) throws IOException {
    Checkpoint merged =
        merger.merge(MergeProblem.of(model(Tensor.of(X1, 2, 3)), model(Tensor.of(X2, 2, 3))), WS);
    Close.relative("w", merged.read("w", WS).toDoubleArray(), expected, 1e-7);
  }

  @Test
  void whatEachModelCountsIsKnown() {
    assertThat(LinearMerger.weights(1, 3).shares(2)).containsExactly(0.25, 0.75);
    assertThat(LinearMerger.uniform().shares(4)).containsOnly(0.25).hasSize(4);
    assertThat(SlerpMerger.of(new SlerpMerger.Options(0.25)).shares(2)).containsExactly(0.75, 0.25);
    assertThat(Catalogue.mergers().method("task-arithmetic").shares(2)).containsExactly(0.5, 0.5);
  }

  @Test
  void sumsAreRoundedOnce() throws IOException {
    // In F32, 2^24 + 1 - 2^24 would be 0.
    Options options =
        new Options(List.of(1.0, 1.0, 1.0), Normalise.AS_GIVEN, NonFiniteWeights.FAIL);
    Checkpoint merged =
        LinearMerger.of(options)
            .merge(
                MergeProblem.of(
                    model(Tensor.of(new float[] {0x1p24f}, 1)),
                    model(Tensor.of(new float[] {1}, 1)),
                    model(Tensor.of(new float[] {-0x1p24f}, 1))),
                WS);
    assertThat(merged.read("w", WS).toFloatArray()).containsExactly(1f);
  }

  @Test
  void nonFiniteWeightsAreRefusedWithTheirPlace() {
    float[] broken = X2.clone();
    broken[3] = Float.NaN;
    broken[5] = Float.NEGATIVE_INFINITY;
    Checkpoint merged =
        LinearMerger.uniform()
            .merge(MergeProblem.of(model(Tensor.of(X1, 6)), model(Tensor.of(broken, 6))), WS);
    assertThatThrownBy(() -> merged.read("w", WS))
        .isInstanceOf(NumericalException.class)
        .hasMessage(
            "model 1: 'w' F32 [6] holds 2 non-finite values, the first at index 3 (NaN); repair"
                + " the model, leave the tensor out (--ignore, Checkpoint.where), or take"
                + " linear:non-finite=propagate (in a recipe non_finite: propagate;"
                + " NonFiniteWeights.PROPAGATE)");
  }

  @Test
  void aModelOfWeightZeroMustBeFiniteToo() {
    Checkpoint a = model(Tensor.of(new float[] {1, 1}, 2));
    Checkpoint b = model(Tensor.of(new float[] {1, Float.POSITIVE_INFINITY}, 2));
    assertThatThrownBy(
            () -> LinearMerger.weights(1, 0).merge(MergeProblem.of(a, b), WS).read("w", WS))
        .isInstanceOf(NumericalException.class)
        .hasMessageStartingWith("model 1: 'w' F32 [2] holds 1 non-finite values");
  }

  /** One element is beyond the range, another, which is not asked for, is not finite. */
  @Test
  void whatIsBeyondInAPartIsToldBesideWhatIsNotFinite() throws IOException {
    Checkpoint a = model(Tensor.of(new float[] {3e38f, 1}, 2));
    Checkpoint b = model(Tensor.of(new float[] {-3e38f, Float.NaN}, 2));
    Checkpoint merged = LinearMerger.weights(2, -1).merge(MergeProblem.of(a, b), WS);
    try (Tensor part = Tensor.allocate(DType.F32, 1)) {
      assertThatThrownBy(() -> merged.readRange("w", 0, 1, part, WS))
          .isInstanceOf(NumericalException.class)
          .hasMessageStartingWith("model 1: 'w' F32 [2] holds 1 non-finite values");
    }
  }

  /** Finite models whose sum is not. */
  @Test
  void aSumBeyondTheRangeIsRefused() {
    Checkpoint a = model(Tensor.of(new float[] {3e38f, 1}, 2));
    Checkpoint b = model(Tensor.of(new float[] {-3e38f, 1}, 2));
    Checkpoint beyond = LinearMerger.weights(2, -1).merge(MergeProblem.of(a, b), WS);
    assertThatThrownBy(() -> beyond.read("w", WS))
        .isInstanceOf(NumericalException.class)
        .hasMessageStartingWith(
            "'w' F32 [2]: 1 values of the sum with weights [2.0, -1.0] are beyond the range of"
                + " F32;")
        .hasMessageContaining("--dtype");
  }

  @Test
  void nonFiniteWeightsPropagateWhenAsked() throws IOException {
    float[] broken = X2.clone();
    broken[3] = Float.NaN;
    Options options = new Options(List.of(), Normalise.SUM_TO_ONE, NonFiniteWeights.PROPAGATE);
    float[] merged =
        LinearMerger.of(options)
            .merge(MergeProblem.of(model(Tensor.of(X1, 6)), model(Tensor.of(broken, 6))), WS)
            .read("w", WS)
            .toFloatArray();
    assertThat(merged[3]).isNaN();
    assertThat(merged[2]).isEqualTo((float) (0.5 * .8f + 0.5 * .6f));
  }

  @Test
  void weightsThatCannotBeNormalisedAreRefused() {
    assertThatThrownBy(() -> LinearMerger.weights(1, -1))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("weights [1.0, -1.0] sum to 0.0, which cannot be normalised");
    assertThatThrownBy(() -> LinearMerger.weights(1, -1 + 1e-12))
        .isInstanceOf(IllegalArgumentException.class);
    assertThatThrownBy(() -> LinearMerger.weights(Double.NaN, 1))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("weights must be finite, not NaN");
    assertThatThrownBy(() -> LinearMerger.Options.defaults().withNormalise(null))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("normalise must not be null");
    assertThatThrownBy(() -> check(LinearMerger.weights(1, 2, 3)))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("3 weights for 2 models");
  }

  @Test
  void everyMismatchIsReported() {
    Checkpoint a =
        MemoryCheckpoint.of(
            Map.of(
                "same", Tensor.zeros(DType.F32, 2),
                "shape", Tensor.zeros(DType.F32, 2),
                "type", Tensor.zeros(DType.F32, 2)));
    Checkpoint b =
        MemoryCheckpoint.of(
            Map.of(
                "same", Tensor.zeros(DType.F32, 2),
                "shape", Tensor.zeros(DType.F32, 3),
                "type", Tensor.zeros(DType.BF16, 2),
                "more", Tensor.zeros(DType.F32, 1)));
    assertThatThrownBy(() -> MergeProblem.of(a, b))
        .isInstanceOfSatisfying(
            IncompatibleModelsException.class,
            e ->
                assertThat(e.problems())
                    .containsExactly(
                        "model 0: no tensor 'more' (nearest of 3: same, type, shape), model 1 has"
                            + " it",
                        "model 1: 'shape' is F32 [3], model 0 has F32 [2]",
                        "model 1: 'type' is BF16 [2], model 0 has F32 [2]"));
  }

  @Test
  void typesThatAreNotAveragedMustBeEqual() throws IOException {
    Checkpoint a = integers(7);
    assertThat(
            LinearMerger.uniform()
                .merge(MergeProblem.of(a, integers(7)), WS)
                .read("steps", WS)
                .memory()
                .getLong(0))
        .isEqualTo(7);
    Checkpoint differing = LinearMerger.uniform().merge(MergeProblem.of(a, integers(8)), WS);
    assertThatThrownBy(() -> differing.read("steps", WS))
        .isInstanceOf(IncompatibleModelsException.class)
        .hasMessage(
            "the models cannot be merged:\n  'steps' I64 [1] differs between model 0 and model 1"
                + " and cannot be averaged; name it under \"counters\" in a builder file"
                + " (--architecture) to take model 0's, or leave it out (--ignore); for a recipe,"
                + " make the models equal in it");
  }

  @Test
  void countersAreTheReferences() throws IOException {
    MergeProblem problem = new MergeProblem(List.of(integers(7), integers(8)), Set.of("steps"));
    Checkpoint merged = LinearMerger.uniform().merge(problem, WS);
    assertThat(merged.read("steps", WS).memory().getLong(0)).isEqualTo(7);
  }

  @Test
  void noModelsAreRefused() {
    assertThatThrownBy(() -> MergeProblem.of(List.of()))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("no models to merge");
  }

  private static Checkpoint integers(long value) {
    Tensor tensor = Tensor.allocate(DType.I64, 1);
    tensor.memory().putLong(0, value);
    return MemoryCheckpoint.of(Map.of("steps", tensor));
  }

  private static Checkpoint model(Tensor w) {
    return MemoryCheckpoint.of(Map.of("w", w));
  }
}
