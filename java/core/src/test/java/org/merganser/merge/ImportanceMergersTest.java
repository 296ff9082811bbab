// SPDX-License-Identifier: Apache-2.0
package org.merganser.merge;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.merganser.testing.Work.WS;

import java.io.IOException;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.merganser.compute.DType;
import org.merganser.error.IncompatibleModelsException;
import org.merganser.error.NumericalException;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.linalg.Tensor;
import org.merganser.model.Architecture;
import org.merganser.model.Binding;
import org.merganser.model.MapFamily;
import org.merganser.model.Role;
import org.merganser.plan.Catalogue;
import org.merganser.stats.MomentAccumulator;
import org.merganser.stats.Moments;
import org.merganser.stats.NonFinite;
import org.merganser.stats.Precision;
import org.merganser.stats.SpaceMoments;
import org.merganser.stats.StatisticsRequest;
import org.merganser.testing.Close;

/** Mergers that weigh by what was measured on data, against numbers worked out by hand. */
class ImportanceMergersTest {
  private static final double[] X1 = {1.4, -2.1, .8, 0, 2.8, -.95};
  private static final double[] X2 = {.7, -2.2, .6, .6, 3.25, -1};
  private static final double[] F1 = {1, 4, 0, 2, 1, 0};
  private static final double[] F2 = {3, 1, 0, 2, 0, 1};

  @ParameterizedTest
  @EnumSource(names = {"F64", "F32", "F16", "BF16"})
  void fisherWeighsEachParameter(DType dtype) throws IOException {
    MergeProblem problem = fisher(dtype, F1, F2);
    double[] expected = {.875000087, -2.120000012, .7, .3, 2.80000045, -.99999995};
    check(dtype, "fisher", problem, expected);
    // With all the weight on one model that model is the result, up to epsilon.
    check(dtype, "fisher:weights=0:1", problem, X2);
    check(dtype, "fisher:weights=3:0", problem, X1);
    // Much is added to both: the plain mean.
    double[] mean = new double[6];
    for (int i = 0; i < 6; i++) {
      mean[i] = (X1[i] + X2[i]) / 2;
    }
    check(dtype, "fisher:epsilon=1e12", problem, mean);
  }

  @Test
  void fisherNormalisedDoesNotSeeTheScaleOfADiagonal() throws IOException {
    double[] larger = new double[6];
    for (int i = 0; i < 6; i++) {
      larger[i] = 1e6 * F2[i];
    }
    // |F1| = sqrt(22), |F2| = sqrt(15): the weights of element 0 are 1/sqrt(22) and 3/sqrt(15).
    double w1 = 1 / Math.sqrt(22);
    double w2 = 3 / Math.sqrt(15);
    double[] found = merged("fisher:normalise=true,epsilon=1e-30", fisher(DType.F64, F1, F2));
    assertThat(found[0])
        .isEqualTo((w1 * 1.4 + w2 * .7) / (w1 + w2), org.assertj.core.api.Assertions.within(1e-14));
    double[] scaled = merged("fisher:normalise=true,epsilon=1e-30", fisher(DType.F64, F1, larger));
    // Where nothing is known of either only epsilon counts, which is divided as well.
    scaled[2] = found[2];
    Close.relative("scaled", scaled, found, 1e-12);
    assertThatThrownBy(() -> merged("fisher:normalise=true", fisher(DType.F64, F1, new double[6])))
        .isInstanceOf(NumericalException.class)
        .hasMessageContaining("importances of model 1 are all 0");
  }

  /** Running statistics have no gradient. */
  @Test
  void whatHasNoImportanceIsAveraged() throws IOException {
    Map<String, Tensor> a = Map.of("w", Tensor.of(X1, 6), "mean", Tensor.of(new double[] {1}, 1));
    Map<String, Tensor> b = Map.of("w", Tensor.of(X2, 6), "mean", Tensor.of(new double[] {4}, 1));
    MergeProblem problem =
        MergeProblem.of(MemoryCheckpoint.of(a), MemoryCheckpoint.of(b))
            .withImportances(List.of(model(DType.F32, F1), model(DType.F64, F2)));
    Checkpoint merged = Catalogue.mergers().method("fisher:weights=2:1").merge(problem, WS);
    assertThat(merged.read("mean", WS).get(0)).isEqualTo(2);
    assertThat(problem.notes()).containsExactly("without importances, so averaged: 'mean'");
    Map<String, Tensor> more = Map.of("w", Tensor.of(F1, 6), "q", Tensor.of(F1, 6));
    assertThat(
            problem
                .withImportances(List.of(model(DType.F32, F1), MemoryCheckpoint.of(more)))
                .notes())
        .contains("importances of no tensor of the models, so not used: 'q'");
  }

  @Test
  void importancesThatDoNotFitAreRefused() {
    assertThatThrownBy(() -> merged("fisher", fisher(DType.F32, F1, new double[] {1, 2})))
        .isInstanceOf(IncompatibleModelsException.class)
        .hasMessageContaining("'w' is F32 [6] in the models, its importance F32 [2]");
    assertThatThrownBy(
            () -> merged("fisher", fisher(DType.F32, F1, new double[] {0, 0, -1, 0, 0, 0})))
        .isInstanceOf(NumericalException.class)
        .hasMessageContaining("the importance of model 1: 'w' holds -1.0");
    double[] nan = {0, 0, Double.NaN, 0, 0, 0};
    assertThatThrownBy(() -> merged("fisher", fisher(DType.F32, nan, F2)))
        .isInstanceOf(NumericalException.class)
        .hasMessageContaining("the importance of model 0: 'w' holds values that are not finite");
    MergeProblem two = MergeProblem.of(model(DType.F32, X1), model(DType.F32, X2));
    assertThatThrownBy(() -> two.withImportances(List.of(model(DType.F32, F1))))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("importances of 1 models for 2 models");
    Checkpoint other = MemoryCheckpoint.of(Map.of("v", Tensor.of(F1, 6)));
    assertThatThrownBy(() -> two.withImportances(List.of(model(DType.F32, F1), other)))
        .isInstanceOf(IncompatibleModelsException.class)
        .hasMessageContaining("those of model 1 have no 'w', which others have");
    assertThatThrownBy(() -> two.withImportances(List.of(other, other)))
        .isInstanceOf(IncompatibleModelsException.class)
        .hasMessageContaining("of no tensor of the models");
  }

  @ParameterizedTest
  @EnumSource(names = {"F64", "F32", "F16", "BF16"})
  void regmeanGolden(DType dtype) throws IOException {
    double[][] g1 = {{2, 1}, {1, 2}};
    double[][] g2 = {{1, 0}, {0, 3}};
    double[][][] grams = {g1, g2};
    MergeProblem problem = regmean(dtype, grams, new double[][] {{1, 2}}, new double[][] {{3, -1}});
    check(dtype, "regmean:off-diagonal=1,ridge=0", problem, 2.357142857, -.071428571);
    check(dtype, "regmean:off-diagonal=0.9,ridge=0", problem, 2.275546159, -.029598309);
    // The ridge that is always there is not seen in F32.
    double[] usual = merged("regmean:off-diagonal=1", problem);
    Close.relative(
        "ridge",
        usual,
        new double[] {2.357142857, -.071428571},
        dtype == DType.F64 || dtype == DType.F32 ? 1e-6 : 1e-2);
    // Weights [in x out].
    MergeProblem turned =
        regmean(dtype, grams, new double[][] {{1}, {2}}, new double[][] {{3}, {-1}});
    check(
        dtype, "regmean:off-diagonal=1,ridge=0,transposed=true", turned, 2.357142857, -.071428571);
  }

  /** The normal equations hold: what the result's outputs differ by has no part along inputs. */
  @Test
  void regmeanIsTheLeastSquaresSolution() throws IOException {
    int in = 5;
    int out = 4;
    SplittableRandom random = new SplittableRandom(3);
    double[][][] grams = new double[3][][];
    double[][][] weights = new double[3][][];
    for (int k = 0; k < 3; k++) {
      double[][] x = random(random, 40, in);
      grams[k] = products(x);
      weights[k] = random(random, out, in);
    }
    double[] w = merged("regmean:off-diagonal=1,ridge=0", regmean(DType.F64, grams, weights));
    for (int o = 0; o < out; o++) {
      for (int j = 0; j < in; j++) {
        double sum = 0;
        double terms = 0;
        for (int k = 0; k < 3; k++) {
          for (int i = 0; i < in; i++) {
            double term = (w[o * in + i] - weights[k][o][i]) * grams[k][i][j];
            sum += term;
            terms += Math.abs(term);
          }
        }
        assertThat(Math.abs(sum)).isLessThan(1e-13 * terms);
      }
    }
  }

  /** Fewer samples than features: there the mean, and on the data the solution. */
  @ParameterizedTest
  @ValueSource(doubles = {1, 0.1})
  void regmeanOfFewSamplesIsTheMeanElsewhere(double offDiagonal) throws IOException {
    // Both models read the first feature only; nothing is known of the second.
    double[][][] grams = {{{4, 0}, {0, 0}}, {{1, 0}, {0, 0}}};
    MergeProblem problem =
        regmean(DType.F64, grams, new double[][] {{1, 10}}, new double[][] {{2, 20}});
    double[] found = merged("regmean:off-diagonal=" + offDiagonal, problem);
    // Ridges are proportional to traces: 4 to 1.
    Close.relative("few", found, new double[] {1.2, 12}, 1e-9);
    assertThatThrownBy(() -> merged("regmean:ridge=0", problem))
        .isInstanceOf(NumericalException.class)
        .hasMessageContaining("'w': a is not positive definite")
        .hasMessageContaining("raise the ridge, now 0.0");
  }

  @Test
  void gramMatricesThatDoNotFitAreRefused() {
    double[][] w = {{1, 2}};
    double[][][] good = {{{2, 1}, {1, 2}}, {{1, 0}, {0, 3}}};
    double[][][] asymmetric = {{{2, 1}, {0, 2}}, good[1]};
    assertThatThrownBy(() -> merged("regmean", regmean(DType.F32, asymmetric, w, w)))
        .isInstanceOf(NumericalException.class)
        .hasMessageContaining("the importance of model 0: 'w' is not symmetric");
    double[][][] negative = {good[0], {{-1, 0}, {0, 3}}};
    assertThatThrownBy(() -> merged("regmean", regmean(DType.F32, negative, w, w)))
        .isInstanceOf(NumericalException.class)
        .hasMessageContaining("the importance of model 1: 'w' has -1.0 on its diagonal");
    double[][] tall = {{1}, {2}};
    assertThatThrownBy(() -> merged("regmean", regmean(DType.F32, good, tall, tall)))
        .isInstanceOf(IncompatibleModelsException.class)
        .hasMessageContaining("transposed=true");
    assertThatThrownBy(() -> merged("regmean", fisher(DType.F32, F1, F2)))
        .isInstanceOf(IncompatibleModelsException.class)
        .hasMessageContaining("Gram matrices are those of linear layers");
  }

  /** Of moments of a space: what reads it as it is, and nothing else. */
  @Test
  void gramsOfMoments() throws IOException {
    double[][] x = random(new SplittableRandom(8), 50, 3);
    for (double[] row : x) {
      row[1] += 100;
    }
    Architecture architecture =
        Architecture.builder()
            .space(
                "h",
                3,
                MapFamily.PERMUTATION,
                Binding.of("a.weight", 0, Role.WEIGHT_OUT),
                Binding.of("a.bias", 0, Role.BIAS),
                Binding.of("b.weight", 1, Role.WEIGHT_IN),
                new Binding("c.weight", 1, Role.WEIGHT_IN, new Binding.Block(1, 1)))
            .build();
    Checkpoint model =
        MemoryCheckpoint.of(
            Map.of(
                "a.weight", Tensor.zeros(DType.F32, 3, 3),
                "a.bias", Tensor.zeros(DType.F32, 3),
                "b.weight", Tensor.zeros(DType.F32, 2, 3),
                "c.weight", Tensor.zeros(DType.F32, 2, 5)));
    try (Moments moments = moments(x);
        Checkpoint grams = RegMeanMerger.grams(architecture, model, moments, 0)) {
      assertThat(grams.tensors().keySet()).containsExactly("b.weight");
      double[][] expected = products(x);
      double[] flat = new double[9];
      for (int i = 0; i < 9; i++) {
        flat[i] = expected[i / 3][i % 3];
      }
      Close.relative("gram", grams.read("b.weight", WS).toDoubleArray(), flat, 1e-12);
      Checkpoint convolutions =
          MemoryCheckpoint.of(
              Map.of(
                  "a.weight", Tensor.zeros(DType.F32, 3, 3, 1, 1),
                  "a.bias", Tensor.zeros(DType.F32, 3),
                  "b.weight", Tensor.zeros(DType.F32, 2, 3)));
      assertThatThrownBy(() -> RegMeanMerger.grams(architecture, convolutions, moments, 0))
          .isInstanceOf(IncompatibleModelsException.class)
          .hasMessageContaining("read pooled or flattened");
    }
  }

  private static Moments moments(double[][] x) {
    long[] widths = {x[0].length};
    StatisticsRequest own = StatisticsRequest.of(StatisticsRequest.Part.OWN);
    try (MomentAccumulator all =
            new MomentAccumulator("h", widths, own, Precision.F64, NonFinite.FAIL, WS);
        Tensor samples = Tensor.of(flat(x), x.length, x[0].length)) {
      all.update(List.of(samples));
      SpaceMoments found = all.moments();
      return Moments.of(Map.of("h", found));
    }
  }

  private static double[][] random(SplittableRandom random, int rows, int columns) {
    double[][] values = new double[rows][];
    for (int i = 0; i < rows; i++) {
      values[i] = random.doubles(columns, -1, 1).toArray();
    }
    return values;
  }

  private static double[][] products(double[][] x) {
    int n = x[0].length;
    double[][] g = new double[n][n];
    for (double[] row : x) {
      for (int i = 0; i < n; i++) {
        for (int j = 0; j < n; j++) {
          g[i][j] += row[i] * row[j];
        }
      }
    }
    return g;
  }

  private static double[] flat(double[][] rows) {
    return java.util.Arrays.stream(rows).flatMapToDouble(java.util.Arrays::stream).toArray();
  }

  private static MergeProblem fisher(DType dtype, double[] first, double[] second) {
    return MergeProblem.of(model(dtype, X1), model(dtype, X2))
        .withImportances(List.of(model(DType.F32, first), model(DType.F32, second)));
  }

  /** Repairs aim at the models as they are weighed. */
  @Test
  void weightsAreTheSharesOfModels() {
    assertThat(Catalogue.mergers().method("fisher:weights=3:1").shares(2))
        .containsExactly(.75, .25);
    assertThat(Catalogue.mergers().method("fisher").shares(2)).containsExactly(.5, .5);
  }

  /** A small one may be 0 in F32. */
  @Test
  void parametersOfNoImportanceAnywhereAreNamed() {
    assertThatThrownBy(() -> merged("fisher:epsilon=1e-300", fisher(DType.F32, F1, new double[6])))
        .isInstanceOf(NumericalException.class)
        .hasMessageContaining(
            "'w': all importances are 0 at index 2, and epsilon 1.0E-300 is 0 in F32");
  }

  private static MergeProblem regmean(DType dtype, double[][][] grams, double[][]... weights) {
    List<Checkpoint> models = new java.util.ArrayList<>();
    List<Checkpoint> importances = new java.util.ArrayList<>();
    for (int k = 0; k < weights.length; k++) {
      Tensor w = Tensor.of(flat(weights[k]), weights[k].length, weights[k][0].length);
      models.add(MemoryCheckpoint.of(Map.of("w", w.to(dtype, WS))));
      importances.add(
          MemoryCheckpoint.of(
              Map.of("w", Tensor.of(flat(grams[k]), grams[k].length, grams[k].length))));
    }
    return MergeProblem.of(models).withImportances(importances);
  }

  private static Checkpoint model(DType dtype, double... values) {
    return MemoryCheckpoint.of(Map.of("w", Tensor.of(values, values.length).to(dtype, WS)));
  }

  private static double[] merged(String id, MergeProblem problem) throws IOException {
    return Catalogue.mergers().method(id).merge(problem, WS).read("w", WS).toDoubleArray();
  }

  private static void check(DType dtype, String id, MergeProblem problem, double... expected)
      throws IOException {
    double tolerance =
        switch (dtype) {
          case F64 -> 1e-8;
          case F32 -> 3e-7;
          case F16 -> 2e-3;
          default -> 1.6e-2;
        };
    Close.relative(id + " " + dtype, merged(id, problem), expected, tolerance);
  }
}
