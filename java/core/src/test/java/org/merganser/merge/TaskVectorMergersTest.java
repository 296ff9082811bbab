// SPDX-License-Identifier: Apache-2.0
package org.merganser.merge;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.merganser.testing.Work.WS;

import java.io.IOException;
import java.util.Arrays;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.merganser.compute.DType;
import org.merganser.error.IncompatibleModelsException;
import org.merganser.error.NumericalException;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.linalg.Tensor;
import org.merganser.testing.Close;

/** Task arithmetic and TIES against numbers worked out by hand. */
class TaskVectorMergersTest {
  private static final double[] BASE = {1, -2, .5, 0, 3, -1};
  private static final double[] X1 = {1.4, -2.1, .8, 0, 2.8, -.95};
  private static final double[] X2 = {.7, -2.2, .6, .6, 3.25, -1};
  private static final TiesMerger.Options TIES = TiesMerger.Options.defaults();

  @ParameterizedTest
  @EnumSource(names = {"F64", "F32", "F16", "BF16"})
  void taskArithmetic(DType dtype) throws IOException {
    TaskArithmeticMerger.Options options =
        TaskArithmeticMerger.Options.defaults().withWeights(List.of(0.6, 0.4));
    check(
        dtype, TaskArithmeticMerger.of(options), new double[] {1.12, -2.14, .72, .24, 2.98, -.97});
    check(
        dtype,
        TaskArithmeticMerger.of(options.withLambda(.5)),
        new double[] {1.06, -2.07, .61, .12, 2.99, -.985});
    check(
        dtype,
        TaskArithmeticMerger.of(TaskArithmeticMerger.Options.defaults()),
        new double[] {1.05, -2.15, .7, .3, 3.025, -.975});
  }

  @ParameterizedTest
  @EnumSource(names = {"F64", "F32", "F16", "BF16"})
  void ties(DType dtype) throws IOException {
    TiesMerger.Options half = TIES.withDensity(List.of(0.5));
    check(dtype, TiesMerger.of(half), new double[] {1.4, -2, .8, .6, 3.25, -1});
    TiesMerger.Options weighted = half.withWeights(List.of(0.6, 0.4));
    check(dtype, TiesMerger.of(weighted), new double[] {1.4, -2, .8, .6, 2.8, -1});
    check(
        dtype,
        TiesMerger.of(weighted.withNormalise(false)),
        new double[] {1.24, -2, .68, .24, 2.88, -1});
  }

  @Test
  void oneModelThatIsNotTrimmedIsGivenBack() throws IOException {
    Checkpoint merged =
        TiesMerger.of(TIES).merge(MergeProblem.of(model(DType.F64, X1)).withBase(base()), WS);
    Close.absolute("w", merged.read("w", WS).toDoubleArray(), X1, 0x1p-52);
    // Nothing to divide by where nothing is left.
    Checkpoint same =
        TiesMerger.of(TIES).merge(MergeProblem.of(base(), base()).withBase(base()), WS);
    assertThat(same.read("w", WS).toDoubleArray()).isEqualTo(BASE);
  }

  private static Checkpoint base() {
    return model(DType.F64, BASE);
  }

  /** Equal magnitudes: those of lowest index are kept, across tiles. */
  @Test
  void exactlyTheShareIsKept() throws IOException {
    int n = (1 << 20) + 1000;
    float[] ones = new float[n];
    java.util.Arrays.fill(ones, 1);
    Checkpoint model = MemoryCheckpoint.of(Map.of("w", Tensor.of(ones, n)));
    Checkpoint zero = MemoryCheckpoint.of(Map.of("w", Tensor.zeros(DType.F32, n)));
    Checkpoint merged =
        TiesMerger.of(TIES.withDensity(List.of(1 - 500.0 / n)))
            .merge(MergeProblem.of(model).withBase(zero), WS);
    float[] found = merged.read("w", WS).toFloatArray();
    long kept = (long) ((1 - 500.0 / n) * n);
    for (int i = 0; i < n; i++) {
      assertThat(found[i]).isEqualTo(i < kept ? 1 : 0);
    }
  }

  /** As the authors' code trims: the masks are {0, 1, 2, 4} and {0, 1, 3, 4}. */
  @ParameterizedTest
  @EnumSource(names = {"F64", "F32", "F16", "BF16"})
  void asPublished(DType dtype) throws IOException {
    TiesMerger.Options half = TIES.withDensity(List.of(0.5)).withTrim(TiesMerger.Trim.AT_LEAST);
    check(dtype, TiesMerger.of(half), new double[] {1.4, -2.15, .8, .6, 3.25, -1});
    check(
        dtype,
        TiesMerger.of(half.withNormalise(false)),
        new double[] {1.4, -2.3, .8, .6, 3.25, -1});
  }

  /** All that are equal to the next one are kept, and all where that is the last. */
  @Test
  void atLeastKeepsEquals() throws IOException {
    double[] values = {1, -2, 2, 1, -1, 2, 1, 1};
    MergeProblem problem =
        MergeProblem.of(model(DType.F32, values)).withBase(model(DType.F32, new double[8]));
    TiesMerger.Options options = TIES.withTrim(TiesMerger.Trim.AT_LEAST);
    double[] large = {0, -2, 2, 0, 0, 2, 0, 0};
    assertThat(read(options.withDensity(List.of(.25)), problem)).isEqualTo(large);
    assertThat(read(options.withDensity(List.of(.375)), problem)).isEqualTo(values);
    assertThat(read(options.withDensity(List.of(.9)), problem)).isEqualTo(values);
  }

  /** One vector of all tensors by name, whatever their order in the file; masks are left out. */
  @ParameterizedTest
  @EnumSource(names = {"F64", "F32", "BF16"})
  void aWholeModelIsTrimmedAsOneVector(DType dtype) throws IOException {
    int n = (1 << 20) + 77;
    double[] all = new double[2 * n + 12];
    SplittableRandom random = new SplittableRandom(2);
    for (int i = 0; i < all.length; i++) {
      all[i] = random.nextInt(-9, 10) / 8.0;
    }
    long kept = (long) (0.3 * all.length);
    double[] expected = trimmed(all, (int) kept);
    Map<String, Tensor> tensors = new LinkedHashMap<>();
    Map<String, Tensor> base = new LinkedHashMap<>();
    for (String name : List.of("c", "a", "b")) {
      int from = from(name, n);
      int to = to(name, n);
      tensors.put(name, Tensor.of(dtype, Arrays.copyOfRange(all, from, to), WS));
      base.put(name, Tensor.of(dtype, new double[to - from], WS));
    }
    tensors.put("mask", Tensor.of(dtype, new double[] {0, Double.NEGATIVE_INFINITY}, WS));
    base.put("mask", Tensor.of(dtype, new double[] {0, Double.NEGATIVE_INFINITY}, WS));
    TiesMerger.Options options = TIES.withDensity(List.of(0.3)).withScope(TiesMerger.Scope.MODEL);
    Checkpoint merged =
        TiesMerger.of(options)
            .merge(
                MergeProblem.of(MemoryCheckpoint.of(tensors)).withBase(MemoryCheckpoint.of(base)),
                WS);
    for (String name : List.of("b", "mask", "c", "a")) {
      double[] found = merged.read(name, WS).toDoubleArray();
      assertThat(found)
          .isEqualTo(
              name.equals("mask")
                  ? new double[] {0, Double.NEGATIVE_INFINITY}
                  : Arrays.copyOfRange(expected, from(name, n), to(name, n)));
    }
  }

  private static int from(String name, int n) {
    return name.equals("a") ? 0 : name.equals("b") ? n : n + 12;
  }

  private static int to(String name, int n) {
    return name.equals("a") ? n : name.equals("b") ? n + 12 : 2 * n + 12;
  }

  private static double[] trimmed(double[] values, int kept) {
    Integer[] order = IntStream.range(0, values.length).boxed().toArray(Integer[]::new);
    Arrays.sort(order, Comparator.comparingDouble(i -> -Math.abs(values[i])));
    double[] left = new double[values.length];
    for (int rank = 0; rank < kept; rank++) {
      left[order[rank]] = values[order[rank]];
    }
    return left;
  }

  @Test
  void aWholeModelIsNotTrimmedByTensor() {
    TiesMerger.Options options = TIES.withScope(TiesMerger.Scope.MODEL);
    assertThatThrownBy(
            () ->
                TensorMerger.perTensor(name -> TiesMerger.of(options))
                    .merge(problem(DType.F32), WS))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("ties: a setting of the whole model cannot differ between tensors");
    Checkpoint few = TiesMerger.of(options.withDensity(List.of(.1))).merge(problem(DType.F32), WS);
    assertThatThrownBy(() -> few.read("w", WS))
        .hasMessage(
            "ties: density 0.1 keeps none of the 6 elements of the model; take a larger one, or 1"
                + " for all");
  }

  private static double[] read(TiesMerger.Options options, MergeProblem problem)
      throws IOException {
    return TiesMerger.of(options).merge(problem, WS).read("w", WS).toDoubleArray();
  }

  @Test
  void optionsThatDoNotFitAreRefusedBeforeAnythingIsRead() {
    MergeProblem problem = problem(DType.F32);
    assertThatThrownBy(() -> TiesMerger.of(TIES.withDensity(List.of(0.1))).merge(problem, WS))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage(
            "ties: density 0.1 keeps none of the 6 elements of 'w'; take a larger one, or 1 for"
                + " that tensor");
    assertThatThrownBy(
            () -> TiesMerger.of(TIES.withDensity(List.of(0.5, 0.5, 0.5))).merge(problem, WS))
        .hasMessage("3 densities for 2 models");
    assertThatThrownBy(() -> TiesMerger.of(TIES.withWeights(List.of(1.0))).merge(problem, WS))
        .hasMessage("1 weights for 2 models");
    for (double density : new double[] {0, -1, 1.5, Double.NaN}) {
      assertThatThrownBy(() -> TIES.withDensity(List.of(density)))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessage("density must be in (0, 1], not " + density);
    }
    assertThatThrownBy(() -> TIES.withLambda(Double.NaN))
        .hasMessage("lambda must be finite, not NaN");
  }

  @Test
  void aBaseThatDoesNotFitIsReported() {
    Checkpoint other = MemoryCheckpoint.of(Map.of("w", Tensor.zeros(DType.F32, 3)));
    assertThatThrownBy(() -> problem(DType.F32).withBase(other))
        .isInstanceOf(IncompatibleModelsException.class)
        .hasMessageContaining("the base: 'w' is F32 [3], model 0 has F32 [6]");
  }

  @Test
  void aBaseThatIsNotFiniteIsRefused() {
    double[] broken = BASE.clone();
    broken[4] = Double.NaN;
    for (TensorMerger merger :
        new TensorMerger[] {
          TiesMerger.of(TIES.withDensity(List.of(0.5))),
          TaskArithmeticMerger.of(TaskArithmeticMerger.Options.defaults())
        }) {
      MergeProblem problem = problem(DType.F32).withBase(model(DType.F32, broken));
      assertThatThrownBy(() -> merger.merge(problem, WS).read("w", WS))
          .isInstanceOf(NumericalException.class)
          .hasMessageStartingWith(
              "the base: 'w' F32 [6] holds 1 non-finite values, the first at index 4 (NaN)");
    }
  }

  private static void check(DType dtype, TensorMerger merger, double[] expected)
      throws IOException {
    double tolerance =
        switch (dtype) {
          case F64 -> 1e-9;
          case F32 -> 1e-7;
          case F16 -> 1e-3;
          default -> 1e-2;
        };
    Checkpoint merged = merger.merge(problem(dtype), WS);
    Close.relative(merger + " " + dtype, merged.read("w", WS).toDoubleArray(), expected, tolerance);
  }

  private static MergeProblem problem(DType dtype) {
    return MergeProblem.of(model(dtype, X1), model(dtype, X2)).withBase(model(dtype, BASE));
  }

  private static Checkpoint model(DType dtype, double[] values) {
    return MemoryCheckpoint.of(Map.of("w", Tensor.of(dtype, values, WS)));
  }
}
