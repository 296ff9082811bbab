// SPDX-License-Identifier: Apache-2.0
package org.merganser.merge;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.merganser.testing.Work.WS;

import java.io.IOException;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.merganser.compute.DType;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.linalg.Tensor;
import org.merganser.merge.ModelStockMerger.Average;
import org.merganser.testing.Close;

/** Multi-SLERP, the Karcher mean and Model Stock: what is worked out from lengths and angles. */
class DirectionMergersTest {
  private static final double[] A = {1, 2, 2};
  private static final double[] C = {2, -1, 2};
  private static final double[] D = {0, 3, 4};
  private static final double[] ONES = {1, 1, 1, 1};
  private static final double[] S1 = {1.2, 1.1, 1, 1.1};
  private static final double[] S2 = {1.1, 1.2, 1.1, 1};
  private static final double[] S3 = {1.1, 1, 1.2, 1.1};
  private static final MultiSlerpMerger.Options SLERP = MultiSlerpMerger.Options.defaults();
  private static final ModelStockMerger.Options STOCK = ModelStockMerger.Options.defaults();

  @ParameterizedTest
  @EnumSource(names = {"F64", "F32", "F16", "BF16"})
  void multiSlerp(DType dtype) throws IOException {
    double[] equal = {1.446867514, 1.350409681, 3.086650698};
    check(dtype, MultiSlerpMerger.of(SLERP), problem(dtype, A, C, D), equal);
    double[] weighted = {1.337281259, 1.604737512, 2.808290646};
    MultiSlerpMerger.Options options = SLERP.withWeights(List.of(2.0, 1.0, 1.0));
    check(dtype, MultiSlerpMerger.of(options), problem(dtype, A, C, D), weighted);
    double[] twice = Arrays.stream(weighted).map(value -> 4 * value).toArray();
    check(dtype, MultiSlerpMerger.of(options.withNormalise(false)), problem(dtype, A, C, D), twice);
  }

  /** The same vectors, as differences to a base. */
  @Test
  void multiSlerpOfTaskVectors() throws IOException {
    double[] base = {10, -20, 5};
    double[][] models = new double[3][3];
    double[] expected = {11.446867514, -18.649590319, 8.086650698};
    for (int i = 0; i < 3; i++) {
      models[0][i] = base[i] + A[i];
      models[1][i] = base[i] + C[i];
      models[2][i] = base[i] + D[i];
    }
    check(
        DType.F64,
        MultiSlerpMerger.of(SLERP.withTaskVectors(true)),
        problem(DType.F64, models).withBase(model(DType.F64, base)),
        expected);
  }

  @ParameterizedTest
  @EnumSource(names = {"F64", "F32", "F16", "BF16"})
  void karcher(DType dtype) throws IOException {
    KarcherMerger merger = KarcherMerger.of(new KarcherMerger.Options(3, 1e-12));
    double[] expected = {1.483534383, 1.288086165, 3.095868894};
    check(dtype, merger, problem(dtype, A, C, D), expected);
  }

  /** The gradient of the sum of squared angles is 0 at the mean. */
  @Test
  void theKarcherMeanIsOne() throws IOException {
    KarcherMerger merger = KarcherMerger.of(new KarcherMerger.Options(100, 1e-13));
    double[] mean = merger.merge(problem(DType.F64, A, C, D), WS).read("w", WS).toDoubleArray();
    assertThat(length(mean)).isBetween(11 / 3.0 - 1e-12, 11 / 3.0 + 1e-12);
    double[] gradient = new double[3];
    for (double[] vector : new double[][] {A, C, D}) {
      double cosine = 0;
      for (int i = 0; i < 3; i++) {
        cosine += vector[i] / length(vector) * mean[i] / length(mean);
      }
      double by = Math.acos(cosine) / Math.sin(Math.acos(cosine));
      for (int i = 0; i < 3; i++) {
        gradient[i] += by * (vector[i] / length(vector) - cosine * mean[i] / length(mean));
      }
    }
    assertThat(length(gradient)).isLessThan(1e-7);
  }

  /** A zero counts with its length only; opposite ones give the first its mean length. */
  @Test
  void vectorsWithoutADirection() throws IOException {
    KarcherMerger karcher = KarcherMerger.of(KarcherMerger.Options.defaults());
    double[] zero = new double[3];
    check(DType.F64, karcher, problem(DType.F64, A, zero), new double[] {.5, 1, 1});
    check(DType.F64, karcher, problem(DType.F64, zero, zero), zero);
    double[] small = {1e-7, 0, 0};
    check(DType.F64, karcher, problem(DType.F64, small, zero), new double[] {5e-8, 0, 0});
    double[] opposite = {-2, -4, -4};
    check(DType.F64, karcher, problem(DType.F64, A, opposite), new double[] {1.5, 3, 3});

    MultiSlerpMerger slerp = MultiSlerpMerger.of(SLERP);
    check(DType.F64, slerp, problem(DType.F64, zero, zero, zero), zero);
    check(DType.F64, slerp, problem(DType.F64, A, opposite), new double[] {-.5, -1, -1});
    MultiSlerpMerger weighted = MultiSlerpMerger.of(SLERP.withWeights(List.of(1.0, 1.0, 2.0)));
    assertThatThrownBy(() -> weighted.merge(problem(DType.F64, A, A, opposite), WS).read("w", WS))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageStartingWith("multi-slerp: the 3 tensors 'w' have no mean direction")
        .hasMessageEndingWith("take linear for it");
  }

  /** Squares that no number holds. */
  @Test
  void longVectors() throws IOException {
    double scale = 1e300;
    double[][] models = {A.clone(), C.clone(), D.clone()};
    double[] expected = {1.446867514 * scale, 1.350409681 * scale, 3.086650698 * scale};
    for (double[] model : models) {
      for (int i = 0; i < 3; i++) {
        model[i] *= scale;
      }
    }
    check(DType.F64, MultiSlerpMerger.of(SLERP), problem(DType.F64, models), expected);
  }

  @Test
  void weightsThatDoNotFitAreRefused() {
    assertThatThrownBy(() -> SLERP.withWeights(List.of(1.0, -1.0)))
        .hasMessage("weights [1.0, -1.0] sum to 0.0, which cannot be normalised");
    MultiSlerpMerger merger = MultiSlerpMerger.of(SLERP.withWeights(List.of(1.0)));
    assertThatThrownBy(() -> merger.merge(problem(DType.F32, A, C), WS))
        .hasMessage("1 weights for 2 models");
  }

  @ParameterizedTest
  @EnumSource(names = {"F64", "F32"})
  void modelStock(DType dtype) throws IOException {
    MergeProblem three = problem(dtype, S1, S2, S3).withBase(model(dtype, ONES));
    double[] expected = {1.105263158, 1.078947368, 1.078947368, 1.052631579};
    check(dtype, ModelStockMerger.of(STOCK), three, expected);
    MergeProblem two = problem(dtype, S1, S2).withBase(model(dtype, ONES));
    check(dtype, ModelStockMerger.of(STOCK), two, new double[] {1.12, 1.12, 1.04, 1.04});
    double t = .791301314;
    double[] angles = {1 + t * .4 / 3, 1 + t * .1, 1 + t * .1, 1 + t * .2 / 3};
    ModelStockMerger byAngles = ModelStockMerger.of(STOCK.withAverage(Average.ANGLES));
    check(dtype, byAngles, three, angles);
  }

  /** Rows with the ratios that they have alone, in whatever parts they are read. */
  @Test
  void modelStockByRow() throws IOException {
    ModelStockMerger merger = ModelStockMerger.of(STOCK.withFilterWise(true));
    MergeProblem problem =
        MergeProblem.of(rows(S1, S2), rows(S2, ONES), rows(S3, S1)).withBase(rows(ONES, ONES));
    double[] found = merger.merge(problem, WS).read("w", WS).toDoubleArray();
    double[] first = {1.105263158, 1.078947368, 1.078947368, 1.052631579};
    // The cosines of S2, 0 and S1 are 0, 2/3 and 0.
    double c = 2 / 9.0;
    double t = 3 * c / (1 + 2 * c);
    double[] second = {1 + t * .1, 1 + t * .1, 1 + t * .1 / 3, 1 + t * .1 / 3};
    Close.relative("row 0", Arrays.copyOfRange(found, 0, 4), first, 1e-9);
    Close.relative("row 1", Arrays.copyOfRange(found, 4, 8), second, 1e-9);
    try (Tensor part = Tensor.allocate(DType.F64, 3)) {
      merger.merge(problem, WS).readRange("w", 3, 6, part, WS);
      assertThat(part.toDoubleArray()).isEqualTo(Arrays.copyOfRange(found, 3, 6));
    }
  }

  /** Short task vectors have a direction, too, and those that point away leave the base. */
  @Test
  void modelStockAtTheEnds() throws IOException {
    ModelStockMerger merger = ModelStockMerger.of(STOCK);
    double[] base = new double[4];
    double[] short1 = {.2e-9, .1e-9, 0, .1e-9};
    double[] short2 = {.1e-9, .2e-9, .1e-9, 0};
    MergeProblem problem = problem(DType.F64, short1, short2).withBase(model(DType.F64, base));
    check(DType.F64, merger, problem, new double[] {.12e-9, .12e-9, .04e-9, .04e-9});
    double[] away = {-.2e-9, -.1e-9, 0, -.1e-9};
    check(
        DType.F64, merger, problem(DType.F64, short1, away).withBase(model(DType.F64, base)), base);
    ModelStockMerger free = ModelStockMerger.of(STOCK.withClamp(false));
    MergeProblem opposite =
        problem(DType.F64, new double[] {1, 0}, new double[] {-1, 0})
            .withBase(model(DType.F64, new double[2]));
    assertThatThrownBy(() -> free.merge(opposite, WS).read("w", WS))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageEndingWith("so t is -Infinity; take clamp=true");
    // Three at 90, 90 and 180 degrees: c = -1/3, t = -3.
    MergeProblem beyond =
        problem(DType.F64, new double[] {1, 0}, new double[] {-1, 0}, new double[] {0, 2})
            .withBase(model(DType.F64, new double[2]));
    check(DType.F64, free, beyond, new double[] {0, -2});
    assertThatThrownBy(
            () -> merger.merge(problem(DType.F64, short1).withBase(model(DType.F64, base)), WS))
        .hasMessage("model-stock merges 32 or fewer, at least 2 models, not 1");
  }

  private static double length(double[] vector) {
    return Math.sqrt(Arrays.stream(vector).map(value -> value * value).sum());
  }

  private static Checkpoint rows(double[] first, double[] second) {
    double[] both = Arrays.copyOf(first, 8);
    System.arraycopy(second, 0, both, 4, 4);
    return MemoryCheckpoint.of(Map.of("w", Tensor.of(both, 2, 4)));
  }

  private static void check(
      DType dtype, TensorMerger merger, MergeProblem problem, double[] expected)
      throws IOException {
    double tolerance =
        switch (dtype) {
          case F64 -> 1e-9;
          case F32 -> 1e-7;
          case F16 -> 1e-3;
          default -> 1e-2;
        };
    double[] found = merger.merge(problem, WS).read("w", WS).toDoubleArray();
    Close.relative(merger + " " + dtype, found, expected, tolerance);
  }

  private static MergeProblem problem(DType dtype, double[]... models) {
    return MergeProblem.of(Arrays.stream(models).map(values -> model(dtype, values)).toList());
  }

  private static Checkpoint model(DType dtype, double[] values) {
    return MemoryCheckpoint.of(Map.of("w", Tensor.of(dtype, values, WS)));
  }
}
