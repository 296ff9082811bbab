// SPDX-License-Identifier: Apache-2.0
package org.merganser.merge;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.merganser.testing.Work.WS;

import java.io.IOException;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.merganser.compute.DType;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.linalg.Tensor;
import org.merganser.testing.Close;

/** Which elements are left, and that the rest is task arithmetic. */
class BreadcrumbsMergerTest {
  private static final double[] D = {.1, -.9, .3, .05, -.2, .7, -.4, .6, .02, -.5};
  private static final BreadcrumbsMerger.Options OPTIONS = BreadcrumbsMerger.Options.defaults();

  @ParameterizedTest
  @CsvSource({
    "0.6, 0.1, 2 4 5 6 7 9",
    "0.6, 0.05, 1 2 5 6 7 9",
    "0.9, 0.3, 0 2 3 4 5 6 7 8 9",
    "1, 0.3, 0 1 2 3 4 5 6 7 8 9",
    "0.6, 0, 1 2 5 6 7 9",
  })
  void theBandIsKept(double density, double gamma, String kept) throws IOException {
    List<Integer> indices = Arrays.stream(kept.split(" ")).map(Integer::valueOf).toList();
    double[] expected =
        IntStream.range(0, 10).mapToDouble(i -> indices.contains(i) ? D[i] : 0).toArray();
    for (DType dtype : new DType[] {DType.F64, DType.F32, DType.F16, DType.BF16}) {
      Checkpoint model = model(dtype, D);
      double[] values = model.read("w", WS).toDoubleArray();
      double[] found =
          BreadcrumbsMerger.linear(options(density, gamma))
              .merge(MergeProblem.of(model).withBase(model(dtype, new double[10])), WS)
              .read("w", WS)
              .toDoubleArray();
      for (int i = 0; i < 10; i++) {
        assertThat(found[i]).isEqualTo(expected[i] == 0 ? 0 : values[i]);
      }
    }
  }

  /** Against a sort, with many equal magnitudes, over tiles. */
  @ParameterizedTest
  @EnumSource(names = {"F64", "F32", "F16", "BF16"})
  void equalMagnitudesCountByIndex(DType dtype) throws IOException {
    int n = (1 << 20) + 4321;
    SplittableRandom random = new SplittableRandom(3);
    double[] values = new double[n];
    for (int i = 0; i < n; i++) {
      values[i] = random.nextInt(-20, 21) / 16.0;
    }
    Integer[] order = IntStream.range(0, n).boxed().toArray(Integer[]::new);
    Arrays.sort(order, Comparator.comparingDouble(i -> -Math.abs(values[i])));
    int kept = (int) (.5 * n);
    int top = (int) (.2 * n);
    double[] expected = new double[n];
    for (int rank = top; rank < top + kept; rank++) {
      expected[order[rank]] = values[order[rank]];
    }
    Checkpoint base = model(dtype, new double[n]);
    Checkpoint merged =
        BreadcrumbsMerger.linear(options(.5, .2))
            .merge(MergeProblem.of(model(dtype, values)).withBase(base), WS);
    assertThat(merged.read("w", WS).toDoubleArray()).isEqualTo(expected);
    for (int from : new int[] {n - 9, (1 << 20) - 5, 3}) {
      try (Tensor part = Tensor.allocate(dtype, 9)) {
        merged.readRange("w", from, from + 9, part, WS);
        assertThat(part.toDoubleArray()).isEqualTo(Arrays.copyOfRange(expected, from, from + 9));
      }
    }
  }

  /** By hand: {0, 2, 4} without the largest of each, .4 and .6, and one smaller instead. */
  @Test
  void bothForms() throws IOException {
    double[] base = {1, -2, .5, 0, 3, -1};
    double[] x1 = {1.4, -2.1, .8, 0, 2.8, -.95};
    double[] x2 = {.7, -2.2, .6, .6, 3.25, -1};
    BreadcrumbsMerger.Options options =
        options(.5, .2).withWeights(List.of(1.0, 1.0)).withLambda(2);
    MergeProblem problem =
        MergeProblem.of(model(DType.F64, x1), model(DType.F64, x2))
            .withBase(model(DType.F64, base));
    // Kept: -.1, .3 and -.2 at 1, 2 and 4; -.3, -.2 and .25 at 0, 1 and 4.
    double[] sum = {-.3, -.3, .3, 0, .05, 0};
    double[] elected = {-.3, -.3, .3, 0, .25, 0};
    double[] mean = {-.3, -.15, .3, 0, .25, 0};
    check(BreadcrumbsMerger.linear(options), problem, base, sum);
    check(BreadcrumbsMerger.ties(options), problem, base, elected);
    check(BreadcrumbsMerger.ties(options.withNormalise(true)), problem, base, mean);
  }

  private static void check(TensorMerger merger, MergeProblem problem, double[] base, double[] d)
      throws IOException {
    double[] expected = IntStream.range(0, 6).mapToDouble(i -> base[i] + 2 * d[i]).toArray();
    double[] found = merger.merge(problem, WS).read("w", WS).toDoubleArray();
    Close.absolute(merger.toString(), found, expected, 1e-12);
  }

  /** With density 1 nothing is dropped, whatever gamma is. */
  @ParameterizedTest
  @EnumSource(names = {"F64", "F32", "F16", "BF16"})
  void nothingDroppedIsTaskArithmetic(DType dtype) throws IOException {
    SplittableRandom random = new SplittableRandom(8);
    double[][] values = new double[3][1000];
    for (double[] each : values) {
      Arrays.setAll(each, i -> random.nextDouble() - .5);
    }
    MergeProblem problem =
        MergeProblem.of(model(dtype, values[0]), model(dtype, values[1]))
            .withBase(model(dtype, values[2]));
    List<Double> weights = List.of(.6, .7);
    TaskArithmeticMerger plain =
        TaskArithmeticMerger.of(
            TaskArithmeticMerger.Options.defaults().withWeights(weights).withLambda(.9));
    Close.bitwise(
        dtype.toString(),
        BreadcrumbsMerger.linear(options(1, .3).withWeights(weights).withLambda(.9))
            .merge(problem, WS)
            .read("w", WS),
        plain.merge(problem, WS).read("w", WS));
  }

  @Test
  void optionsThatDoNotFitAreRefused() {
    MergeProblem problem =
        MergeProblem.of(model(DType.F32, D)).withBase(model(DType.F32, new double[10]));
    assertThatThrownBy(() -> BreadcrumbsMerger.ties(options(.05, .1)).merge(problem, WS))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage(
            "breadcrumbs-ties: density 0.05 keeps none of the 10 elements of 'w'; take a larger"
                + " one, or 1 for that tensor");
    assertThatThrownBy(() -> options(.5, 1)).hasMessage("gamma must be in [0, 1), not 1.0");
    assertThatThrownBy(() -> options(0, .1)).hasMessage("density must be in (0, 1], not 0.0");
    assertThatThrownBy(
            () -> BreadcrumbsMerger.linear(OPTIONS.withGamma(List.of(.1, .1))).merge(problem, WS))
        .hasMessage("2 gammas for 1 models");
    assertThatThrownBy(() -> OPTIONS.withGamma(List.of()))
        .hasMessage("gamma must be one for all, or one for each model, not none");
  }

  private static BreadcrumbsMerger.Options options(double density, double gamma) {
    return OPTIONS.withWeights(List.of()).withDensity(List.of(density)).withGamma(List.of(gamma));
  }

  private static Checkpoint model(DType dtype, double[] values) {
    return MemoryCheckpoint.of(Map.of("w", Tensor.of(dtype, values, WS)));
  }
}
