// SPDX-License-Identifier: Apache-2.0
package org.merganser.merge;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.merganser.testing.Work.WS;

import java.io.IOException;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.merganser.compute.DType;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.linalg.Tensor;
import org.merganser.merge.DareMerger.Rescale;
import org.merganser.testing.Close;

/** Which elements are kept, and what they become. */
class DareMergerTest {
  private static final double[] BASE = {1, -2, .5, 0, 3, -1};
  private static final double[] X1 = {1.4, -2.1, .8, 0, 2.8, -.95};
  private static final double[] X2 = {.7, -2.2, .6, .6, 3.25, -1};

  /** Of "w" keeps elements 0, 2, 3 and 5 of the first model, 1, 2 and 3 of the second. */
  private static final DareMerger.Options MASKS =
      DareMerger.Options.defaults().withDensity(List.of(0.5)).withSeed(7460);

  private static final DareMerger.Options WEIGHTED = MASKS.withWeights(List.of(0.6, 0.4));

  @ParameterizedTest
  @EnumSource(names = {"F64", "F32", "F16", "BF16"})
  void linear(DType dtype) throws IOException {
    check(
        dtype,
        DareMerger.linear(WEIGHTED.withRescale(Rescale.L1)),
        1.336,
        -2.128888889,
        .816444444,
        .386666667,
        3,
        -.958);
    check(dtype, DareMerger.linear(WEIGHTED), 1.48, -2.16, .94, .48, 3, -.94);
    check(
        dtype,
        DareMerger.linear(WEIGHTED.withRescale(Rescale.NONE)),
        1.24,
        -2.08,
        .72,
        .24,
        3,
        -.97);
  }

  @ParameterizedTest
  @EnumSource(names = {"F64", "F32", "F16", "BF16"})
  void ties(DType dtype) throws IOException {
    check(
        dtype,
        DareMerger.ties(MASKS.withWeights(List.of(1.0, 1.0)).withRescale(Rescale.L1)),
        1.56,
        -2.322222222,
        1.081111111,
        .966666667,
        3,
        -.93);
  }

  /** The largest magnitudes, .4 and .6, are among those that are kept. */
  @Test
  void lengthsAndLargestMagnitudesAreKept() throws IOException {
    double[] l2 = new double[6];
    double first = Math.sqrt(.16 + .01 + .09 + .04 + .0025) / Math.sqrt(.16 + .09 + .0025);
    double second = Math.sqrt(.09 + .04 + .01 + .36 + .0625) / Math.sqrt(.04 + .01 + .36);
    int[][] kept = {{0, 2, 3, 5}, {1, 2, 3}};
    for (int i = 0; i < 6; i++) {
      l2[i] = BASE[i];
    }
    for (int i : kept[0]) {
      l2[i] += .6 * first * (X1[i] - BASE[i]);
    }
    for (int i : kept[1]) {
      l2[i] += .4 * second * (X2[i] - BASE[i]);
    }
    check(DType.F64, DareMerger.linear(WEIGHTED.withRescale(Rescale.L2)), l2);
    check(
        DType.F64,
        DareMerger.linear(WEIGHTED.withRescale(Rescale.LINF)),
        1.24,
        -2.08,
        .72,
        .24,
        3,
        -.97);
  }

  /** The published numbers of seed 42: 0xba64afee, 0x4868e87b, 0x450b845e, ... */
  @Test
  void elementsAreDrawnAsSpecified() throws IOException {
    Checkpoint merged =
        DareMerger.linear(MASKS.withSeed(42).withRescale(Rescale.NONE)).merge(ones("w", 6), WS);
    assertThat(merged.read("w", WS).toDoubleArray()).containsExactly(0, 1, 1, 0, 0, 1);
  }

  @ParameterizedTest
  @CsvSource({"0.5, w", "0.1, w", "0.9, layers.0.weight"})
  void theShareIsKept(double density, String name) throws IOException {
    int n = 1_000_000;
    Checkpoint merged =
        DareMerger.linear(MASKS.withDensity(List.of(density)).withRescale(Rescale.NONE))
            .merge(ones(name, n), WS);
    double kept = 0;
    for (float value : merged.read(name, WS).toFloatArray()) {
      kept += value;
    }
    double deviation = Math.sqrt(n * density * (1 - density));
    assertThat(kept).isBetween(n * density - 4 * deviation, n * density + 4 * deviation);
  }

  /** Over seeds the mean is the task vector, within 3 standard deviations of the mean. */
  @Test
  void theMeanOverSeedsIsTheTaskVector() throws IOException {
    int seeds = 2000;
    double density = 0.3;
    double[] mean = new double[6];
    MergeProblem problem = MergeProblem.of(model(DType.F64, X1)).withBase(model(DType.F64, BASE));
    for (int seed = 0; seed < seeds; seed++) {
      DareMerger.Options options = MASKS.withDensity(List.of(density)).withSeed(seed);
      double[] found = DareMerger.linear(options).merge(problem, WS).read("w", WS).toDoubleArray();
      for (int i = 0; i < 6; i++) {
        mean[i] += (found[i] - BASE[i]) / seeds;
      }
    }
    for (int i = 0; i < 6; i++) {
      double d = X1[i] - BASE[i];
      double deviation = Math.abs(d) * Math.sqrt((1 - density) / density / seeds);
      assertThat(mean[i]).isBetween(d - 3 * deviation - 1e-12, d + 3 * deviation + 1e-12);
    }
  }

  @ParameterizedTest
  @EnumSource
  void nothingDroppedIsTaskArithmetic(Rescale rescale) throws IOException {
    DareMerger.Options options =
        WEIGHTED.withDensity(List.of(1.0)).withRescale(rescale).withLambda(.7);
    TaskArithmeticMerger plain =
        TaskArithmeticMerger.of(
            TaskArithmeticMerger.Options.defaults().withWeights(List.of(0.6, 0.4)).withLambda(.7));
    Close.bitwise(
        rescale.toString(),
        DareMerger.linear(options).merge(problem(DType.F32), WS).read("w", WS),
        plain.merge(problem(DType.F32), WS).read("w", WS));
  }

  /** Norms go through tiles, of which the last is not full; parts are those of the whole. */
  @ParameterizedTest
  @EnumSource(names = {"F32", "BF16"})
  void theSumOfMagnitudesIsKept(DType dtype) throws IOException {
    int n = (1 << 20) + 12_345;
    double[] values = new double[n];
    SplittableRandom random = new SplittableRandom(5);
    for (int i = 0; i < n; i++) {
      values[i] = random.nextDouble() - .5;
    }
    Checkpoint model = MemoryCheckpoint.of(Map.of("w", Tensor.of(dtype, values, WS)));
    Checkpoint zero = MemoryCheckpoint.of(Map.of("w", Tensor.zeros(dtype, n)));
    DareMerger.Options options =
        MASKS.withDensity(List.of(0.25)).withRescale(Rescale.L1).withWeights(List.of(1.0));
    MergeProblem problem = MergeProblem.of(model).withBase(zero);
    double[] found = DareMerger.linear(options).merge(problem, WS).read("w", WS).toDoubleArray();
    for (int from : new int[] {n - 9, (1 << 20) - 5, 3}) {
      try (Tensor part = Tensor.allocate(dtype, 9)) {
        DareMerger.linear(options).merge(problem, WS).readRange("w", from, from + 9, part, WS);
        assertThat(part.toDoubleArray()).isEqualTo(Arrays.copyOfRange(found, from, from + 9));
      }
    }
    // A factor near 4 rounds to it for most values of BF16.
    double tolerance = dtype == DType.BF16 ? 0x1p-8 : 1e-6;
    double before = sum(model.read("w", WS).toDoubleArray());
    assertThat(sum(found)).isBetween(before * (1 - tolerance), before * (1 + tolerance));
  }

  private static double sum(double[] values) {
    return Arrays.stream(values).map(Math::abs).sum();
  }

  @Test
  void optionsThatDoNotFitAreRefused() {
    for (double density : new double[] {0, -1, 1.5, Double.NaN}) {
      assertThatThrownBy(() -> MASKS.withDensity(List.of(density)))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessage("density must be in (0, 1], not " + density);
    }
    assertThatThrownBy(
            () ->
                DareMerger.linear(MASKS.withDensity(List.of(0.5, 0.5, 0.5)))
                    .merge(problem(DType.F32), WS))
        .hasMessage("3 densities for 2 models");
    assertThatThrownBy(
            () -> DareMerger.ties(MASKS.withWeights(List.of(1.0))).merge(problem(DType.F32), WS))
        .hasMessage("1 weights for 2 models");
  }

  private static void check(DType dtype, TensorMerger merger, double... expected)
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

  private static MergeProblem ones(String name, int n) {
    float[] ones = new float[n];
    Arrays.fill(ones, 1);
    return MergeProblem.of(MemoryCheckpoint.of(Map.of(name, Tensor.of(ones, n))))
        .withBase(MemoryCheckpoint.of(Map.of(name, Tensor.zeros(DType.F32, n))));
  }

  private static Checkpoint model(DType dtype, double[] values) {
    return MemoryCheckpoint.of(Map.of("w", Tensor.of(dtype, values, WS)));
  }
}
