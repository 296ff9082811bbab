// SPDX-License-Identifier: Apache-2.0
package org.merganser.merge;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;
import static org.merganser.testing.Work.WS;

import java.io.IOException;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.merganser.compute.DType;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.linalg.Tensor;
import org.merganser.merge.DareMerger.Rescale;
import org.merganser.testing.Close;

/** With which probability elements are kept, and what they become. */
class DellaMergerTest {
  private static final double[] ROWS = {.4, -.1, .3, 0, -.2, .05, .25, -.6, .1, .2};
  private static final double[] P = {.6, .45, .55, .4, .5, .4, .55, .6, .45, .5};
  private static final DellaMerger.Options HALF =
      DellaMerger.Options.defaults()
          .withDensity(List.of(0.5))
          .withEpsilon(0.1)
          .withNormalise(false);

  /** What is kept shows its probability, and how often shows it as well. */
  @ParameterizedTest
  @EnumSource(names = {"F64", "F32", "F16", "BF16"})
  void probabilitiesFollowTheRankInTheRow(DType dtype) throws IOException {
    MergeProblem problem = problem(dtype, ROWS, 2, 5);
    double[] given = problem.models().get(0).read("w", WS).toDoubleArray();
    int seeds = 400;
    int[] kept = new int[10];
    for (int seed = 0; seed < seeds; seed++) {
      double[] found = read(DellaMerger.linear(HALF.withSeed(seed)), problem);
      for (int i = 0; i < 10; i++) {
        if (found[i] != 0) {
          kept[i]++;
          assertThat(Math.abs(found[i] / given[i] * P[i] - 1)).isLessThan(0.005);
        }
      }
    }
    for (int i = 0; i < 10; i++) {
      double deviation = Math.sqrt(seeds * P[i] * (1 - P[i]));
      assertThat((double) kept[i])
          .isBetween(ROWS[i] == 0 ? 0 : seeds * P[i] - 4 * deviation, seeds * P[i] + 4 * deviation);
    }
  }

  /** A vector is one row, more than two dimensions have rows of all but the first. */
  @Test
  void rowsAreOfTheFirstDimension() throws IOException {
    DellaMerger method = DellaMerger.linear(HALF);
    double[] flat = read(method, problem(DType.F64, ROWS, 10));
    assertThat(read(method, problem(DType.F64, ROWS, 1, 10))).isEqualTo(flat);
    assertThat(read(method, problem(DType.F64, ROWS, 1, 5, 2))).isEqualTo(flat);
    assertThat(read(method, problem(DType.F64, ROWS, 2, 5, 1)))
        .isEqualTo(read(method, problem(DType.F64, ROWS, 2, 5)));
    assertThat(read(DellaMerger.linear(HALF.withEpsilon(.4)), problem(DType.F64, ROWS, 2, 5)))
        .isNotEqualTo(read(DellaMerger.linear(HALF.withEpsilon(.4)), problem(DType.F64, ROWS, 10)));
  }

  /** Without epsilon all ranks have the same probability, and the words are DARE's. */
  @ParameterizedTest
  @EnumSource(Rescale.class)
  void withoutEpsilonItIsDare(Rescale rescale) throws IOException {
    double[] values = random(1, 3000);
    MergeProblem problem = two(DType.F64, values, random(2, 3000), 60, 50);
    DellaMerger.Options della =
        HALF.withEpsilon(0).withWeights(List.of(.7, .6)).withRescale(rescale).withSeed(5);
    DareMerger.Options dare =
        DareMerger.Options.defaults()
            .withDensity(List.of(0.5))
            .withWeights(List.of(.7, .6))
            .withRescale(rescale)
            .withSeed(5);
    double[] linear = read(DareMerger.linear(dare), problem);
    Close.absolute("linear", read(DellaMerger.linear(della), problem), linear, 1e-14);
    double[] ties = read(DareMerger.ties(dare.withNormalise(true)), problem);
    Close.absolute("ties", read(DellaMerger.ties(della.withNormalise(true)), problem), ties, 1e-14);
  }

  /** Norms are those of before, whatever was dropped. */
  @Test
  void sumsOfMagnitudesAreKept() throws IOException {
    double[] values = random(3, 2000);
    double[] found =
        read(DellaMerger.linear(HALF.withRescale(Rescale.L1)), problem(DType.F64, values, 40, 50));
    double before = Arrays.stream(values).map(Math::abs).sum();
    assertThat(Arrays.stream(found).filter(x -> x == 0).count()).isBetween(800L, 1200L);
    assertThat(Arrays.stream(found).map(Math::abs).sum()).isCloseTo(before, within(before * 1e-12));
  }

  /** Rows in any parts, more than a tile of them, with equal magnitudes. */
  @ParameterizedTest
  @EnumSource(names = {"F32", "BF16"})
  void partsAreThoseOfTheWhole(DType dtype) throws IOException {
    int rows = 1500;
    int length = 901;
    SplittableRandom random = new SplittableRandom(4);
    double[] values = new double[rows * length];
    Arrays.setAll(values, i -> random.nextInt(-30, 31) / 16.0);
    for (Rescale rescale : new Rescale[] {Rescale.INV_DENSITY, Rescale.L2}) {
      MergeProblem problem = problem(dtype, values, rows, length);
      DellaMerger method = DellaMerger.ties(HALF.withRescale(rescale));
      Checkpoint merged = method.merge(problem, WS);
      double[] whole = method.merge(problem, WS).read("w", WS).toDoubleArray();
      for (int from : new int[] {rows * length - 9, length - 5, 3, 1 << 20}) {
        try (Tensor part = Tensor.allocate(dtype, 9)) {
          merged.readRange("w", from, from + 9, part, WS);
          assertThat(part.toDoubleArray()).isEqualTo(Arrays.copyOfRange(whole, from, from + 9));
        }
      }
    }
  }

  @Test
  void nothingDroppedIsTaskArithmetic() throws IOException {
    MergeProblem problem = two(DType.F32, random(5, 100), random(6, 100), 10, 10);
    TaskArithmeticMerger plain =
        TaskArithmeticMerger.of(
            TaskArithmeticMerger.Options.defaults().withWeights(List.of(.6, .7)));
    assertThat(
            read(
                DellaMerger.linear(HALF.withDensity(List.of(1.0)).withWeights(List.of(.6, .7))),
                problem))
        .isEqualTo(read(plain, problem));
  }

  @Test
  void optionsThatDoNotFitAreRefused() {
    MergeProblem problem = problem(DType.F32, ROWS, 10);
    assertThatThrownBy(() -> DellaMerger.ties(HALF.withDensity(List.of(.9))).merge(problem, WS))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage(
            "della: density 0.9 less and plus epsilon 0.1 must be in (0, 1) for 'w'; take a smaller"
                + " epsilon");
    assertThatThrownBy(() -> HALF.withEpsilon(.5))
        .hasMessage("epsilon must be in [0, 0.5), not 0.5");
    assertThatThrownBy(() -> HALF.withDensity(List.of()))
        .hasMessage("density must be one for all, or one for each model, not none");
    assertThatThrownBy(
            () -> DellaMerger.linear(HALF.withDensity(List.of(.5, .5))).merge(problem, WS))
        .hasMessage("2 densities for 1 models");
  }

  private static double[] read(TensorMerger method, MergeProblem problem) throws IOException {
    return method.merge(problem, WS).read("w", WS).toDoubleArray();
  }

  private static double[] random(long seed, int n) {
    SplittableRandom random = new SplittableRandom(seed);
    return random.doubles(n, -1, 1).toArray();
  }

  private static MergeProblem problem(DType dtype, double[] values, long... shape) {
    return MergeProblem.of(model(dtype, values, shape))
        .withBase(model(dtype, new double[values.length], shape));
  }

  private static MergeProblem two(DType dtype, double[] first, double[] second, long... shape) {
    return MergeProblem.of(model(dtype, first, shape), model(dtype, second, shape))
        .withBase(model(dtype, new double[first.length], shape));
  }

  private static Checkpoint model(DType dtype, double[] values, long... shape) {
    return MemoryCheckpoint.of(Map.of("w", Tensor.of(dtype, values, WS).reshape(shape)));
  }
}
