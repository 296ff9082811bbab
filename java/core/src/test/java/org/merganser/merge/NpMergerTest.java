// SPDX-License-Identifier: Apache-2.0
package org.merganser.merge;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowableOfType;
import static org.assertj.core.api.Assertions.within;

import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
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
import org.merganser.model.EarlyStopping.HeldOut;
import org.merganser.testing.JavaObjective;
import org.merganser.testing.JavaObjective.Value;

class NpMergerTest {
  private static final Workspace WS = Workspace.open();
  private static final float[] A = {1, -1, .5f};
  private static final float[] C = {0, 1, .5f};
  private static final float[] G = {.2f, -.4f, 1};

  private static MemoryCheckpoint model(float... values) {
    return MemoryCheckpoint.of(Map.of("w", Tensor.of(values, values.length)));
  }

  private static NpMerger.Result learn(
      JavaObjective objective, NpMerger.Options options, float[]... x) throws IOException {
    List<Checkpoint> models = new ArrayList<>();
    for (float[] each : x) {
      models.add(model(each));
    }
    return NpMerger.of(objective, options).learn(MergeProblem.of(models), WS);
  }

  private static float[] theta(NpMerger.Result learned) {
    return learned.model().tensor("w").toFloatArray();
  }

  private static float[] coefficients(NpMerger.Result learned) {
    return learned.coefficients().tensor("w").toFloatArray();
  }

  private static NpMerger.Options sgd(double rate) {
    return NpMerger.Options.defaults().withOptimizer(new NpMerger.Optimizer.Sgd(rate, 0));
  }

  /** merging.md 2.4. */
  @Test
  void goldens() throws IOException {
    NpMerger.Result plain = learn(JavaObjective.constant(G), sgd(1).withSteps(1), A, C);
    assertThat(coefficients(plain))
        .containsExactly(new float[] {.487502604f, .450166003f, .5f}, within(1e-7f));
    assertThat(theta(plain))
        .containsExactly(new float[] {.487502604f, .099667995f, .5f}, within(1e-7f));
    NpMerger.Result adam =
        learn(
            JavaObjective.constant(G),
            NpMerger.Options.defaults()
                .withOptimizer(new NpMerger.Optimizer.Adam(.01))
                .withSteps(1),
            A,
            C);
    assertThat(coefficients(adam))
        .containsExactly(new float[] {.497500021f, .497500021f, .5f}, within(1e-7f));
    assertThat(theta(adam))
        .containsExactly(new float[] {.497500021f, .004999958f, .5f}, within(1e-7f));
  }

  @Test
  void findsTheCoefficientsThatReachTheTarget() throws IOException {
    float[] target = {.9f, .25f, .5f};
    NpMerger.Result learned =
        learn(JavaObjective.distance(target), NpMerger.Options.defaults().withSteps(1500), A, C);
    assertThat(theta(learned)).containsExactly(target, within(1e-3f));
    assertThat(coefficients(learned)).containsExactly(new float[] {.9f, .375f, .5f}, within(1e-3f));
    assertThat(learned.losses()).hasSize(1500);
    assertThat(learned.losses().get(1499)).isLessThan(1e-5 * learned.losses().get(0));
    assertThat(learned.heldOut()).isEmpty();
    assertThat(learned.bestStep()).isEqualTo(1500);
    assertThat(learned.stop()).isEqualTo(NpMerger.Stop.STEPS);
  }

  @Test
  void jointCoefficientsOfThreeModels() throws IOException {
    float[] x1 = {1, 0, 0};
    float[] x2 = {0, 1, 0};
    float[] x3 = {0, 0, 1};
    NpMerger.Result learned =
        learn(
            JavaObjective.distance(.5f, .3f, .6f),
            NpMerger.Options.defaults().withForm(NpMerger.Form.SOFTMAX).withSteps(1500),
            x1,
            x2,
            x3);
    assertThat(theta(learned)).containsExactly(new float[] {.5f, .3f, .6f}, within(2e-3f));
    Tensor coefficients = learned.coefficients().tensor("w");
    assertThat(coefficients.shape()).containsExactly(3, 3);
    for (int i = 0; i < 3; i++) {
      assertThat(coefficients.get(i) + coefficients.get(3 + i) + coefficients.get(6 + i))
          .isCloseTo(1, within(1e-6));
      assertThat(coefficients.get(3L * i + i)).isCloseTo(theta(learned)[i], within(1e-5));
    }
  }

  @ParameterizedTest
  @EnumSource(NpMerger.Granularity.class)
  void sharedLogits(NpMerger.Granularity granularity) throws IOException {
    JavaObjective objective =
        JavaObjective.of(
            Map.of("w", new long[] {2, 3}),
            (step, theta) -> new Value(0, new float[][] {{1, 2, 3, -1, -1, -1}}));
    MemoryCheckpoint a =
        MemoryCheckpoint.of(Map.of("w", Tensor.of(new float[] {1, 1, 1, 1, 1, 1}, 2, 3)));
    MemoryCheckpoint c = MemoryCheckpoint.of(Map.of("w", Tensor.zeros(DType.F32, 2, 3)));
    NpMerger.Options options = sgd(1).withSteps(1).withGranularity(granularity);
    NpMerger.Result learned = NpMerger.of(objective, options).learn(MergeProblem.of(a, c), WS);
    double[] logits =
        switch (granularity) {
          case PARAMETER -> new double[] {-.25, -.5, -.75, .25, .25, .25};
          case ROW -> new double[] {-1.5, .75};
          case TENSOR -> new double[] {-.75};
        };
    Tensor coefficients = learned.coefficients().tensor("w");
    assertThat(coefficients.size()).isEqualTo(logits.length);
    for (int i = 0; i < 6; i++) {
      double coefficient = 1 / (1 + Math.exp(-logits[i * logits.length / 6]));
      assertThat(coefficients.get((long) i * logits.length / 6))
          .isCloseTo(coefficient, within(1e-7));
      assertThat(learned.model().tensor("w").get(i)).isCloseTo(coefficient, within(1e-7));
    }
  }

  @Test
  void keepsTheCoefficientsOfTheLeastHeldOutLoss() throws IOException {
    // Training pulls to 1; held-out data are best at 0.6.
    JavaObjective objective =
        JavaObjective.distance(1).heldOut(theta -> Math.abs(theta[0][0] - .6));
    NpMerger.Result learned =
        learn(
            objective,
            NpMerger.Options.defaults().withSteps(500).withEvalEvery(1).withPatience(7),
            new float[] {1},
            new float[] {0});
    assertThat(theta(learned)[0]).isCloseTo(.6f, within(.02f));
    assertThat(learned.stop()).isEqualTo(NpMerger.Stop.PATIENCE);
    assertThat(learned.losses()).hasSize((int) learned.bestStep() + 7);
    assertThat(learned.heldOut().get(0)).isEqualTo(new HeldOut(0, Math.abs(.5 - .6)));
    double least = learned.heldOut().stream().mapToDouble(HeldOut::score).min().orElseThrow();
    assertThat(learned.bestHeldOutLoss()).hasValue(least);
  }

  @Test
  void neverWorseOnHeldOutDataThanTheAverage() throws IOException {
    JavaObjective objective =
        JavaObjective.distance(1).heldOut(theta -> Math.abs(theta[0][0] - .5));
    NpMerger.Result learned =
        learn(
            objective,
            NpMerger.Options.defaults().withEvalEvery(3),
            new float[] {1},
            new float[] {0});
    assertThat(theta(learned)).containsExactly(.5f);
    assertThat(learned.bestStep()).isZero();
  }

  @Test
  void oneModelAfterTheOther() throws IOException {
    List<Checkpoint> models = List.of(model(4), model(7), model(1));
    List<String> aligned = new ArrayList<>();
    NpMerger merger =
        NpMerger.of(
            JavaObjective.constant(0),
            NpMerger.Options.defaults().withSteps(1).withInitUniform(true));
    List<NpMerger.Result> rounds =
        merger.successive(
            MergeProblem.of(models),
            (reference, next) -> {
              aligned.add(
                  reference.read("w", WS).toFloatArray()[0]
                      + " "
                      + next.read("w", WS).toFloatArray()[0]);
              return next;
            },
            WS);
    assertThat(aligned).containsExactly("4.0 7.0", "5.5 1.0");
    assertThat(rounds).hasSize(2);
    assertThat(theta(rounds.get(1))[0]).isCloseTo(4, within(1e-6f));
    Checkpoint merged = merger.merge(MergeProblem.of(models), WS);
    assertThat(merged.read("w", WS).toFloatArray()[0]).isCloseTo(4, within(1e-6f));
  }

  @Test
  void otherTensorsComeFromTheObjectiveOrTheFirstModel() throws IOException {
    Map<String, Tensor> a = new LinkedHashMap<>();
    a.put("w", Tensor.of(new float[] {1}, 1));
    a.put("mean", Tensor.of(new float[] {5}, 1));
    a.put("frozen", Tensor.of(new float[] {6}, 1));
    a.put("count", Tensor.zeros(DType.I64));
    Map<String, Tensor> c = new LinkedHashMap<>();
    a.forEach((name, tensor) -> c.put(name, Tensor.zeros(tensor.dtype(), tensor.shape())));
    JavaObjective objective =
        JavaObjective.constant(0).buffers(Map.of("mean", Tensor.of(new float[] {8}, 1)));
    MemoryCheckpoint first = MemoryCheckpoint.of(a);
    MemoryCheckpoint second = MemoryCheckpoint.of(c, Map.of(), Set.of("mean", "frozen"));
    NpMerger.Result learned =
        NpMerger.of(objective, NpMerger.Options.defaults().withSteps(1))
            .learn(MergeProblem.of(first, second), WS);
    assertThat(learned.model().tensors().keySet()).containsExactly("w", "mean", "frozen", "count");
    assertThat(learned.model().tensor("mean").get(0)).isEqualTo(8);
    assertThat(learned.model().tensor("frozen").get(0)).isEqualTo(6);
    assertThat(learned.model().stale()).containsExactly("frozen");
  }

  @ParameterizedTest
  @EnumSource(names = {"F64", "F32", "F16", "BF16"})
  void theResultHasTheTypeOfTheFirstModel(DType dtype) throws IOException {
    Checkpoint a = MemoryCheckpoint.of(Map.of("w", Tensor.of(dtype, new double[] {1, 2}, WS)));
    Checkpoint c = MemoryCheckpoint.of(Map.of("w", Tensor.of(dtype, new double[] {3, -1}, WS)));
    NpMerger.Result learned =
        NpMerger.of(JavaObjective.constant(0, 0), NpMerger.Options.defaults().withSteps(1))
            .learn(MergeProblem.of(a, c), WS);
    Tensor w = learned.model().tensor("w");
    assertThat(w.dtype()).isEqualTo(dtype);
    assertThat(w.toDoubleArray()).containsExactly(2, .5);
  }

  @Test
  void aGradientThatIsNotFiniteStopsWithTheBestCoefficientsKept() throws IOException {
    JavaObjective objective =
        JavaObjective.of(
            Map.of("w", new long[] {3}),
            (step, theta) ->
                new Value(1, new float[][] {{step == 5 ? Float.NaN : 1, 1, step == 5 ? 2 : 1}}));
    objective.heldOut(theta -> theta[0][0]);
    NpMerger.Diverged failure =
        catchThrowableOfType(
            NpMerger.Diverged.class,
            () -> learn(objective, NpMerger.Options.defaults().withEvalEvery(2), A, C));
    assertThat(failure)
        .hasMessageStartingWith("step 5: the gradient of 'w' at index 0 is not finite or too large")
        .hasMessageContaining("the coefficients of step 4 are kept");
    NpMerger.Result four =
        learn(
            JavaObjective.constant(1, 1, 1).heldOut(theta -> theta[0][0]),
            NpMerger.Options.defaults().withEvalEvery(2).withSteps(4),
            A,
            C);
    assertThat(theta(failure.best())).isEqualTo(theta(four));
    assertThat(failure.best().stop()).isEqualTo(NpMerger.Stop.DIVERGED);
  }

  @Test
  void aLossThatIsNotFiniteNamesTheStep() {
    JavaObjective objective =
        JavaObjective.of(
            Map.of("w", new long[] {3}),
            (step, theta) -> new Value(step == 3 ? Double.NaN : 1, new float[][] {G}));
    assertThatThrownBy(() -> learn(objective, NpMerger.Options.defaults(), A, C))
        .isInstanceOf(NumericalException.class)
        .hasMessageStartingWith(
            "step 3: the loss is NaN, the gradients are finite;"
                + " the coefficients of step 3 are kept");
  }

  @Test
  void everyProblemOfTheModelsIsListedBeforeAnyWork() {
    Map<String, long[]> shapes = new LinkedHashMap<>();
    shapes.put("w", new long[] {4});
    shapes.put("count", new long[] {});
    shapes.put("v", new long[] {2});
    JavaObjective objective =
        JavaObjective.of(
            shapes,
            (step, theta) -> {
              throw new AssertionError("no step may be made");
            });
    Map<String, Tensor> tensors = new LinkedHashMap<>();
    tensors.put("w", Tensor.of(A, 3));
    tensors.put("count", Tensor.zeros(DType.I64));
    MemoryCheckpoint a = MemoryCheckpoint.of(tensors);
    assertThatThrownBy(() -> NpMerger.of(objective).learn(MergeProblem.of(a, a), WS))
        .isInstanceOfSatisfying(
            IncompatibleModelsException.class,
            e ->
                assertThat(e.problems())
                    .containsExactly(
                        "'w' is F32 [3], the objective has F32 [4]",
                        "'count' I64 [] cannot be learned: it is no real number",
                        "no tensor 'v' (nearest of 2: w, count)"));
    assertThatThrownBy(() -> MergeProblem.of(model(A), model(1, 2)))
        .isInstanceOf(IncompatibleModelsException.class)
        .hasMessageContaining("'w' is F32 [2], model 0 has F32 [3]");
  }

  @Test
  void badNumbersAreRefused() {
    assertThatThrownBy(() -> NpMerger.Options.defaults().withSteps(0))
        .hasMessageStartingWith("steps must be at least 1, not 0");
    assertThatThrownBy(() -> NpMerger.Options.defaults().withLimit(41))
        .hasMessage("limit must be in (0, 40], not 41.0");
    assertThatThrownBy(() -> NpMerger.Options.defaults().withInitial(.5, .6))
        .hasMessageContaining("must sum to 1, not to 1.1");
    assertThatThrownBy(() -> new NpMerger.Optimizer.Adam(Double.NaN))
        .hasMessage("learning-rate must be finite and greater than 0, not NaN");
    assertThatThrownBy(() -> learn(JavaObjective.constant(G), NpMerger.Options.defaults(), A, C, G))
        .hasMessage(
            "3 models; SIGMOID learns the coefficients of 2; use merge or successive for more");
    assertThatThrownBy(
            () ->
                learn(
                    JavaObjective.constant(G),
                    NpMerger.Options.defaults().withInitial(.2, .3, .5),
                    A,
                    C))
        .hasMessage("3 initial coefficients for 2 models");
    assertThatThrownBy(
            () ->
                learn(
                    JavaObjective.constant(G),
                    NpMerger.Options.defaults(),
                    A,
                    new float[] {1, Float.NaN, 2}))
        .isInstanceOf(NumericalException.class)
        .hasMessageContaining("model 1 is not finite in slot 0, element 1")
        .hasMessageContaining("slots are [w]");
  }

  @Test
  void theNumberOfThreadsChangesNothing() throws IOException {
    int n = 100_003;
    float[] a = new float[n];
    float[] c = new float[n];
    float[] target = new float[n];
    for (int i = 0; i < n; i++) {
      a[i] = (float) Math.sin(i);
      c[i] = (float) Math.cos(3 * i);
      target[i] = (float) Math.sin(.1 * i);
    }
    List<Tensor> results = new ArrayList<>();
    for (int threads : new int[] {1, 2, 8}) {
      try (Workspace ws = Workspace.builder().threads(threads).open()) {
        NpMerger.Result learned =
            NpMerger.of(JavaObjective.distance(target), NpMerger.Options.defaults().withSteps(5))
                .learn(MergeProblem.of(model(a), model(c)), ws);
        results.add(learned.model().tensor("w"));
      }
    }
    assertThat(results.get(1).sameBytes(results.get(0))).isTrue();
    assertThat(results.get(2).sameBytes(results.get(0))).isTrue();
  }
}
