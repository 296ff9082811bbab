// SPDX-License-Identifier: Apache-2.0
package org.merganser.align;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;
import static org.merganser.testing.Work.WS;

import java.util.Arrays;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.merganser.error.ShapeException;
import org.merganser.linalg.Assignment;
import org.merganser.linalg.Cca;
import org.merganser.linalg.Matrix;
import org.merganser.similarity.MatchedFeatures;
import org.merganser.stats.Precision;
import org.merganser.stats.SpaceMoments;
import org.merganser.testing.Activations;
import org.merganser.testing.Close;

class MatchedCorrelationTest {
  private static final int SAMPLES = 200;
  private static final int WIDTH = 6;

  private final double[][] x = random(1, SAMPLES, WIDTH);
  private final double[][] y = mixed();

  private static double[][] random(long seed, int rows, int columns) {
    SplittableRandom random = new SplittableRandom(seed);
    double[][] values = new double[rows][columns];
    for (double[] row : values) {
      Arrays.setAll(row, j -> random.nextGaussian() + j);
    }
    return values;
  }

  /** Half of it a mixture of x, half noise. */
  private double[][] mixed() {
    double[][] mix = random(2, WIDTH, WIDTH);
    double[][] noise = random(3, SAMPLES, WIDTH);
    double[][] values = new double[SAMPLES][WIDTH];
    for (int s = 0; s < SAMPLES; s++) {
      for (int j = 0; j < WIDTH; j++) {
        values[s][j] = noise[s][j];
        for (int i = 0; i < WIDTH; i++) {
          values[s][j] += 0.3 * mix[i][j] * x[s][i];
        }
      }
    }
    return values;
  }

  private static SpaceMoments moments(double[][]... models) {
    return Activations.moments(Precision.F64, WS, models);
  }

  /** Maps every sample and correlates the features one by one. */
  private static double[] oracle(double[][] x, double[][] y, double[][] map) {
    double[] found = new double[map.length];
    for (int r = 0; r < map.length; r++) {
      double[] a = new double[x.length];
      double[] b = new double[x.length];
      for (int s = 0; s < x.length; s++) {
        a[s] = x[s][r];
        for (int c = 0; c < map.length; c++) {
          b[s] += map[r][c] * y[s][c];
        }
      }
      double meanA = Arrays.stream(a).average().orElseThrow();
      double meanB = Arrays.stream(b).average().orElseThrow();
      double ab = 0;
      double aa = 0;
      double bb = 0;
      for (int s = 0; s < x.length; s++) {
        ab += (a[s] - meanA) * (b[s] - meanB);
        aa += (a[s] - meanA) * (a[s] - meanA);
        bb += (b[s] - meanB) * (b[s] - meanB);
      }
      found[r] = ab / Math.sqrt(aa * bb);
    }
    return found;
  }

  /** The measure of that name is their mean over the best matching. */
  @Test
  void theirMeanOfTheBestMatchingIsAMeasure() {
    try (SpaceMoments moments = moments(x, y);
        Matrix correlations = moments.correlation(0, 1, WS);
        Matrix left = Matrix.of(x);
        Matrix right = Matrix.of(y)) {
      int[] best = Assignment.maximise(correlations, WS).columns();
      double[] matched = MatchedCorrelation.of(moments, 1, ScaledPermutation.of(best), WS);
      assertThat(MatchedFeatures.correlation().between(left, right, WS).value())
          .isCloseTo(Arrays.stream(matched).average().orElseThrow(), within(1e-12));
    }
  }

  @Test
  void isWhatTheMappedSamplesSay() {
    double[][] dense = random(5, WIDTH, WIDTH);
    FeatureMap[] maps = {
      FeatureMap.identity(WIDTH),
      ScaledPermutation.of(3, 1, 5, 0, 2, 4),
      ScaledPermutation.of(new int[] {3, 1, 5, 0, 2, 4}, new double[] {2, -1, 0.5, -3, 1, 1e-200}),
      LinearMap.of(Matrix.of(dense), Matrix.identity(WIDTH))
    };
    try (SpaceMoments moments = moments(x, y, x)) {
      for (FeatureMap map : maps) {
        double[][] matrix = map.toMatrix(WS).toArray();
        if (map instanceof ScaledPermutation) {
          // Only the sign of a scale matters; the oracle would underflow.
          for (double[] row : matrix) {
            Arrays.setAll(row, c -> Math.signum(row[c]));
          }
        }
        Close.absolute(
            map.toString(),
            MatchedCorrelation.of(moments, 1, map, WS),
            oracle(x, y, matrix),
            1e-12);
      }
      double[] ones = new double[WIDTH];
      Arrays.fill(ones, 1);
      Close.absolute(
          "itself", MatchedCorrelation.of(moments, 2, FeatureMap.identity(WIDTH), WS), ones, 1e-12);
    }
  }

  /** A dense map that permutes gives what the permutation gives. */
  @Test
  void denseAndOneToOneAgree() {
    ScaledPermutation permutation = ScaledPermutation.of(3, 1, 5, 0, 2, 4);
    LinearMap dense = LinearMap.orthogonal(permutation.toMatrix(WS));
    try (SpaceMoments moments = moments(x, y)) {
      Close.absolute(
          "permutation",
          MatchedCorrelation.of(moments, 1, dense, WS),
          MatchedCorrelation.of(moments, 1, permutation, WS),
          1e-13);
    }
  }

  /** At gamma 0 the mean of CCA's matched correlations cannot pass that of the canonical ones. */
  @Test
  void ccaMatchesBetterThanNothing() {
    try (SpaceMoments moments = moments(x, y)) {
      Cca cca =
          Cca.map(
              moments.covariance(0, 0, WS),
              moments.covariance(1, 1, WS),
              moments.covariance(0, 1, WS),
              0,
              0,
              WS);
      double[] matched =
          MatchedCorrelation.of(moments, 1, LinearMap.of(cca.map(), cca.inverse()), WS);
      double[] plain = MatchedCorrelation.of(moments, 1, FeatureMap.identity(WIDTH), WS);
      double mean = Arrays.stream(matched).average().orElseThrow();
      assertThat(mean).isGreaterThan(Arrays.stream(plain).average().orElseThrow() + 0.05);
      assertThat(Arrays.stream(matched).max().orElseThrow())
          .isLessThanOrEqualTo(cca.correlations()[0] + 1e-9);
      assertThat(Arrays.stream(matched).min().orElseThrow())
          .isGreaterThanOrEqualTo(cca.correlations()[WIDTH - 1] - 1e-9);
    }
  }

  @Test
  void featuresThatNeverVaryHaveNoCorrelation() {
    double[][] dead = random(7, SAMPLES, WIDTH);
    for (double[] row : dead) {
      row[2] = 4;
    }
    Matrix zeroRow = Matrix.of(random(5, WIDTH, WIDTH));
    zeroRow.setRow(4, new double[WIDTH]);
    try (SpaceMoments reference = moments(dead, y);
        SpaceMoments model = moments(x, dead)) {
      LinearMap dense = LinearMap.of(zeroRow, Matrix.identity(WIDTH));
      double[] found = MatchedCorrelation.of(reference, 1, dense, WS);
      assertThat(found[2]).isZero();
      assertThat(found[4]).isZero();
      assertThat(found[0]).isNotZero();
      assertThat(MatchedCorrelation.of(reference, 1, FeatureMap.identity(WIDTH), WS)[2]).isZero();
      assertThat(MatchedCorrelation.of(model, 1, FeatureMap.identity(WIDTH), WS)[2]).isZero();
    }
  }

  @Test
  void widthsMustFit() {
    try (SpaceMoments moments = moments(x, y)) {
      assertThatThrownBy(() -> MatchedCorrelation.of(moments, 1, FeatureMap.identity(5), WS))
          .isInstanceOf(ShapeException.class)
          .hasMessage("a map of 5 features for moments of 6 and 6");
    }
  }
}
